// A channel or a unit: its map on an image, what excites it, the input it prefers, its kernel, its health.
import { ask, askArrays } from "../api.js";
import { el, fill } from "../dom.js";
import { go } from "../router.js";
import { isTyped } from "./finder.js";
import { oneKernel } from "./kernels.js";
import { bar, cellAt, paint, scaleOf } from "./maps.js";
import { showPatches } from "./patches.js";
import { Picture, extremes, imageSteps } from "./picture.js";
import { layerLink, unitLink } from "./paths.js";
import { Preferred } from "./preferred.js";
import { by, digits, times, unitName } from "./words.js";

export async function showUnit(context) {
  const { layer, unit, image, facts, signal } = context;
  const about = await ask("layer", { layer, image }, { signal });
  const what = unitName(about.shape), map = image === null ? null : await askArrays("channel", { layer, image, unit }, { signal });
  const count = map?.about.channels ?? about.channels, number = Number(unit);
  const part = (title, lines) => el("section", {}, el("h3", {}, title), lines);
  const waiting = (text) => el("div", { "aria-live": "polite" }, el("p", { class: "quiet" }, text));
  const patches = waiting("The images are being gone through …"), health = waiting("Its values are being looked at …"), kernel = waiting("…");
  const preferred = new Preferred(context);
  const page = el("div", {},
    steps(context, number, count, what),
    el("h2", {}, `${about.path}, ${what} ${number}`, count ? el("span", { class: "quiet" }, ` of ${count}`) : null),
    map ? await onImage(context, about, map, what) : el("p", {}, `No image was given: choose one under Image to see what this ${what} makes of it.`),
    part("What excites it most in the images", patches),
    part("The input it prefers", preferred.element),
    about.has_kernels ? part("Its kernel", kernel) : null,
    part("Its health", health));
  page.addEventListener("shown", () => {
    if (about.has_kernels) later(kernel, () => oneKernel(context), signal);
    const takes = (place, method, make) => {
      if (!about.can.includes(method)) fill(place, el("p", {}, "This model isn't of the kind that can be asked for that."));
      else if (!facts.images) fill(place, el("p", {}, "For that it takes a folder of images: vizcnn serve MODEL IMAGES."));
      else later(place, make, signal);
    };
    takes(patches, "top_patches", () => showPatches(context, what));
    takes(health, "diagnose", () => inWords(context));
    if (about.can.includes("activation_maximization")) preferred.start();
    else fill(preferred.element, el("p", {}, "It takes a model of images, through which gradients can be sent."));
  });
  return page;
}

async function later(place, make, signal) {
  try {
    fill(place, await make());
  } catch (error) {
    if (error.name === "AbortError" || signal.aborted) return;
    fill(place, el("p", {}, error.message));
  }
}

// Links to the layer and to the neighbors, which the keys n and p go to.
function steps({ layer, image, signal }, number, count, what) {
  const step = (to, words, key, focus) => (to >= 0 && to < count ? el("a", { href: unitLink(layer, to, image), "data-focus": focus, "aria-keyshortcuts": key }, words) : el("span", { class: "quiet" }, words));
  document.addEventListener("keydown", (event) => {
    const to = number + { n: 1, p: -1 }[event.key];
    if (!(to >= 0 && to < count) || event.ctrlKey || event.metaKey || event.altKey || isTyped(event.target)) return;
    go(["layer", layer, "unit", String(to)], { image });
  }, { signal });
  return el("nav", { class: "steps", "aria-label": `${what}s of the layer` },
    el("a", { href: layerLink(layer, image), "data-focus": "to-layer" }, `all of ${layer}`), " ",
    step(number - 1, `← ${what} before`, "p", "unit-before"), el("kbd", {}, "p"), " ", step(number + 1, `next ${what} →`, "n", "unit-next"), el("kbd", {}, "n"));
}

// The image, and beside it the map, which tells its values and what its cells see.
async function onImage(context, about, { about: { kind, low, high, mean, rank, channels, shape }, arrays }, what) {
  const { image, facts, signal } = context;
  const picture = new Picture(await askArrays("seen", { image }, { signal }), about.field, facts);
  const place = rank === 0 ? `the highest of ${channels}` : `${times(rank, "other")} of ${channels} ${rank === 1 ? "is" : "are"} higher`;
  const left = el("div", { class: "image-side" }, picture.element, imageSteps(context));
  if (kind === "units") {
    return el("div", { class: "beside" }, left, el("p", {}, `On this image its value is ${digits(arrays.maps.values[0])}: ${place}.`));
  }
  const { values, shape: [, height, width] } = arrays.maps, scale = scaleOf([low, high]), ends = extremes(values);
  const canvas = el("canvas", { class: "cells", tabindex: 0, role: "application", "aria-roledescription": "map", "aria-label": `Map of ${by(shape)}, values ${digits(ends[0])} to ${digits(ends[1])}; the arrow keys read it` });
  paint(canvas, { values, width, height }, scaleOf(ends), facts);
  const spot = el("span", { class: "spot", hidden: true }), output = el("output", { class: "reading" }, "\u00a0");
  let at = [height >> 1, width >> 1];
  const read = (byKey) => {
    const [row, column] = at;
    output.textContent = `${digits(values[row * width + column])} at ${kind === "sequence" ? `place ${column}` : `row ${row}, column ${column}`}`;
    spot.hidden = !byKey;
    spot.style.left = `${(100 * (column + 0.5)) / width}%`;
    spot.style.top = `${(100 * (row + 0.5)) / height}%`;
    picture.show(kind === "sequence" ? [column] : kind === "maps" ? at : null);
  };
  const stop = () => { output.textContent = "\u00a0"; spot.hidden = true; picture.show(null); };
  canvas.addEventListener("pointermove", (event) => { at = cellAt(event, canvas); read(event.pointerType !== "mouse"); });
  canvas.addEventListener("pointerdown", (event) => { at = cellAt(event, canvas); read(event.pointerType !== "mouse"); });
  canvas.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") stop(); });
  canvas.addEventListener("blur", stop);
  canvas.addEventListener("focus", () => { if (canvas.matches(":focus-visible")) read(true); });
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (!step) return;
    event.preventDefault();
    at = [Math.min(height - 1, Math.max(0, at[0] + step[0])), Math.min(width - 1, Math.max(0, at[1] + step[1]))];
    read(true);
  });
  const strip = kind === "sequence" ? " signal" : "";
  return el("div", { class: "beside" }, left, el("figure", { class: "one-map" },
    el("div", { class: `stage${strip}` }, canvas, spot),
    el("figcaption", {}, output, bar(scaleOf(ends), facts), ` Its mean on this image is ${digits(mean)}: ${place}. The layer's values go from ${digits(low)} to ${digits(high)}.`)));
}

async function inWords({ layer, unit, signal }) {
  const { sentences, told_at } = await ask("health", { layer, unit }, { signal });
  const where = told_at && told_at !== layer ? [" It is told behind the activation, at ", el("a", { href: unitLink(told_at, unit, image) }, told_at), "."] : null;
  return el("p", {}, sentences.join(" "), where);
}
