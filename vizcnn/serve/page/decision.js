// Why the model decides as it does: an image, its classes, and maps of what speaks for them.
import { ask } from "./api.js";
import { el, fill } from "./dom.js";

export const title = "Image", path = ["image"];
export const matches = (path) => path[0] === "image" || path.length === 0;

export async function show(root, { parameters, facts, signal }) {
  const image = parameters.image ?? "0";
  const { classes } = await ask("classes", { image }, { signal });
  fill(root, el("ol", {}, classes.map(({ label, probability }) => el("li", {}, `${label}: ${probability ?? ""}`))));
}
