// What is on the screen, to keep: the map as a file, the report, and what makes the same in Python and on the command line.
import { address, ask } from "./api.js";
import { el, fill } from "./dom.js";

// A fold with links and buttons for one map. `given`: image, method, layer, target, as in the view's link; `methods`: those of the report.
export function exports(given, { methods = [given.method] } = {}) {
  const known = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null && value !== undefined && value !== ""));
  const said = el("p", { role: "status", class: "small-print" }), shown = el("div");
  const file = (suffix, text) => el("a", { href: address(`export/map.${suffix}`, known), download: true }, text);
  const { method: _, ...rest } = known;
  const report = address("export/report.html", [...Object.entries(rest), ...methods.filter(Boolean).map((name) => ["method", name])]);

  async function copy(which, what) {
    fill(said, "…");
    try {
      const answer = await ask("export/code", known);
      const copied = await navigator.clipboard.writeText(answer[which]).then(() => true, () => false);  // a frame may not
      fill(said, [copied ? `Copied: ${what}.` : `Copy it from here: ${what}.`, ...answer.notes].join(" "));
      fill(shown, el("pre", { tabindex: "0", "aria-label": what, class: "code" }, answer[which]));
    } catch (error) {
      fill(said, error.message);
      fill(shown);
    }
  }

  return el("details", { class: "exports" },
    el("summary", {}, "Save or copy this"),
    el("ul", { class: "choices" },
      el("li", {}, file("png", "PNG")), el("li", {}, file("svg", "SVG")), el("li", {}, file("npz", "NPZ (the numbers)")),
      el("li", {}, el("a", { href: report, download: true }, "Report")),
      el("li", {}, el("button", { type: "button", onclick: () => copy("python", "the lines of Python") }, "Copy as Python")),
      el("li", {}, el("button", { type: "button", onclick: () => copy("command", "the command line") }, "Copy as command"))),
    said, shown);
}
