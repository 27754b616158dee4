// Finds a layer by its name: the key f goes to the field.
import { el, fill } from "../dom.js";
import { keyOf } from "../keys.js";
import { layerLink } from "./paths.js";

const MOST = 12;

export class Finder {
  constructor() {
    this.field = el("input", { type: "search", id: "find-layer", autocomplete: "off", spellcheck: "false", "aria-controls": "found-layers", oninput: () => this.tell(), onkeydown: (event) => this.key(event) });
    this.found = el("ul", { id: "found-layers", onkeydown: (event) => this.move(event) });
    this.count = el("p", { class: "quiet", role: "status" });
    this.element = el("div", { class: "find" }, el("label", { for: "find-layer" }, "Find a layer ", el("kbd", {}, "f")), this.field, this.count, this.found);
  }

  show({ layers, image, signal }) {
    Object.assign(this, { layers, image });
    document.addEventListener("keydown", (event) => {
      if (keyOf(event) !== "f") return;
      event.preventDefault();
      this.element.closest("details").open = true;
      this.field.focus();
      this.field.select();
    }, { signal });
    this.tell();
  }

  tell() {
    const words = this.field.value.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = ({ path, kind, role }) => words.every((word) => `${path} ${kind} ${role}`.toLowerCase().includes(word));
    const fitting = words.length ? this.layers.filter(fits) : [];
    this.count.textContent = words.length ? `${fitting.length} of ${this.layers.length} layers${fitting.length > MOST ? `, the first ${MOST}:` : ""}` : "";
    fill(this.found, fitting.slice(0, MOST).map(({ path, kind }) => el("li", {}, el("a", { href: layerLink(path, this.image) }, path), ` ${kind}`)));
  }

  key(event) {
    if (event.key === "Escape") {
      this.field.value = "";
      this.tell();
    } else if (event.key === "Enter" || event.key === "ArrowDown") {
      const first = this.found.querySelector("a");
      if (event.key === "Enter") first?.click();
      else first?.focus();
      event.preventDefault();
    }
  }

  move(event) {
    const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
    if (!step) return;
    const next = event.target.closest("li")[step];
    (next?.querySelector("a") ?? (event.key === "ArrowUp" ? this.field : event.target)).focus();
    event.preventDefault();
  }
}
