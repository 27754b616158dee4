// What the model is made of: its diagram, its layers, their channels, and what each of them reacts to.
import { ask, Refused } from "./api.js";
import { el, fill } from "./dom.js";
import { Diagram } from "./network/diagram.js";
import { Finder } from "./network/finder.js";
import { listen } from "./network/keys.js";
import { link } from "./router.js";
import { showLayer } from "./network/layer.js";
import { showLayers } from "./network/list.js";
import { named } from "./network/paths.js";
import { showUnit } from "./network/unit.js";

export const title = "Network", path = ["layers"];
export const matches = (path) => path[0] === "layers" || path[0] === "layer";
export const applies = (facts) => facts.model !== null;

const NARROW = matchMedia("(max-width: 60rem)");

let known = null;  // the layers, as they were told last
let frame = null;  // stays while layers are walked through, so that the diagram keeps its place and its focus

NARROW.addEventListener("change", () => {
  if (frame && !NARROW.matches) frame.side.open = true;  // what it is unfolded by isn't there in a wide window
});

export async function show(root, { path, parameters, facts, signal }) {
  const image = parameters.image ?? (facts.images ? "0" : null);
  // Of a model that takes any size, an image decides on the shapes.
  const sized = facts.model.input.length && !facts.model.input.includes(null);
  const shaping = sized ? null : image;
  if (known?.shaping !== shaping) known = { shaping, ...await ask("layers", { image: shaping }, { signal }) };
  const { layers, parameters: count, source, why_none } = known;
  if (!layers.length) {
    fill(root, el("p", {}, why_none));
    return;
  }
  if (frame?.element.parentNode !== root) {
    frame = new Frame();
    fill(root, frame.element);
  }
  await frame.show({ ...named(path), image, parameters, facts, layers, count, source, signal, shaping });
}

class Frame {
  constructor() {
    this.finder = new Finder();
    this.diagram = new Diagram();
    this.part = el("div", { class: "network-part" });
    this.said = el("p", { class: "unseen", role: "status" });
    this.hint = el("p", {}, "Choose a box, or a layer of the table below, to see what it makes of an image, and what its channels react to.");
    this.side = el("details", { class: "network-side", "aria-label": "Diagram of the model" }, el("summary", {}, "The diagram, and a field to find a layer"), this.hint, this.finder.element, this.diagram.element);
    this.element = el("div", { class: "network" }, this.side, this.part, this.said);
    this.layer = null;
  }

  async show(context) {
    const { layer, unit, image, signal } = context;
    this.element.classList.toggle("whole", !layer);
    this.hint.hidden = Boolean(layer);
    // Where there is no room beside a layer, its diagram is folded; once somebody has opened it, it stays so.
    if (Boolean(this.layer) !== Boolean(layer) || this.layer === null) this.side.open = !layer || !NARROW.matches;
    this.layer = layer;
    this.finder.show(context);
    listen(context);
    const diagram = this.diagram.show(context);
    diagram.catch(() => {});  // it is awaited below
    const focused = this.part.contains(document.activeElement) ? document.activeElement.dataset.focus : null;
    try {
      const part = await (unit !== null ? showUnit : layer ? showLayer : showLayers)(context);
      fill(this.part, part);
      part.dispatchEvent(new Event("shown"));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      fill(this.part, el("p", { class: "wrong", role: "alert" }, error.message), el("p", {}, el("a", { href: link(path, { image }) }, "All layers")));
    }
    if (focused) this.part.querySelector(`[data-focus="${focused}"]`)?.focus({ preventScroll: true });
    this.said.textContent = this.part.querySelector("h2")?.textContent ?? "";
    await diagram;
    signal.throwIfAborted();
  }
}
