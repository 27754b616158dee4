// All layers, as a table.
import { el } from "../dom.js";
import { layerLink } from "./paths.js";
import { saves } from "./save.js";
import { by, times, whole } from "./words.js";

export async function showLayers({ layers, image, facts, count, source }) {
  const rows = layers.map((layer) => el("tr", {},
    el("th", { scope: "row" }, el("a", { href: layerLink(layer.path, image) }, layer.path)),
    el("td", {}, layer.kind),
    el("td", {}, layer.role),
    el("td", {}, layer.shape ? by(layer.shape) : "?"),
    el("td", { class: "number" }, whole(layer.parameters))));
  return el("div", {},
    el("h2", {}, "Layers"),
    el("p", {}, `${facts.model.name}, ${source}: ${times(layers.length, "layer")}, ${times(count, "parameter")}.`),
    saves("diagram", {}, ["png", "svg"]),
    el("div", { class: "wide", tabindex: 0, role: "region", "aria-label": "Table of the layers" },
      el("table", { class: "layers" },
        el("thead", {}, el("tr", {}, ["layer", "class", "what it does", "output", "parameters"].map((name) => el("th", { scope: "col" }, name)))),
        el("tbody", {}, rows))));
}
