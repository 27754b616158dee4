// The rows of a run: filtered, sorted, a hundred at a time.
import { ask, askArrays } from "../api.js";
import { usual } from "../colors.js";
import { el, fill } from "../dom.js";
import { drawMap, short } from "../drawing.js";
import { thumbnail } from "../pictures.js";
import { change, link } from "../router.js";
import { load, tagForm, tagsOf } from "./tags.js";

export const name = "rows", title = "Images";

const PAGE = 100;
const FILTERS = ["label", "prediction", "wrong", "text", "sort", "down", "start"];
const told = (value) => (value === null ? "" : typeof value === "number" ? short(value) : String(value));

export async function show(root, { parameters, about, facts, signal }) {
  const asked = Object.fromEntries(FILTERS.map((one) => [one, parameters[one]]));
  const both = parameters.label && parameters.prediction;
  const [{ count, start, rows }, mean, untold] = await Promise.all([ask("run/rows", asked, { signal }), both ? meanOf(parameters, facts, signal) : null, whyNoTags(signal)]);
  const columns = [...about.columns, ...about.methods[parameters.method] ?? []], chosen = new Set();
  const again = (more) => change({ start: null, ...more }, { instead: true });
  const classes = (column, words, names) => {
    const select = el("select", { id: column, onchange: () => again({ [column]: select.value }) }, el("option", { value: "" }, "any"), names.map((one) => el("option", { value: one, selected: one === parameters[column] }, one)));
    return el("label", {}, `${words} `, select);
  };
  const text = el("input", { id: "text", value: parameters.text ?? "", autocomplete: "off", onchange: () => again({ text: text.value }) });
  const wrong = el("input", { type: "checkbox", id: "wrong", checked: Boolean(parameters.wrong), onchange: () => again({ wrong: wrong.checked ? 1 : null }) });
  const method = el("select", { id: "of-method", onchange: () => change({ method: method.value }, { instead: true }) }, Object.keys(about.methods).map((one) => el("option", { value: one, selected: one === parameters.method }, one)));
  const head = (column) => {
    const sorted = parameters.sort === column, down = sorted && Boolean(parameters.down);
    return el("th", { scope: "col", "aria-sort": sorted && (down ? "descending" : "ascending") },
      el("button", { type: "button", id: `sort-${column}`, title: about.meanings[column], onclick: () => again({ sort: column, down: sorted && !down ? 1 : null }) }, `${column}${sorted ? (down ? " ↓" : " ↑") : ""}`));
  };
  const marks = rows.map((row) => el("input", { type: "checkbox", "aria-label": `choose ${row.path}`, onchange: (event) => (event.target.checked ? chosen.add(row) : chosen.delete(row)) }));
  const cells = rows.map(() => el("td", { class: "tags" }));
  const showTags = () => rows.forEach((row, at) => { cells[at].textContent = tagsOf(row.index); });
  const step = (id, words, to, on) => el("button", { type: "button", id, disabled: !on, onclick: () => change({ start: to || null }) }, words);
  showTags();
  fill(root,
    el("form", { class: "controls", "aria-label": "Filters", onsubmit: (event) => event.preventDefault() },
      classes("label", "True class", about.labels), classes("prediction", "Taken for", about.predictions),
      el("label", {}, wrong, " mistakes only"), el("label", {}, "Path contains ", text), el("label", {}, "Numbers of ", method)),
    mean,
    tagForm(() => [...chosen].map(({ index }) => index), showTags, untold),
    el("p", { role: "status" }, `${count.toLocaleString("en")} ${count === 1 ? "image" : "images"}; ${count ? `${start + 1} to ${start + rows.length} are shown` : about.count ? "none fit" : "none is explained yet"}.`),
    el("details", { class: "meanings" }, el("summary", {}, "What the columns mean"),
      el("dl", {}, columns.filter((column) => about.meanings[column]).flatMap((column) => [el("dt", {}, column), el("dd", {}, about.meanings[column])]))),
    el("div", { class: "wide", tabindex: 0, role: "region", "aria-label": "Rows" }, el("table", { class: "rows" },
      el("thead", {}, el("tr", {}, el("td", {}), el("td", {}), columns.map(head), el("th", { scope: "col" }, "tags"))),
      el("tbody", {}, rows.map((row, at) => el("tr", {}, el("td", {}, marks[at]),
        el("td", {}, row.error ? null : el("a", { href: link(["image"], { image: row.index, method: parameters.method }) }, thumbnail(row.index, `look at ${row.path}`, 40))),
        row.error ? [...columns.slice(0, 2).map((column) => el("td", {}, told(row[column]))), el("td", { class: "error", colspan: columns.length - 2 }, row.error)]
          : columns.map((column) => el("td", { class: column === "prediction" && row.mistaken ? "mistaken" : typeof row[column] === "number" ? "number" : null }, told(row[column]))), cells[at]))))),
    count > PAGE && el("p", {}, step("before", "Those before", Math.max(0, start - PAGE), start > 0), " ", step("after", "Those after", start + PAGE, start + rows.length < count)));
}

// Tags that can't be read don't take the images away.
async function whyNoTags(signal) {
  try {
    await load({ signal });
    return "";
  } catch (error) {
    if (error.name === "AbortError") throw error;
    return error.message;
  }
}

async function meanOf({ label, prediction, method }, facts, signal) {
  try {
    const { about, arrays: { values: { values, shape: [height, width] } } } = await askArrays("run/mean", { label, prediction, method }, { signal });
    const canvas = el("canvas", { role: "img", class: "small", "aria-label": `The mean map of ${about.count} images of ${label} that were taken for ${prediction}, by ${method}; values ${short(about.vmin)} to ${short(about.vmax)}` });
    drawMap(canvas, { width, height }, { ...about, values, alone: { width, height } }, null, { mode: "map", opacity: 1, table: usual(facts, about.signed) });
    return el("figure", { class: "mean" }, el("div", { class: "stage" }, canvas), el("figcaption", {}, `Mean map of ${about.count} ${about.count === 1 ? "image" : "images"} of ${label} taken for ${prediction}, by ${method}`));
  } catch (error) {
    if (error.name === "AbortError") throw error;
    return el("p", {}, error.message);
  }
}
