// What the model says of an image, with bars; a class that is chosen is explained, and one against another.
import { el, fill } from "./dom.js";
import { change } from "./router.js";

const TOP = 10;

// What the picker of other targets is called.
export const ELSE = "Another class, a channel, a region …";

// What is explained where nothing else is asked for, of a model that doesn't tell classes of whole images.
const EXPLAINED = {
  Box: `This model finds boxes: the one that it is most sure of is explained, and outlined on the map. Under “${ELSE}” a box can be named, as box:LEFT,TOP,RIGHT,BOTTOM:CLASS.`,
  Region: "This model says of each place what is there: the largest class is explained where it is predicted. Choose a class: its mean over the whole map.",
  Text: `This model reads: the text that it reads is explained. Under “${ELSE}” a character can be named, as character:2.`,
};

// What a class is called as a target.
export function typed(facts, output, index) {
  const about = facts.model.outputs.find(({ name }) => name === output), labels = facts.model.labels ?? [];
  const text = labels.includes(String(index)) && about.names?.[index] !== String(index) ? about.names[index] : String(index);
  return about.is_main ? text : `${output}=${text}`;
}

// The class that such a text names, by its name or its number: { output, index, name }; null for anything else.
export function classOf(facts, text) {
  const { outputs } = facts.model, of = outputs.find(({ name }) => text.startsWith(`${name}=`)), output = of ?? outputs.find(({ is_main: isMain }) => isMain);
  const wanted = of ? text.slice(of.name.length + 1) : text, named = output?.names?.indexOf(wanted) ?? -1;
  const index = named >= 0 || !/^\d+$/.test(wanted) ? named : Number(wanted);
  return output?.is_classes && index >= 0 ? { output: output.name, index, name: nameOf(facts, output.name, index) } : null;
}

// What is explained, in two parts where it is one against the other, each as the list has it.
export function partsOf(facts, target) {
  return target.split(" minus ").map((text) => {
    const one = classOf(facts, text);
    return one ? typed(facts, one.output, one.index) : text;
  });
}

export const nameOf = (facts, output, index) => facts.model.outputs.find(({ name }) => name === output)?.names?.[index] ?? `class ${index}`;

// A name that may be broken behind its underscores.
export const breaking = (name) => name.split(/(?<=_)/).flatMap((part, at) => (at ? [el("wbr"), part] : [part]));

// The entries of an output: { index, name, value }, those with the highest values.
export function highest(facts, { name, values, shown }, count = TOP) {
  return values.map((value, at) => ({ index: shown ? shown[at] : at, value })).sort((a, b) => b.value - a.value || a.index - b.index).slice(0, count)
    .map(({ index, value }) => ({ index, value, name: nameOf(facts, name, index) }));
}

export function inNumbers(value, isProbability) {
  if (value === null) return "undefined";
  if (!isProbability) return Number(value.toPrecision(4)).toString();
  if (value < 0.0001) return value > 0 ? "< 0.0001" : "0";
  return value.toFixed(value < 0.01 || (value > 0.99 && value < 0.99995) ? 4 : 2);
}

// How long the bar of a value is, 0 to 1.
export function lengths({ values, are_probabilities: areProbabilities }) {
  const finite = values.filter((value) => value !== null);
  const low = areProbabilities ? 0 : Math.min(0, ...finite), high = areProbabilities ? 1 : Math.max(...finite, low + 1e-9);
  return (value) => (value === null ? 0 : (value - low) / (high - low || 1));
}

export class Classes {
  constructor(facts) {
    Object.assign(this, { facts, first: null });
    this.said = el("p", { class: "unseen", role: "status" });
    this.list = el("div", {});
    this.unnamed = el("p", { class: "hint" });
    this.element = el("div", { class: "classes" }, this.list, this.unnamed, this.said);
  }

