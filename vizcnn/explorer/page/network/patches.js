// What excites a channel: pieces of the folder's images, cut to what the cell with the highest value sees.
import { askArrays } from "../api.js";
import { el } from "../dom.js";
import { saves } from "./save.js";
import { unitLink } from "./paths.js";
import { digits, percent, times } from "./words.js";

export async function showPatches({ layer, unit, signal }, what) {
  const { about, arrays: { patches } } = await askArrays("patches", { layer, unit }, { signal });
  const { values, images, names, ranks, top, images_seen: seen } = about, [, height, width] = patches.shape, size = height * width * 3;
  const tile = (index) => {
    const canvas = el("canvas", { class: Math.max(height, width) < 160 ? "cells" : "", width, height, role: "img", "aria-label": `piece of ${names[index]}` });
    const context = canvas.getContext("2d"), drawn = context.createImageData(width, height), pixels = patches.values.subarray(index * size, (index + 1) * size);
    for (let i = 0; i < width * height; i++) drawn.data.set([pixels[3 * i], pixels[3 * i + 1], pixels[3 * i + 2], 255], 4 * i);
    context.putImageData(drawn, 0, 0);
    const above = (seen - 1 - ranks[index]) / Math.max(1, seen - 1);
    return el("li", {}, el("a", { href: unitLink(layer, unit, images[index]), title: names[index] }, canvas, el("span", {}, digits(values[index]))), index < top ? null : el("span", { class: "quiet" }, ` above ${percent(above)}`));
  };
  const all = values.map((_, index) => tile(index)), spread = all.slice(top);
  return [
    el("p", {}, `The highest values among ${times(seen, "image")}, ${what === "unit" ? "one of each image" : "one piece of each image: what the cell with the highest value sees"}.`),
    about.is_dead ? el("p", {}, `It never rose above zero on these images, so the pieces say nothing of it.`) : null,
    ...about.notes.map((note) => el("p", { class: "hint" }, note)),
    el("ul", { class: "tiles patches" }, all.slice(0, top)),
    saves("patches", { layer, unit }),
    spread.length ? el("h4", {}, "And over its whole range") : null,
    spread.length ? el("p", {}, `The highest ones alone mislead: here is one image drawn from each ${ordinal(spread.length)} of them, ordered by how much they excite the ${what}.`) : null,
    spread.length ? el("ul", { class: "tiles patches" }, spread) : null,
  ];
}

const ordinal = (count) => ["", "whole", "half", "third", "quarter", "fifth", "sixth", "seventh", "eighth", "ninth"][count] ?? `${count}th`;
