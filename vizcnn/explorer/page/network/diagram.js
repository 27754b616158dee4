// The model's diagram: boxes that are links, walked through by the arrow keys. Where everything stands, the server says, in inches.
import { ask } from "../api.js";
import { el, fill, svg } from "../dom.js";
import { go } from "../router.js";
import { layerLink } from "./paths.js";

const UNIT = 100, PIXELS = 1.25;  // units of the drawing in an inch; pixels of a unit at the usual size
const NAME = 10.4, SMALL = 9, LINE = 1.25;
const SIZES = [0.4, 0.55, 0.75, 1, 1.35, 1.8, 2.5];

export class Diagram {
  constructor() {
    this.size = SIZES.indexOf(1);
    this.pane = el("div", { class: "diagram", role: "group", "aria-label": "Diagram: the arrow keys go from box to box", onkeydown: (event) => this.key(event) });
    this.every = el("input", { type: "checkbox", onchange: () => this.draw() });
    this.smaller = el("button", { type: "button", "aria-label": "Smaller", onclick: () => this.zoom(-1) }, "−");
    this.larger = el("button", { type: "button", "aria-label": "Larger", onclick: () => this.zoom(1) }, "+");
    this.element = el("div", {}, el("p", { class: "tools" }, el("label", {}, this.every, " one box for each layer"), this.smaller, this.larger), this.pane);
    this.boxes = [];
    new ResizeObserver(() => { if (this.context && !this.context.signal.aborted && this.pane.isConnected) this.draw(); }).observe(this.pane);
  }

  async show(context) {
    const moved = context.layer !== this.context?.layer;
    this.context = context;
    await this.draw();
    this.mark(moved);
  }

  // Draws it where it would now be another one.
  async draw() {
    const { shaping, signal } = this.context;
    const width = Math.min(40, Math.max(3, Math.floor(this.pane.clientWidth / (UNIT * PIXELS))));
    const asked = { width, fold: this.every.checked ? "never" : "auto", image: shaping }, key = JSON.stringify(asked);
    if (key === this.drawn) return;
    this.drawn = key;
    try {
      const drawing = await ask("diagram", asked, { signal });
      if (key === this.drawn) this.fill(drawing);
    } catch (error) {
      this.drawn = null;
      if (error.name !== "AbortError") throw error;
    }
  }

