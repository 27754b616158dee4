// The image as the model sees it, with what a cell sees drawn on it; pointing at it tells the cell that looks there.
import { el, fill, svg } from "../dom.js";
import { drawMap } from "../drawing.js";
import { link } from "../router.js";
import { table } from "../colors.js";

export class Picture {
  // `seen`: what api/seen says; `field`: what the layer's cells see, or null; `tell(row, column)`: of the cell pointed at, null for none.
  constructor(seen, field, facts, tell = null) {
    const { about, arrays } = seen;
    this.field = field && field.size.length <= 2 && about.kind !== "volume" ? field : null;
    this.tell = this.field && this.field.low.length === 2 ? tell : null;
    const canvas = el("canvas", { role: "img", "aria-label": `The image ${about.name}, as the model takes it` });
    if (about.kind === "signal") {
      const { values, shape: [height, width] } = arrays.values, ends = extremes(values);
      drawMap(canvas, { width, height }, { values, vmin: ends[0], vmax: ends[1], alone: true }, null, { mode: "map", table: table(facts, facts.colors.sequential) });
      this.size = [height, width];
      this.isSignal = true;
    } else {
      const { values, shape: [height, width] } = arrays.pixels;
      [canvas.width, canvas.height] = [width, height];
      const context = canvas.getContext("2d"), drawn = context.createImageData(width, height);
      for (let i = 0; i < width * height; i++) drawn.data.set([values[3 * i], values[3 * i + 1], values[3 * i + 2], 255], 4 * i);
      context.putImageData(drawn, 0, 0);
      this.size = [height, width];
    }
    canvas.classList.toggle("cells", Math.max(...this.size) < 160);
    const [height, width] = this.size;
    this.boxes = svg("svg", { class: "over", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" });
    this.stage = el("div", { class: `stage picture${this.isSignal ? " signal" : ""}` }, canvas, this.boxes);
    this.output = el("output", {}, "\u00a0");
    this.element = el("figure", {}, this.stage, el("figcaption", {}, about.name, this.output));
    if (this.tell) this.listen();
  }

  listen() {
    const [height, width] = this.size;
    const told = el("div", { class: "pointed", tabindex: 0, role: "application", "aria-roledescription": "image to point at", "aria-label": "Which channels fire at a place of the image: point, or use the arrow keys" });
    this.stage.append(told);
    this.at = [height >> 1, width >> 1];
    told.addEventListener("pointermove", (event) => this.point(event));
    told.addEventListener("pointerdown", (event) => this.point(event));
    told.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
      if (!step) return;
      event.preventDefault();
      const pace = this.field.stride.map((one) => Math.max(1, Math.round(one)));
      this.at = this.at.map((one, axis) => Math.min(this.size[axis] - 1, Math.max(0, one + step[axis] * pace[axis])));
      this.pointed();
    });
  }

  point(event) {
    const box = this.stage.getBoundingClientRect(), part = [(event.clientY - box.top) / box.height, (event.clientX - box.left) / box.width];
    this.at = part.map((share, axis) => Math.min(this.size[axis] - 1, Math.max(0, Math.floor(share * this.size[axis]))));
    this.pointed();
  }

  pointed() {
    const cell = this.at.map((place, axis) => nearest(this.field.centers[axis], place));
    this.show(cell);
    this.tell(...cell);
  }

  // Draws what a cell sees; null: nothing.
  show(cell) {
    if (!this.field) return;
    fill(this.boxes);
    this.output.textContent = "\u00a0";
    if (!cell) return;
    const ends = cell.slice(-this.field.low.length).map((at, axis) => [this.field.low[axis][at], this.field.high[axis][at] + 1]);
    if (ends.some(([low]) => low === undefined)) return;
    const [rows, columns] = ends.length === 2 ? ends : [[0, this.size[0]], ends[0]];
    const place = { x: columns[0], y: rows[0], width: columns[1] - columns[0], height: rows[1] - rows[0] };
    fill(this.boxes, svg("rect", { class: "under", ...place }), svg("rect", place));
    this.output.textContent = ends.length === 2 ? `sees rows ${rows[0]} to ${rows[1] - 1}, columns ${columns[0]} to ${columns[1] - 1}` : `sees places ${columns[0]} to ${columns[1] - 1}`;
  }
}

export function extremes(values) {
  let low = Infinity, high = -Infinity;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}

function nearest(centers, place) {
  let best = 0;
  for (let at = 1; at < centers.length; at++) if (Math.abs(centers[at] - place) < Math.abs(centers[best] - place)) best = at;
  return best;
}

// Goes to the image before and the one behind it in the folder; so do the keys k and j.
export function imageSteps({ facts, image, layer, unit }) {
  if (image === null || !/^\d+$/.test(image) || facts.images < 2) return null;
  const at = Number(image), path = unit === null ? ["layer", layer] : ["layer", layer, "unit", unit];
  const step = (to, words, focus) => (to >= 0 && to < facts.images ? el("a", { href: link(path, { image: to }), "data-focus": focus }, words) : el("span", { class: "quiet" }, words));
  return el("p", { class: "steps" }, step(at - 1, "← image before", "image-before"), el("kbd", {}, "k"), ` ${at + 1} of ${facts.images} `, step(at + 1, "next image →", "image-next"), el("kbd", {}, "j"));
}
