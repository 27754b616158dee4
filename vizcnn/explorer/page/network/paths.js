// Links to layers and to their channels or units.
import { link } from "../router.js";

// The layer and the unit that a link names. Layers' paths have slashes, and some programs write these out when a link is passed on.
export function named(path) {
  if (path[0] !== "layer") return { layer: "", unit: null };
  const at = path.length - 2;
  if (path.length > 3 && path[at] === "unit") return { layer: path.slice(1, at).join("/"), unit: path[at + 1] };
  return { layer: path.slice(1).join("/"), unit: null };
}

export const layerLink = (layer, image) => link(["layer", layer], { image });
export const unitLink = (layer, unit, image) => link(["layer", layer, "unit", String(unit)], { image });
