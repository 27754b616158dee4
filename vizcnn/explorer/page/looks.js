// How maps are drawn: opacity, mode and colors, by controls as the report has them, for all maps of the page.
import { table, usual } from "./colors.js";
import { el } from "./dom.js";

export const look = { opacity: null, mode: "overlay", colors: "" };
const heard = new Set();

// Calls `redraw` whenever that changes, until `signal` ends it.
export function follow(redraw, signal) {
  heard.add(redraw);
  signal.addEventListener("abort", () => heard.delete(redraw));
}

export function tableOf(map, facts) {
  return look.colors ? table(facts, look.colors) : usual(facts, map.signed);
}

export function controls(facts, more = []) {
  look.opacity ??= facts.colors.opacity;
  const range = el("input", { type: "range", id: "opacity", min: 0, max: 100, value: Math.round(100 * look.opacity) });
  const said = el("output", { for: "opacity", "aria-live": "off" });
  const modes = [["overlay", "map over image"], ["map", "map alone"], ["both", "side by side"]].map(([value, text]) =>
    el("label", {}, el("input", { type: "radio", name: "mode", value, checked: value === look.mode }), ` ${text}`));
  const colors = el("select", {}, el("option", { value: "" }, "automatic"), Object.keys(facts.colors.tables).map((name) => el("option", { selected: name === look.colors }, name)));
  const form = el("form", { class: "controls", "aria-label": "How the maps are drawn", autocomplete: "off" },
    el("div", {}, el("label", { for: "opacity" }, "Opacity"), " ", range, " ", said),
    el("fieldset", {}, el("legend", {}, "Show"), modes),
    el("label", {}, "Colors ", colors), more);
  const take = () => {
    Object.assign(look, { opacity: range.value / 100, mode: form.elements.mode.value, colors: colors.value });
    range.disabled = look.mode !== "overlay";
    said.textContent = `${range.value} %`;
    range.setAttribute("aria-valuetext", said.textContent);
    heard.forEach((redraw) => redraw());
  };
  form.addEventListener("input", take);
  form.addEventListener("submit", (event) => event.preventDefault());
  take();
  return form;
}
