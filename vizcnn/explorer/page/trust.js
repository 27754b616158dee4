// How far a map can be trusted, as the report shows it: the same numbers, bars and sentence, under the same classes of the look.
import { el, svg } from "./dom.js";

export function trustOf(trust) {
  return el("div", { class: "trust" }, trust.map(([name, told]) => el("div", { class: "judged" },
    el("h4", {}, `${name}: ${told.label}`),
    el("p", {}, told.sentence),
    el("table", { class: "numbers" }, el("caption", { class: "unseen" }, `${name}: what its marked parts carry beside what other maps' do`),
      el("tr", {}, el("td", {}), told.fills.map((fill) => el("th", { scope: "col" }, fill))),
      told.rows.map(([label, own, bars]) => el("tr", { class: own ? "own" : null }, el("th", { scope: "row" }, label), bars.map((bar) => el("td", {}, ...signed(bar)))))),
    el("table", { class: "numbers" }, el("caption", { class: "unseen" }, `${name}: other numbers`),
      told.others.map(([label, bar]) => el("tr", {}, el("th", { scope: "row" }, label), el("td", {}, ...signed(bar))))))));
}

function signed({ left, length, text }) {
  return [svg("svg", { viewBox: "-1 0 2 1", preserveAspectRatio: "none", width: 72, height: 9, "aria-hidden": "true" },
    svg("rect", { class: "back", x: -1, y: 0, width: 2, height: 1 }), svg("rect", { class: "bar-of", x: left, y: 0.1, width: length, height: 0.8 }),
    svg("rect", { class: "zero", x: -0.015, y: 0, width: 0.03, height: 1 })), ` ${text}`];
}
