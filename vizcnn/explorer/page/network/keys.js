// Keys that walk through what is looked at: j and k the folder's images, n and p the layer's channels. They are heard while the view is still
// being drawn, so that none is lost.
import { change, go } from "../router.js";

export function listen({ layer, unit, image, layers, facts, signal }) {
  const path = layer.replace(/\[\d+\]$/, ""), shape = layers.find((one) => one.path === path)?.shape;
  const at = /^\d+$/.test(image) ? Number(image) : NaN, number = unit === null ? NaN : Number(unit);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyped(event.target)) return;
    const toImage = at + { j: 1, k: -1 }[event.key.toLowerCase()], toUnit = number + { n: 1, p: -1 }[event.key.toLowerCase()];
    if (layer && toImage >= 0 && toImage < facts.images) change({ image: toImage }, { instead: true });
    if (toUnit >= 0 && toUnit < (shape?.at(-1) ?? Infinity)) go(["layer", layer, "unit", String(toUnit)], { image });
  }, { signal });
}

export const isTyped = (element) => element.matches("input:not([type=checkbox], [type=radio], [type=range]), textarea, select");
