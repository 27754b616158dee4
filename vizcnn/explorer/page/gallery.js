// The methods, by family, each with what it costs before it is asked for; and the options of the one that is shown.
import { bare, costOf } from "./cost.js";
import { el, fill } from "./dom.js";
import { change } from "./router.js";

// The options in "rise:num_samples=500,keep=0.3".
export function optionsOf(method) {
  const [, text = ""] = method.split(/:(.*)/s);
  return Object.fromEntries(text.split(/,(?=\s*\w+\s*=)/).filter(Boolean).map((part) => part.split(/=(.*)/s, 2).map((half) => half.trim())));
}

export class Gallery {
  // `choose(method)` is called with a name, or a name with options.
  constructor(facts, choose) {
    Object.assign(this, { facts, choose, speed: null, method: null });
    this.list = el("div", { class: "gallery" });
    this.options = el("div", {});
    this.layer = el("div", {});
    this.meaning = el("p", { class: "meaning" });
    this.picked = el("summary", {});
    this.element = el("section", { class: "method", "aria-label": "Method" }, el("details", { class: "picker" }, this.picked, this.list), this.layer, this.options,
      el("h3", {}, "How to read it, and how not"), this.meaning);
  }

  show(method, { layer, speed, used }) {
    Object.assign(this, { method, layerNow: layer ?? "", speed, used });
    const about = this.facts.methods.find(({ name }) => name === bare(method));
    fill(this.picked, "Method: ", el("b", {}, method), el("span", { class: "hint" }, " (choose another)"));
    fill(this.meaning, about?.interpretation ?? "");
    this.drawList();
    this.drawLayer(about);
    this.drawOptions(about);
  }

  drawList() {
    const { facts, method, speed } = this, focused = document.activeElement?.dataset?.method;
    const families = Object.entries(facts.families).map(([family, text]) => [text, facts.methods.filter((one) => one.family === family)]).filter(([, ones]) => ones.length);
    fill(this.list, families.map(([text, ones]) => el("fieldset", {}, el("legend", {}, text), el("ul", {}, ones.map((one) => el("li", {},
      el("button", { type: "button", "data-method": one.name, "aria-pressed": String(one.name === bare(method)), onclick: () => this.choose(one.name) }, one.name),
      el("span", { class: "cost" }, costOf(one.name, facts, speed)), el("span", { class: "summary" }, one.summary)))))),
    facts.others.length ? el("details", {}, el("summary", {}, `${facts.others.length} more that this model can't answer`),
      el("ul", {}, facts.others.map(({ name, missing }) => el("li", {}, el("b", {}, name), ` ${missing}`)))) : null);
    if (focused) this.list.querySelector(`[data-method="${CSS.escape(focused)}"]`)?.focus();
  }

  drawLayer(about) {
    if (!about?.takes_layer || !this.facts.layers.length) { fill(this.layer); return; }
    const has = document.activeElement?.name === "layer";
    const select = el("select", { name: "layer", onchange: () => change({ layer: select.value }) },
      el("option", { value: "" }, this.used && !this.layerNow ? `${this.used} (chosen by the method)` : "chosen by the method"),
      this.facts.layers.map(({ path }) => el("option", { selected: path === this.layerNow }, path)));
    fill(this.layer, el("label", {}, "Layer ", select));
    if (has) select.focus();
  }

  drawOptions(about) {
    if (this.drawn === this.method) return;
    this.drawn = this.method;
    if (!about?.options.length) { fill(this.options); return; }
    const given = optionsOf(this.method);
    const fields = about.options.map((option) => el("label", {}, `${option.name.replaceAll("_", " ")} `, input(option, given[option.name])));
    fill(this.options, el("details", { class: "picker", open: Object.keys(given).length > 0 }, el("summary", {}, "Options"),
      el("form", { autocomplete: "off", onsubmit: (event) => { event.preventDefault(); this.choose(written(about, event.target.elements)); } },
        fields, el("button", {}, "Apply"), el("button", { type: "button", onclick: () => this.choose(about.name) }, "Defaults"))));
  }
}

const BASELINES = ["mean", "blur", "noise", "black", "white"];

function input({ name, default: usual, choices, kind }, given) {
  const value = given ?? usual, offered = choices.length ? choices : name === "baseline" ? [...new Set([String(usual), ...BASELINES])] : null;
  if (kind === "bool") return el("input", { type: "checkbox", name, checked: value === true || value === "True" });
  if (offered) return el("select", { name }, offered.map((choice) => el("option", { selected: String(choice) === String(value) }, choice)));
  if (kind === "int" || kind === "float") return el("input", { type: "number", name, value, step: kind === "int" ? 1 : "any", required: true });
  return el("input", { name, value, size: 8 });
}

// The method with the options that aren't the usual ones.
function written(about, fields) {
  const parts = about.options.map(({ name, default: usual, kind }) => {
    const field = fields[name], value = kind === "bool" ? (field.checked ? "True" : "False") : field.value;
    const same = kind === "bool" ? field.checked === usual : String(usual) === value || (kind !== "str" && Number(value) === usual);
    return same ? null : `${name}=${value}`;
  }).filter(Boolean);
  return parts.length ? `${about.name}:${parts.join(",")}` : about.name;
}
