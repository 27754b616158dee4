// Kernels as pictures: those of a layer, or the parts of one.
import { askArrays } from "../api.js";
import { el } from "../dom.js";
import { drawMap } from "../drawing.js";
import { change } from "../router.js";
import { usual } from "../colors.js";
import { bar } from "./maps.js";
import { saves } from "./save.js";
import { unitLink } from "./paths.js";
import { by, digits, times } from "./words.js";

const PAGE = 64;

// Draws a kernel: colors as they are, numbers by the usual color map around zero.
export function kernelCanvas(values, shape, end, facts) {
  const canvas = el("canvas", { class: "cells", "aria-hidden": "true" }), [height, width, depth] = shape;
  if (depth !== 3) {
    drawMap(canvas, { width, height }, { values, vmin: -end, vmax: end, alone: true }, null, { mode: "map", table: usual(facts, true) });
    return canvas;
  }
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d"), drawn = context.createImageData(width, height);
  for (let i = 0; i < width * height; i++) drawn.data.set([255 * values[3 * i], 255 * values[3 * i + 1], 255 * values[3 * i + 2], 255], 4 * i);
  context.putImageData(drawn, 0, 0);
  return canvas;
}

export async function pageOfKernels({ layer, image, parameters, facts, signal }, isOwn) {
  const start = Number(parameters.kernels ?? 0);
  const { about, arrays: { kernels, numbers } } = await askArrays("kernels", { layer, start }, { signal });
  const [, ...shape] = kernels.shape, cells = shape.reduce((product, length) => product * length, 1);
  const tiles = Array.from(numbers.values, (number, index) => {
    const canvas = kernelCanvas(kernels.values.subarray(index * cells, (index + 1) * cells), shape, about.end, facts);
    return el("li", {}, el("a", { href: unitLink(layer, number, image), "aria-label": `kernel ${number}` }, canvas, el("span", {}, number)));
  });
  const [height, width, depth] = about.shape;
  const said = about.in_color ? "in the colors that they look for, gray is zero" : about.is_mean ? `each the mean over its ${depth} input channels; open one to see them all` : "by their weights";
  const step = (to, words, focus) => el("button", { type: "button", disabled: to < 0 || to >= about.kernels, "data-focus": focus, onclick: () => change({ kernels: to || "" }) }, words);
  const pages = about.kernels > PAGE ? el("p", { class: "tools" }, step(start - PAGE, "← before", "kernels-before"), `kernels ${start} to ${start + numbers.values.length - 1} of ${about.kernels}`, step(start + PAGE, "next →", "kernels-next")) : null;
  return el("section", {},
    el("h3", {}, `${isOwn ? "Its kernels" : `The kernels before it, of ${layer}`}: ${about.kernels} of ${by([height, width, depth])}`),
    el("p", {}, `${said[0].toUpperCase()}${said.slice(1)}. `, about.in_color ? null : ["Colors: ", bar({ vmin: -about.end, vmax: about.end, signed: true }, facts)]),
    pages,
    el("ul", { class: "tiles small-tiles" }, tiles),
    saves("kernels", { layer }));
}

// The kernel of one channel: all its input channels, the strongest first.
export async function oneKernel({ layer, unit, image, facts, signal }, isOwn) {
  const { about, arrays: { slices, numbers } } = await askArrays("kernel", { layer, unit }, { signal });
  const [, ...shape] = slices.shape, cells = shape.reduce((product, length) => product * length, 1), named = about.inputs > 1 && shape.length === 2;
  const tiles = Array.from(numbers.values, (number, index) => {
    const canvas = kernelCanvas(slices.values.subarray(index * cells, (index + 1) * cells), shape, about.end, facts);
    return el("li", {}, canvas, named ? el("span", {}, `input ${number}`) : null);
  });
  const left = about.inputs - numbers.values.length, shown = named && left > 0 ? `, the ${numbers.values.length} strongest of them` : "";
  return [
    isOwn ? null : el("p", {}, "It is that of ", el("a", { href: unitLink(layer, unit, image) }, layer), ", before it."),
    el("p", {}, `${by(shape.slice(0, 2))} weights for ${times(about.inputs, "input channel")}${shown}, from ${digits(about.low)} to ${digits(about.high)}. `, shape.length === 2 ? ["Colors: ", bar({ vmin: -about.end, vmax: about.end, signed: true }, facts)] : "In the colors that it looks for, gray is zero."),
    el("ul", { class: "tiles small-tiles" }, tiles),
  ];
}
