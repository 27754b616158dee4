// What the model is made of: its layers, their channels, and what each reacts to.
import { ask } from "./api.js";
import { el, fill } from "./dom.js";

export const title = "Network", path = ["layers"];
export const matches = (path) => path[0] === "layers" || path[0] === "layer";

export async function show(root, { signal }) {
  const { layers } = await ask("layers", {}, { signal });
  fill(root, el("ul", {}, layers.map((layer) => el("li", {}, `${layer.path} ${layer.role}`))));
}