  fill({ width, height, boxes, arrows, frames }) {
    this.extent = [width * UNIT, height * UNIT];
    this.boxes = boxes.filter((box) => box.layers.length).map((box) => ({ ...box, element: linkOf(box) }));
    const inputs = boxes.filter((box) => !box.layers.length).map((box) => svg("g", { role: "img", "aria-label": box.name.join(" ") }, partsOf(box)));
    this.drawing = svg("svg", { viewBox: `0 0 ${this.extent.join(" ")}` },
      svg("defs", {}, ["way", "skip"].map((kind) => svg("marker", { id: `tip-${kind}`, viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto-start-reverse" }, svg("path", { d: "M0 0 8 4 0 8z", class: `tip ${kind}` })))),
      svg("g", { "aria-hidden": "true" }, frames.map(frameOf), arrows.map(arrowOf)), inputs,
      svg("g", { role: "list", "aria-label": "Layers" }, this.boxes.map(({ element }) => svg("g", { role: "listitem" }, element))));
    fill(this.pane, this.drawing);
    this.zoom(0);
    this.mark(true);
  }

  zoom(step) {
    this.size = Math.min(SIZES.length - 1, Math.max(0, this.size + step));
    const pixels = PIXELS * SIZES[this.size];
    this.drawing?.setAttribute("width", this.extent[0] * pixels);
    this.drawing?.setAttribute("height", this.extent[1] * pixels);
    this.smaller.disabled = this.size === 0;
    this.larger.disabled = this.size === SIZES.length - 1;
  }

  // Says which box the view is about, and brings it into sight.
  mark(moved) {
    const { layer, image } = this.context, path = layer.replace(/\[\d+\]$/, "");
    const current = this.boxes.find((box) => box.key === layer) ?? this.boxes.find((box) => box.layers.includes(path));
    for (const box of this.boxes) {
      box.element.setAttribute("href", layerLink(leadsTo(box), image));
      box.element.setAttribute("tabindex", box === (current ?? this.boxes[0]) ? 0 : -1);
      if (box === current) box.element.setAttribute("aria-current", "page");
      else box.element.removeAttribute("aria-current");
    }
    if (current && moved) {
      const pane = this.pane.getBoundingClientRect(), box = current.element.getBoundingClientRect();
      if (box.top < pane.top || box.bottom > pane.bottom) this.pane.scrollTop += box.top - pane.top - (pane.height - box.height) / 2;
      if (box.left < pane.left || box.right > pane.right) this.pane.scrollLeft += box.left - pane.left - (pane.width - box.width) / 2;
    }
  }

  key(event) {
    const at = this.boxes.findIndex(({ element }) => element === document.activeElement);
    if (event.key === "+" || event.key === "-") this.zoom(event.key === "+" ? 1 : -1);
    if (at < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    const to = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: this.boxes.length - 1 }[event.key];
    if (to !== undefined) {
      this.boxes[Math.min(this.boxes.length - 1, Math.max(0, to))].element.focus();
      event.preventDefault();
    } else if (event.key === " ") {
      go(["layer", leadsTo(this.boxes[at])], { image: this.context.image });
      event.preventDefault();
    }
  }
}

// A box of several layers leads to what comes out of it; one of a single layer to the call that it stands for.
const leadsTo = (box) => (box.layers.length === 1 ? box.key : box.layers.at(-1));

const points = (corners) => corners.map(([x, y]) => `${x * UNIT},${y * UNIT}`).join(" ");

function partsOf({ name, text, colors, front, back, repeats, text_at: [middle, below] }) {
  const [left, top, right, bottom] = front, line = { stroke: colors.line };
  const lid = back ? svg("polygon", { points: points([[left, top], [left + back, top - back], [right + back, top - back], [right, top]]), fill: colors.lid, ...line }) : null;
  const side = back ? svg("polygon", { points: points([[right, top], [right + back, top - back], [right + back, bottom - back], [right, bottom]]), fill: colors.side, ...line }) : null;
  const shape = svg("polygon", { points: points([[left, top], [right, top], [right, bottom], [left, bottom]]), fill: colors.front, ...line });
  let y = below * UNIT;
  const written = [...name.map((words) => [words, NAME, "name"]), ...(repeats > 1 ? [[`× ${repeats}`, NAME, "name"]] : []), ...text.map((words) => [words, SMALL, "facts"])].map(([words, size, kind]) => {
    y += size * LINE;
    return svg("text", { x: middle * UNIT, y: y - size * 0.25, "font-size": size, class: kind }, words);
  });
  return [lid, side, shape, ...written];
}

function linkOf(box) {
  const { name, text, front, back, text_at: [middle, below], does } = box;
  const lines = name.length + text.length + (box.repeats > 1), [left, top, right] = front, wide = Math.max(0.5, (right + back - left) / 2 + 0.05);
  const ground = svg("rect", { class: "ground", x: (middle - wide) * UNIT, y: (top - back - 0.05) * UNIT, width: 2 * wide * UNIT, height: (below - top + back + 0.1) * UNIT + lines * NAME * LINE, rx: 4 });
  return svg("a", { class: "box", tabindex: -1, "aria-label": `${name.join("")}${box.repeats > 1 ? `, ${box.repeats} times` : ""}: ${does}, ${text.join(" ")}` }, ground, partsOf(box));
}

function arrowOf({ points: corners, is_skip }) {
  const kind = is_skip ? "skip" : "way";
  return svg("polyline", { points: points(corners), class: `arrow ${kind}`, "marker-end": `url(#tip-${kind})` });
}

function frameOf({ path, depth, edges: [left, top, right, bottom], is_continued }) {
  return svg("g", {},
    svg("rect", { class: `frame ${depth % 2 ? "odd" : "even"}`, x: left * UNIT, y: top * UNIT, width: (right - left) * UNIT, height: (bottom - top) * UNIT, rx: 8 }),
    svg("text", { class: "frame-name", x: left * UNIT + 6, y: top * UNIT + 12, "font-size": NAME }, `${is_continued ? "… " : ""}${path.split("/").at(-1)}`));
}
