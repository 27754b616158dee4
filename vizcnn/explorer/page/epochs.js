// A training: the same image after each epoch, and two epochs side by side.
import { address, ask } from "./api.js";
import { el, refill } from "./dom.js";
import { change } from "./router.js";

export const title = "Training", path = ["training"];
export const matches = (path) => path[0] === "training";
export const applies = (facts) => facts.kept === "training", isAsked = true;

export async function show(root, { parameters, facts, signal }) {
  const { series } = await ask("training", {}, { signal });
  if (signal.aborted) return;
  const one = series.find(({ name }) => name === parameters.series) ?? series[0], { epochs } = one;
  const choose = el("select", { id: "series", onchange: () => change({ series: choose.value, left: null, right: null }) }, series.map(({ name }) => el("option", { value: name, selected: name === one.name }, name)));
  refill(root, el("h2", {}, "The same image, epoch by epoch"),
    facts.error && el("p", { class: "hint" }, `The latest checkpoint, ${facts.name}, can't be looked into: ${facts.error.split("\n").at(-1)}`),
    el("form", { class: "controls below", "aria-label": "What is shown", onsubmit: (event) => event.preventDefault() }, el("label", {}, "Image and method ", choose)),
    el("div", { class: "checkpoints" }, side("left", "First", epochs[0]), side("right", "Second", epochs.at(-1))));

  function side(name, words, usual) {
    const at = Math.max(0, epochs.indexOf(Number(parameters[name] ?? usual)));
    const image = el("img", {}), said = el("output", {}), range = el("input", { type: "range", id: `checkpoint-${name}`, min: 0, max: epochs.length - 1, step: 1, value: at });
    const draw = () => {
      const epoch = epochs[range.value];
      image.src = address("training/picture", { series: one.name, epoch });
      image.alt = `${one.name} after epoch ${epoch}`;
      said.textContent = `epoch ${epoch}`;
      range.setAttribute("aria-valuetext", said.textContent);
    };
    range.addEventListener("input", draw);
    range.addEventListener("change", () => change({ series: one.name, [name]: epochs[range.value] }, { instead: true }));
    draw();
    return el("figure", {}, image, el("figcaption", {}, el("label", {}, `${words} checkpoint `, range), " ", said));
  }
}
