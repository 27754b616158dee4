// A layer: what it is, what its cells see, its maps on an image, its kernels.
import { ask, askArrays } from "../api.js";
import { el } from "../dom.js";
import { link } from "../router.js";
import { pageOfKernels } from "./kernels.js";
import { Firing, showMaps } from "./maps.js";
import { Picture, imageSteps } from "./picture.js";
import { saves } from "./save.js";
import { layerLink } from "./paths.js";
import { by, roleOf, times } from "./words.js";

export async function showLayer(context) {
  const { layer, image, facts, signal } = context;
  const about = await ask("layer", { layer, image }, { signal });
  const links = (title, paths) => (paths.length ? el("span", {}, `${title} `, paths.flatMap((path, index) => [index ? ", " : null, path.startsWith("<") ? path.replace(/[<>]/g, "") : el("a", { href: layerLink(path, image) }, path)])) : null);
  const head = [
    el("nav", { class: "steps", "aria-label": "Network" }, el("a", { href: link(["layers"], { image }), "data-focus": "to-layers" }, "all layers")),
    el("h2", {}, about.path),
    el("p", {}, `${roleOf(about)}. ${about.shape ? `It puts out ${by(about.shape)}. ` : ""}${about.parameters ? `${times(about.parameters, "parameter")}.` : "It has no parameters."}`),
    about.field ? el("p", {}, inWords(about.field)) : null,
    el("p", {}, links("It is fed by", about.before), links(about.before.length ? "; it feeds" : "It feeds", about.after), "."),
    about.inside.length ? el("details", {}, el("summary", {}, `${times(about.inside.length, "layer")} inside`), links("", about.inside)) : null,
  ];
  const kernels = about.kernels_at ? await pageOfKernels({ ...context, layer: about.kernels_at }, about.kernels_at === about.path) : null;
  if (image === null) {
    return el("div", {}, head, el("p", {}, "No image was given: choose one under Image to see what this layer makes of it."), kernels);
  }
  const seen = await askArrays("seen", { image }, { signal }), firing = new Firing(context);
  const picture = new Picture(seen, about.field, facts, about.shape?.length === 3 ? (...cell) => firing.show(...cell) : null);
  let maps;
  try {
    maps = await showMaps(context, picture);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    maps = [el("p", {}, error.message)];
  }
  return el("div", {}, head,
    el("div", { class: "beside" },
      el("div", { class: "image-side" }, picture.element, imageSteps(context), picture.tell ? firing.element : null),
      el("div", {}, maps, about.shape?.length === 3 ? saves("maps", { layer, image }) : null, kernels)));
}

export function inWords({ extent, stride, size, sees_all, is_exact }) {
  const unit = size.length === 1 ? "places of the signal" : "pixels of the image";
  const sight = sees_all ? `Each of its cells sees the whole input of ${by(size)}.` : `Each of its cells sees ${by(extent)} of the ${by(size)} ${unit}; neighbors look ${by([...new Set(stride)])} apart.`;
  return is_exact ? sight : `${sight} That was measured, and is too small where units were dead.`;
}