  show({ outputs }, target) {
    const focused = this.list.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    this.outputs = outputs;
    this.target = partsOf(this.facts, target ?? "").join(" minus ");
    const { explains } = this.facts.model;
    const isUnnamed = !this.facts.model.labels?.length && outputs.some(({ predicted }) => predicted !== null);
    fill(this.unnamed, isUnnamed ? ["Classes have no names here: give them by ", el("code", {}, "vizcnn serve … --labels FILE"), "."] : null);
    fill(this.list, EXPLAINED[explains] ? el("p", { class: "hint" }, EXPLAINED[explains]) : null, outputs.map((output) => this.output(output, outputs.length > 1)));
    if (focused) this.list.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  }

  output(output, named) {
    const { facts } = this, about = facts.model.outputs.find(({ name }) => name === output.name);
    const isOdd = !about.is_classes && facts.model.explains === "Box";
    if (isOdd) return null;
    const length = lengths(output);
    const heading = about.is_classes ? `${output.are_probabilities ? "Most probable classes" : "Highest classes"}${about.is_map ? ", on the average of the map" : ""}` : "Numbers";
    const hint = about.is_classes && about.count > 1 ? el("span", { class: "how" }, "Choose one to see what speaks for it; vs: why not that one?") : null;
    return el("table", { class: "bars" }, el("caption", {}, named ? `${output.name}: ${heading}` : heading, hint),
      highest(facts, output).map((entry) => this.entry(output, entry, length)));
  }

  entry(output, { index, name, value }, length) {
    const text = typed(this.facts, output.name, index), isPredicted = this.target === "" && output.predicted === index && this.isMain(output.name);
    const isExplained = this.target === text || isPredicted || this.target.startsWith(`${text} minus `), isFirst = this.first === text;
    const bar = el("span", { class: "bar-length" });
    bar.style.width = `${100 * length(value)}%`;
    return el("tr", { class: isExplained ? "own" : null },
      el("th", { scope: "row" }, el("button", {
        type: "button", class: "class", "data-key": text, "aria-pressed": String(isExplained || isFirst),
        title: `Why ${name}? With Shift: one of two that are compared`,
        onclick: (event) => this.choose(text, name, event.shiftKey),
      }, breaking(name))),
      el("td", { class: "bar-cell", "aria-hidden": "true" }, bar),
      el("td", { title: String(value) }, inNumbers(value, output.are_probabilities)),
      el("td", {}, el("button", { type: "button", class: "minus", "data-key": `minus ${text}`, disabled: isExplained, "aria-pressed": String(this.target.endsWith(` minus ${text}`)), 
        title: this.nameNow() ? `Why ${this.nameNow()} rather than ${name}?` : `Why ${name}?`, "aria-label": `vs ${name}`, onclick: () => this.against(text) }, "vs")));
  }

  isMain(name) { return this.facts.model.outputs.find((one) => one.name === name)?.is_main; }

  // What is explained now, as text.
  explained() {
    if (this.target && !this.target.includes(" minus ")) return this.target;
    if (this.target) return this.target.split(" minus ")[0];
    const main = this.outputs.find(({ name, predicted }) => this.isMain(name) && predicted !== null);
    return main ? typed(this.facts, main.name, main.predicted) : "";
  }

  nameNow() {
    const text = this.explained();
    return classOf(this.facts, text)?.name ?? text;
  }

  // The class at a place of the list.
  chooseAt(place) {
    this.list.querySelectorAll("button.class")[place]?.click();
  }

  choose(text, name, isOneOfTwo) {
    if (!isOneOfTwo) {
      this.first = null;
      change({ target: text });
    } else if (this.first === null || this.first === text) {
      this.first = text;
      this.said.textContent = `${name} is chosen; choose, with Shift, what it is compared with.`;
      this.show({ outputs: this.outputs }, this.target);
    } else {
      const target = `${this.first} minus ${text}`;
      this.first = null;
      change({ target });
    }
  }

  against(text) {
    const present = this.explained();
    change({ target: present ? `${present} minus ${text}` : text });
  }
}
