// Links that keep what is shown as files.
import { address } from "../api.js";
import { el } from "../dom.js";

export function saves(what, parameters, suffixes = ["png", "svg", "npz"]) {
  const known = Object.fromEntries(Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined));
  return el("p", { class: "tools quiet" }, "Save: ", suffixes.map((suffix) => el("a", { href: address(`export/network/${what}.${suffix}`, known), download: true, "aria-label": `Save the ${what} as ${suffix}` }, suffix.toUpperCase())));
}
