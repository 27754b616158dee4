// Feature maps: how one is drawn, and a page of them.
import { askArrays } from "../api.js";
import { el, fill } from "../dom.js";
import { drawBar, drawMap } from "../drawing.js";
import { change } from "../router.js";
import { usual } from "../colors.js";
import { extremes } from "./picture.js";
import { unitLink } from "./paths.js";
import { by, digits, times } from "./words.js";

const PAGE = 64;

// The ends of the scale for values between two numbers: around zero where they have both signs, else from zero on.
export const scaleOf = ([low, high]) => {
  const end = Math.max(Math.abs(low), Math.abs(high)) || 1;
  return low < 0 ? { vmin: -end, vmax: end, signed: true } : { vmin: 0, vmax: end, signed: false };
};

export function paint(canvas, { values, width, height }, { vmin, vmax, signed }, facts) {
  drawMap(canvas, { width, height }, { values, vmin, vmax, alone: true }, null, { mode: "map", table: usual(facts, signed) });
}

export function bar({ vmin, vmax, signed }, facts) {
  const canvas = el("canvas", { width: 128, height: 10, "aria-hidden": "true", class: "bar" });
  drawBar(canvas, usual(facts, signed));
  return el("span", { class: "scale" }, digits(vmin), canvas, digits(vmax));
}

// The place of a canvas's cell that a pointer is at: row and column.
export function cellAt(event, canvas) {
  const box = canvas.getBoundingClientRect();
  const at = (share, count) => Math.min(count - 1, Math.max(0, Math.floor(share * count)));
  return [at((event.clientY - box.top) / box.height, canvas.height), at((event.clientX - box.left) / box.width, canvas.width)];
}

// A page of a layer's maps on an image; `picture` shows what the cell under the pointer sees.
export async function showMaps(context, picture) {
  const { layer, image, parameters, facts, signal } = context;
  const start = parameters.start ?? "0", sort = parameters.sort === "active" ? "active" : null, shared = parameters.scale === "one";
  const { about, arrays } = await askArrays("maps", { layer, image, start, sort }, { signal });
  const { maps, numbers } = arrays, what = about.kind === "units" ? "unit" : "channel";
  const choose = (label, name, choices) => el("label", {}, `${label} `, el("select", { "data-focus": name, onchange: (event) => change({ [name]: event.target.value, start: name === "sort" ? "" : parameters.start }, { instead: true }) },
    choices.map(([value, words]) => el("option", { value, selected: (parameters[name] ?? "") === value }, words))));
  const tools = el("p", { class: "tools" },
    choose("Order", "sort", [["", "by number"], ["active", "the most active first"]]),
    about.kind === "units" ? null : choose("Colors", "scale", [["", "each its own scale"], ["one", "one scale for all"]]),
    shared || about.kind === "units" ? bar(scaleOf([about.low, about.high]), facts) : null);
  const pages = pager(Number(start), about.channels, what);
  const output = el("output", { class: "reading" }, "\u00a0");
  const size = about.kind === "units" ? "" : `, ${by(about.shape)} each`;
  const heading = el("h3", {}, `What it makes of this image: ${times(about.channels, what)}${size}`);
  if (about.kind === "units") return [heading, tools, pages, unitBars(context, about, arrays)];
  const [, height, width] = maps.shape, cells = height * width;
  const tiles = Array.from(numbers.values, (number, index) => {
    const values = maps.values.subarray(index * cells, (index + 1) * cells), ends = extremes(values);
    const canvas = el("canvas", { class: "cells", "aria-hidden": "true" });
    paint(canvas, { values, width, height }, scaleOf(shared ? [about.low, about.high] : ends), facts);
    canvas.addEventListener("pointermove", (event) => {
      const [row, column] = cellAt(event, canvas);
      output.textContent = `${what} ${number}, ${about.kind === "sequence" ? `place ${column}` : `row ${row}, column ${column}`}: ${digits(values[row * width + column])}`;
      picture?.show(about.kind === "sequence" ? [column] : about.kind === "maps" ? [row, column] : null);
    });
    canvas.addEventListener("pointerleave", () => { output.textContent = "\u00a0"; picture?.show(null); });
    return el("li", {}, el("a", { href: unitLink(layer, number, image), "data-focus": `unit-${number}`, "aria-label": `${what} ${number}, values ${digits(ends[0])} to ${digits(ends[1])}` }, canvas, el("span", {}, number)));
  });
  return [heading, tools, pages, output, el("ul", { class: `tiles${about.kind === "sequence" ? " strips" : ""}` }, tiles)];
}

function pager(start, count, what) {
  if (count <= PAGE) return null;
  const step = (to, words, focus) => el("button", { type: "button", disabled: to < 0 || to >= count, "data-focus": focus, onclick: () => change({ start: to || "" }) }, words);
  return el("p", { class: "tools" }, step(start - PAGE, "← before", "page-before"), `${what}s ${start} to ${Math.min(count, start + PAGE) - 1} of ${count}`, step(start + PAGE, "next →", "page-next"));
}

// Units have a number each, drawn as bars on one scale.
function unitBars({ layer, image }, about, { maps, numbers }) {
  const end = Math.max(Math.abs(about.low), Math.abs(about.high)) || 1;
  return el("table", { class: "units" }, el("caption", { class: "unseen" }, "Units and their values on this image"), el("tbody", {}, Array.from(numbers.values, (number, index) => {
    const value = maps.values[index];
    const meter = el("span", { class: value < 0 ? "length below" : "length" });
    meter.style.width = `${(100 * Math.abs(value)) / end}%`;
    return el("tr", {}, el("th", { scope: "row" }, el("a", { href: unitLink(layer, number, image), "data-focus": `unit-${number}` }, number)), el("td", { class: "lengths", "aria-hidden": "true" }, meter), el("td", { class: "number" }, digits(value)));
  })));
}

// The channels that fire most at a place: asked for once it is pointed at.
export class Firing {
  constructor(context) {
    this.context = context;
    this.list = el("ol", { class: "firing" });
    this.title = el("p", {}, "Point at the image to see which channels fire there most.");
    this.element = el("div", { "aria-live": "polite" }, this.title, this.list);
  }

  async show(row, column) {
    const { layer, image, signal } = this.context;
    this.asked ??= askArrays("firing", { layer, image }, { signal });
    this.place = [row, column];
    let arrays;
    try {
      ({ arrays } = await this.asked);
    } catch (error) {
      if (error.name === "AbortError") return;
      this.title.textContent = error.message;
      return;
    }
    if (this.place[0] !== row || this.place[1] !== column) return;
    const { channels, values } = arrays, [, width, count] = channels.shape, start = (row * width + column) * count;
    this.title.textContent = `At row ${row}, column ${column} of the map fire most:`;
    fill(this.list, Array.from({ length: count }, (_, rank) => {
      const channel = channels.values[start + rank];
      return el("li", {}, el("a", { href: unitLink(layer, channel, image) }, `channel ${channel}`), `: ${digits(values.values[start + rank])}`);
    }));
  }
}
