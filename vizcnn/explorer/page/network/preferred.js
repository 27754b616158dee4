// The input that a channel answers to most, made in the background: it can be stopped, and started again.
import { askArrays } from "../api.js";
import { el, fill } from "../dom.js";

const OFF = "vizcnn.preferred";  // in this tab, once somebody has stopped it
const STAYS = 1500;  // milliseconds from which on somebody looks at this channel, and isn't on the way to another

export class Preferred {
  constructor({ layer, unit, signal }) {
    Object.assign(this, { asked: { layer, unit }, signal });
    this.said = el("p", { role: "status" });
    this.progress = el("progress", { "aria-label": "Making the input it prefers", hidden: true });
    this.button = el("button", { type: "button", "data-focus": "preferred", onclick: () => this.turn() });
    this.place = el("div", {});
    this.element = el("div", {}, this.said, this.place, el("p", { class: "tools" }, this.button, this.progress));
    addEventListener("working", ({ detail }) => this.tell(detail), { signal });
    signal.addEventListener("abort", () => this.making?.abort());
    this.say("It isn't made yet.", "Make it");
  }

  start() {
    if (sessionStorage.getItem(OFF) !== null) return;
    const waiting = setTimeout(() => { if (!this.making && !this.place.hasChildNodes()) this.make(); }, STAYS);
    this.signal.addEventListener("abort", () => clearTimeout(waiting));
  }

  turn() {
    if (this.making) {
      sessionStorage.setItem(OFF, "yes");
      this.making.abort();
    } else {
      sessionStorage.removeItem(OFF);
      this.make();
    }
  }

  async make() {
    const making = this.making = new AbortController();
    this.say("An image is being changed step by step, from noise, until it is what this one answers to most …", "Stop");
    this.progress.hidden = false;
    this.progress.removeAttribute("value");
    try {
      const { about, arrays: { pixels: { values, shape: [height, width] } } } = await askArrays("preferred", this.asked, { signal: making.signal });
      const canvas = el("canvas", { width, height, class: Math.max(height, width) < 160 ? "cells" : "", role: "img", "aria-label": "The input it prefers" });
      const context = canvas.getContext("2d"), drawn = context.createImageData(width, height);
      for (let i = 0; i < width * height; i++) drawn.data.set([values[3 * i], values[3 * i + 1], values[3 * i + 2], 255], 4 * i);
      context.putImageData(drawn, 0, 0);
      fill(this.place, el("figure", { class: "preferred" }, canvas));
      this.button.hidden = true;
      this.said.textContent = `${about.sentence}`;
      for (const note of about.notes) this.place.append(el("p", {}, note));
    } catch (error) {
      if (error.name === "AbortError") this.say("Stopped.", "Make it");
      else {
        this.said.textContent = error.message;
        this.button.hidden = true;
      }
    }
    this.progress.hidden = true;
    this.making = null;
  }

  say(text, does) {
    this.said.textContent = text;
    this.button.textContent = does;
  }

  tell(working) {
    if (!this.making || !working?.total || !working.asked.includes("/api/preferred") || !working.asked.includes(`${new URLSearchParams(this.asked)}`)) return;
    [this.progress.max, this.progress.value] = [working.total, working.done];
  }
}
