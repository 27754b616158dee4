// A channel or a unit: its map on an image, what excites it, the input it prefers, its kernel, its health.
import { ask, askArrays } from "../api.js";
import { el, fill } from "../dom.js";
import { ChannelMap } from "./channel_map.js";
import { oneKernel } from "./kernels.js";
import { showPatches } from "./patches.js";
import { Picture, imageSteps } from "./picture.js";
import { layerLink, unitLink } from "./paths.js";
import { Preferred } from "./preferred.js";
import { digits, times, unitName } from "./words.js";

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
    about.kernels_at ? part("Its kernel", kernel) : null,
    part("Its health", health));
  page.addEventListener("shown", () => {
    if (about.kernels_at) later(kernel, () => oneKernel({ ...context, layer: about.kernels_at }, about.kernels_at === about.path), signal);
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
function steps({ layer, image }, number, count, what) {
  const step = (to, words, key, focus) => (to >= 0 && to < count ? el("a", { href: unitLink(layer, to, image), "data-focus": focus, "aria-keyshortcuts": key }, words) : el("span", { class: "quiet" }, words));
  return el("nav", { class: "steps", "aria-label": `${what}s of the layer` },
    el("a", { href: layerLink(layer, image), "data-focus": "to-layer" }, `all of ${layer}`), " ",
    step(number - 1, `← ${what} before`, "p", "unit-before"), el("kbd", {}, "p"), " ", step(number + 1, `next ${what} →`, "n", "unit-next"), el("kbd", {}, "n"));
}

// The image, and beside it the map, which tells its values and what its cells see.
async function onImage(context, about, { about: { kind, low, high, mean, rank, channels }, arrays }, what) {
  const { image, unit, facts, signal } = context;
  const picture = new Picture(await askArrays("seen", { image }, { signal }), about.field, facts);
  const place = rank === 0 ? `the highest of ${channels}` : `${times(rank, "other")} of ${channels} ${rank === 1 ? "is" : "are"} higher`;
  const left = el("div", { class: "image-side" }, picture.element, imageSteps(context));
  if (kind === "units") {
    return el("div", { class: "beside" }, left, el("p", {}, `On this image its value is ${digits(arrays.maps.values[0])}: ${place}.`));
  }
  const map = new ChannelMap({ about: { kind }, arrays }, `${what} ${unit}`, picture, facts);
  return el("div", {}, el("div", { class: "beside pair" }, left, map.figure),
    el("p", {}, `Its mean on this image is ${digits(mean)}: ${place}. The layer's values go from ${digits(low)} to ${digits(high)}.`));
}

async function inWords({ layer, unit, image, signal }) {
  const { sentences, told_at } = await ask("health", { layer, unit }, { signal });
  const where = told_at && told_at !== layer ? [" It is told behind the activation, at ", el("a", { href: unitLink(told_at, unit, image) }, told_at), "."] : null;
  return el("p", {}, sentences.join(" "), where);
}
