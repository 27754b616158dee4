// A grid of maps of one image: methods down, classes and layers across; enlarged and read together, on one scale of colors where that is asked for.
import { Refused } from "./api.js";
import { breaking, highest, inNumbers, typed } from "./classes.js";
import { askFirst, bare, costOf } from "./cost.js";
import { el, fill } from "./dom.js";
import { exports } from "./export.js";
import { controls, follow } from "./looks.js";
import { askMap, drawnMap, KEYS, MapView, Together } from "./map_view.js";
import { pictureOf } from "./pictures.js";
import { change } from "./router.js";

export const name = "compare", title = "Compare";

const SCALES = [["own", "its own"], ["row", "one for each method"], ["all", "one for all"]];
const USUAL = ["gradcam", "saliency", "occlusion"];

const NARROW = matchMedia("(max-width: 48rem)");

const several = (text) => (text ? text.split("|") : []);
const joined = (list) => (list.length ? list.join("|") : null);

export function open(root, { facts, classes, speed, signal }) {
  let together = new Together(), cells = [];
  const bar = el("div", { class: "choices" }), chosen = el("summary", {}), choices = el("details", { class: "picker" }, chosen, bar), grid = el("div", { class: "wide", role: "region", "aria-label": "The maps", tabindex: 0 }), said = el("p", { class: "hint", role: "status" });
  const head = el("div", {});
  const keep = el("div", {});
  choices.open = !NARROW.matches;  // on a phone the maps come first
  fill(root, choices, said, grid, head, keep, el("p", { class: "unseen", id: "keys" }, KEYS, " Plus and minus enlarge all maps, 0 shows them whole."));
  follow(() => cells.forEach((cell) => cell.view?.redraw()), signal);
  let drawn = null, latest = null;  // what the cells are of; what update was called with

  function wanted(parameters) {
    const works = facts.methods.map((one) => one.name);
    const methods = several(parameters.methods).length ? several(parameters.methods) : [...new Set([parameters.method || facts.default_method, ...USUAL.filter((one) => works.includes(one))])];
    const targets = several(parameters.targets).length ? several(parameters.targets) : [parameters.target ?? ""];
    const layers = several(parameters.layers).length ? several(parameters.layers) : [parameters.layer ?? ""];
    return { methods, targets, layers, scale: SCALES.some(([value]) => value === parameters.scale) ? parameters.scale : "own" };
  }

  function drawBar(asked, isSignal) {
    const { methods, targets, layers, scale } = asked, has = document.activeElement?.closest?.(".choices") ? document.activeElement.dataset.name : null;
    const of = (count, one) => `${count} ${one}${count === 1 ? "" : one.endsWith("s") ? "es" : "s"}`;
    chosen.textContent = `${of(methods.length, "method")}, ${of(targets.length, "class")}${layers.length > 1 ? `, ${of(layers.length, "layer")}` : ""}: choose others`;
    const field = (title, list, key, texts, options) => el("fieldset", {}, el("legend", {}, title),
      el("ul", { class: "chips" }, list.map((one, at) => el("li", {}, el("span", {}, texts(one)), list.length > 1 ? el("button", { type: "button", "data-name": `${key} ${one}`, "aria-label": `leave out ${texts(one)}`,
        onclick: () => change({ [key]: joined(list.filter((_, other) => other !== at)) }) }, "×") : null))),
      el("select", { "aria-label": `add to ${title}`, "data-name": key, onchange: (event) => { if (event.target.value !== "+") change({ [key]: joined([...list, event.target.value]) }); } },
        el("option", { value: "+" }, "add …"), options.filter(([value]) => !list.includes(value)).map(([value, text]) => el("option", { value }, text))));
    const outputs = classes.outputs ?? [], tops = outputs.filter((output) => output.predicted !== null).flatMap((output) => highest(facts, output).map((entry) => [typed(facts, output.name, entry.index),
      `${outputs.length > 1 ? `${output.name}: ` : ""}${entry.name} ${inNumbers(entry.value, output.are_probabilities)}`, entry.name]));
    fill(bar,
      field("methods", methods, "methods", (one) => one, facts.methods.map(({ name: one }) => [one, `${one}: ${costOf(one, facts, speed.known)}`])),
      field("classes", targets, "targets", (one) => nameOfTarget(one, tops), [["", "what the model says"], ...tops]),
      facts.layers.length ? field("layers", layers, "layers", (one) => one || "chosen by the method", [["", "chosen by the method"], ...facts.layers.map(({ path }) => [path, path])]) : null,
      isSignal ? null : el("fieldset", {}, el("legend", {}, "scale of colors"), el("select", { "aria-label": "scale of colors", "data-name": "scale", onchange: (event) => change({ scale: event.target.value }, { instead: true }) },
        SCALES.map(([value, text]) => el("option", { value, selected: value === scale }, text)))));
    if (has) bar.querySelector(`[data-name="${CSS.escape(has)}"]`)?.focus();
    return (one) => nameOfTarget(one, tops);
  }

  async function update(given) {
    const { parameters, signal: until } = latest = given;
    const asked = wanted(parameters), { image } = parameters;
    const picture = await pictureOf(image, facts);
    if (until.aborted) return;
    if (picture.signal) asked.scale = "own";
    const nameOf = drawBar(asked, picture.signal), key = JSON.stringify([image, asked.methods, asked.targets, asked.layers]);
    if (drawn !== key) build(asked, nameOf, picture);
    drawn = key;
    fill(keep, exports({ image, method: asked.methods[0], layer: asked.layers[0], target: asked.targets[0] }, { methods: asked.methods }));
    for (const cell of cells) {
      if (cell.map || cell.failed || cell.waits) continue;
      const left = cells.filter((one) => !one.map && !one.failed && !one.waits).length, question = { image, method: cell.method, target: cell.target, layer: cell.layer };
      said.textContent = `${cell.method}: being made; ${left} to go.`;
      try {
        const first = await askFirst(question, { facts, speed, signal: until }, () => { cell.waits = false; update(latest); });
        if (until.aborted) return;
        cell.waits = Boolean(first);
        if (first) { fill(cell.place, el("p", {}, first)); continue; }
        if (cell.view && !cell.view.figure.isConnected) fill(cell.place, cell.view.figure);
        const map = await askMap(question, { signal: until });
        const curve = map.signal ? await drawnMap(question, map, picture) : null;
        if (until.aborted) return;
        if (curve) fill(cell.place, el("div", { class: "drawn" }, curve));
        cell.map = map;
      } catch (error) {
        if (until.aborted) { drawn = cells.some((one) => one.map) ? key : null; return; }
        if (!(error instanceof Refused)) throw error;
        cell.failed = true;
        fill(cell.place, el("p", { class: "wrong" }, error.message));
        continue;
      }
      rescale(asked.scale, picture);
    }
    rescale(asked.scale, picture);
    const failed = cells.filter((cell) => cell.failed).length, waiting = cells.filter((cell) => cell.waits).length;
    said.textContent = scaleSaid(asked.scale) + (failed ? ` ${failed} could not be made.` : "") + (waiting ? ` ${waiting} would take long: not begun yet.` : "");
  }

  function build({ methods, targets, layers }, nameOf, picture) {
    together = new Together();
    fill(head, picture.signal ? null : controls(facts, together.buttons()));
    cells = [];
    const columns = targets.flatMap((target) => layers.map((layer, at) => ({ target, layer, first: at === 0 })));
    const heading = ({ target, layer }) => [nameOf(target), layers.length > 1 ? `, ${layer || "layer of the method"}` : ""].join("");
    const cellOf = (method, { target, layer, first }) => {
      const takesLayer = facts.methods.find((one) => one.name === bare(method))?.takes_layer;
      if (!takesLayer && !first) return el("td", {}, el("span", { class: "hint" }, "looks at no layer"));
      const view = picture.signal ? null : new MapView(facts, { together }), place = el("td", {}, view?.figure);
      cells.push({ view, place, method, target, layer: takesLayer ? layer : "", map: null, failed: false });
      view?.figure.style.setProperty("--ratio", picture.width / picture.height);
      return place;
    };
    const rowHead = (...children) => el("th", { scope: "row" }, ...children), columnHead = (...children) => el("th", { scope: "col" }, ...children);
    const ofMethod = (method) => el("b", {}, breaking(method));
    // A single row of methods takes less room than a single column; curves are wide, and lie below each other.
    const isRow = columns.length === 1 && !picture.signal;
    const [heads, rows] = isRow
      ? [methods.map((method) => columnHead(ofMethod(method))), [el("tr", {}, methods.map((method) => cellOf(method, columns[0])))]]
      : [[el("td", {}), columns.map((column) => columnHead(heading(column)))].flat(), methods.map((method) => el("tr", {}, rowHead(ofMethod(method)), columns.map((column) => cellOf(method, column))))];
    fill(grid, el("table", { class: "grid" }, isRow ? el("caption", {}, "Why ", el("b", {}, heading(columns[0])), "?") : el("caption", { class: "unseen" }, "Maps by method, class and layer"),
      el("thead", {}, el("tr", {}, heads)), el("tbody", {}, rows)));
  }

  function rescale(scale, picture) {
    const made = cells.filter(({ map, view }) => map && view), groups = scale === "row" ? Map.groupBy?.(made, (cell) => cell.method) ?? grouped(made) : new Map([["all", made]]);
    for (const group of groups.values()) {
      const signed = group.some(({ map }) => map.signed), end = Math.max(...group.map(({ map }) => Math.max(Math.abs(map.vmin), Math.abs(map.vmax))));
      const limits = scale === "own" ? null : { vmin: signed ? -end : 0, vmax: end, signed };
      group.forEach((cell) => cell.view.show(cell.map, picture, limits));
    }
  }

  return { update };
}

function grouped(cells) {
  const groups = new Map();
  cells.forEach((cell) => groups.set(cell.method, [...(groups.get(cell.method) ?? []), cell]));
  return groups;
}

function nameOfTarget(target, tops) {
  if (!target) return "what the model says";
  const name = (text) => tops.find(([value]) => value === text)?.[2] ?? text;
  return target.split(" minus ").map(name).join(" − ");
}

const scaleSaid = (scale) => ({
  own: "Each map has a scale of its own: its colors say where, and can't be compared with those of another.",
  row: "The maps of a method have one scale: their colors can be compared.",
  all: "All maps have one scale. Numbers of different methods aren't of one kind: compare those of the same method.",
})[scale];
