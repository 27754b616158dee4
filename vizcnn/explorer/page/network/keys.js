// Keys that walk through what is looked at: j and k the folder's images, n and p the layer's channels. They are heard while the view is still
// being drawn, so that none is lost.
import { keyOf } from "../keys.js";
import { change, go } from "../router.js";

export function listen({ layer, unit, image, layers, facts, signal }) {
  const path = layer.replace(/\[\d+\]$/, ""), shape = layers.find((one) => one.path === path)?.shape;
  const at = /^\d+$/.test(image) ? Number(image) : NaN, number = unit === null ? NaN : Number(unit);
  document.addEventListener("keydown", (event) => {
    const key = keyOf(event), toImage = at + { j: 1, k: -1 }[key], toUnit = number + { n: 1, p: -1 }[key];
    if (layer && toImage >= 0 && toImage < facts.images) change({ image: toImage }, { instead: true });
    if (toUnit >= 0 && toUnit < (shape?.at(-1) ?? Infinity)) go(["layer", layer, "unit", String(toUnit)], { image });
  }, { signal });
}
