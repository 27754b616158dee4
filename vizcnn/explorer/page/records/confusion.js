// The confusion matrix: each cell opens its images and their mean map.
import { ask } from "../api.js";
import { el, fill } from "../dom.js";
import { link } from "../router.js";

export const name = "confusion", title = "Confusion matrix";

const MOST = 60;  // classes that are shown

export async function show(root, { parameters, signal }) {
  const { names, labels, counts } = await ask("run/confusion", {}, { signal });
  if (!names.length) {
    fill(root, el("p", {}, "The run knows no true classes: give them to vizcnn run by --labels-by folders or a column."));
    return;
  }
  const order = names.map((_, at) => at), wrong = order.map((at) => counts[at].reduce((sum, count, to) => sum + (to === at ? 0 : count), 0));
  if (names.length > MOST) order.sort((one, other) => wrong[other] - wrong[one]).splice(MOST);
  const mistakes = order.flatMap((from) => order.filter((to) => to !== from && counts[from][to]).map((to) => [from, to])).sort(([a, b], [c, d]) => counts[c][d] - counts[a][b]).slice(0, 10);
  const cell = (from, to) => {
    const count = counts[from][to], of = counts[from].reduce((sum, one) => sum + one, 0);
    if (!count) return el("td", { class: "none" }, "·");
    const open = el("a", { href: link(["run"], { label: labels[from], prediction: names[to], method: parameters.method }), "aria-label": `${count} of ${of} images of ${names[from]} were taken for ${names[to]}` }, count);
    return el("td", { class: from === to ? "right" : "mistaken" }, open);
  };
  fill(root, mistakes.length > 0 && el("p", {}, "The most frequent mistakes: ", mistakes.map(([from, to], at) => [at ? ", " : "", el("a", { href: link(["run"], { label: labels[from], prediction: names[to], method: parameters.method }) }, `${names[from]} as ${names[to]} (${counts[from][to]})`)]).flat(), "."),
    names.length > MOST && el("p", {}, `Of ${names.length} classes the ${MOST} with most mistakes are shown.`),
    el("p", {}, "Rows: the true class; columns: what the model took it for."),
    el("div", { class: "wide", tabindex: 0, role: "region", "aria-label": "Confusion matrix" }, el("table", { class: "matrix" },
      el("caption", { class: "unseen" }, "Confusion matrix"),
      el("thead", {}, el("tr", {}, el("td", {}), order.map((to) => el("th", { scope: "col" }, names[to])))),
      el("tbody", {}, order.map((from) => el("tr", {}, el("th", { scope: "row" }, names[from]), order.map((to) => cell(from, to))))))));
}
