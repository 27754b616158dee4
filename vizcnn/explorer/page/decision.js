// Why the model decides as it does: an image, its classes, and maps of what speaks for them; the parts of the view share these.
import { ask } from "./api.js";
import { Classes } from "./classes.js";
import * as compare from "./compare.js";
import { el, fill } from "./dom.js";
import * as keep from "./keep.js";
import { keyOf } from "./keys.js";
import * as paint from "./paint.js";
import { paint as paintOn, pictureOf } from "./pictures.js";
import { link } from "./router.js";
import { Strip } from "./strip.js";
import { targetPicker } from "./targets.js";
import * as why from "./why.js";

export const title = "Image", path = ["image"];
export const matches = (path) => path[0] === "image";
export const applies = (facts) => facts.model !== null;

const PARTS = [why, compare, paint, keep], OF_ALL = [why, compare];  // signals, clips and volumes can't be painted on

let desk = null, strip = null;

// Whatever view is open, an image may be dropped or pasted; `tell(error)` says what is wrong with it where this view isn't seen.
export function prepare(facts, tell) {
  strip = new Strip(facts, (error) => (desk?.element.isConnected ? desk.say(error.message) : tell(error)));
  addEventListener("keydown", (event) => {
    if (/^[1-9]$/.test(keyOf(event)) && desk?.element.isConnected && !desk.work.hidden) desk.classes.chooseAt(Number(event.key) - 1);
  });
}

export async function show(root, { path, parameters, facts, signal }) {
  if (!desk || !root.contains(desk.element)) {
    desk?.close();
    desk = new Desk(facts);
    fill(root, desk.element);
  }
  await desk.update(PARTS.find(({ name }) => name === path[1]) ?? why, parameters, signal);
}

function sizeOf({ shape, signal }) {
  const [height, width, ...more] = shape.slice(0, -1);
  if (signal) return `${height} places`;
  return more.length ? [height, width, ...more].join(" × ") : `${width} × ${height} pixels`;
}

// How long a run of the model takes here: asked once, when nothing else is.
class Speed {
  known = null;
  asked = null;
  ask(image) {
    this.asked ??= ask("speed", { image }).then((known) => (this.known = known), (error) => { this.asked = null; throw error; });
    return this.asked;
  }
}

class Desk {
  constructor(facts) {
    Object.assign(this, { facts, part: null, opened: null, leaving: null, speed: new Speed(), kept: null });
    this.wrong = el("p", { class: "wrong", role: "alert" });
    this.canvas = el("canvas", { role: "img" });
    this.curve = el("img", { hidden: true, alt: "" });
    this.caption = el("figcaption", {});
    this.classes = new Classes(facts);
    this.notes = el("ul", { class: "hint notes" });
    this.tabs = el("div", { class: "parts", role: "group", "aria-label": "Parts of this view" });
    this.heading = el("h2", { class: "unseen" });
    this.body = el("div", { class: "part" });
    this.side = el("aside", { class: "side", "aria-label": "The image, and what the model says of it" },
      el("figure", { class: "image" }, el("div", { class: "stage" }, this.canvas, this.curve), this.caption), this.classes.element);
    const more = el("section", { class: "more", "aria-label": "What else can be explained" }, this.notes, targetPicker(facts, () => this.classes.explained(), this.canvas, () => this.kept.picture.window));
    this.work = el("div", { class: "desk" }, this.side, el("div", { class: "asked" }, this.tabs, this.heading, this.body), more);
    this.nothing = el("p", { class: "nothing" }, facts.model.kind === "image" ? "There is no image yet: choose one, take a photo, or drop or paste one here." : `There is no ${facts.model.kind} yet: choose a file (${facts.model.files.replaceAll(",", ", ")}), or drop one here.`);
    this.element = el("div", { class: "decision" }, el("h2", { class: "unseen" }, "An image, and why the model decides as it does"), strip.element, this.wrong, this.nothing, this.work);
  }

  say(text) { this.wrong.textContent = text; }

  async update(part, parameters, signal) {
    const { facts } = this, image = parameters.image ?? (facts.images ? "0" : "");
    this.wrong.textContent = "";
    strip.show(image);
    this.nothing.hidden = image !== "";
    this.work.hidden = image === "";
    if (image === "") {
      ask("warm").catch(() => {});  // so that the first image need not wait
      return;
    }
    const asked = { ...parameters, image };
    const isImage = facts.model.kind === "image";
    if (!isImage && !OF_ALL.includes(part)) part = why;
    fill(this.tabs, (isImage ? PARTS : OF_ALL).map((one) => el("a", { href: link(["image", ...(one === why ? [] : [one.name])], asked), "aria-current": one === part && "page" }, one.title)));
    if (this.part !== part) {
      this.close();
      this.part = part;
      this.heading.textContent = part.title;
      this.leaving = new AbortController();
      this.opened = part.open(this.body, { facts, classes: this.classes, speed: this.speed, strip, signal: this.leaving.signal });
    }
    try {
      await Promise.all([this.showImage(image, parameters.target, signal), this.opened.update({ parameters: asked, signal })]);
    } catch (error) {
      if (error.name === "AbortError" || signal.aborted) return;
      this.wrong.textContent = error.message;
      if (this.kept?.image !== image) this.work.hidden = true;
    }
  }

  async showImage(image, target, signal) {
    if (this.kept?.image !== image) {
      const [picture, said] = await Promise.all([pictureOf(image, this.facts), ask("classes", { image }, { signal })]);
      // Of a model whose layers are only made when it sees an image, more is known now.
      if (!this.facts.model.outputs.length) Object.assign(this.facts, await ask("facts", {}, { signal }));
      if (signal.aborted) return;
      this.kept = { image, picture, said };
      this.curve.hidden = !picture.signal;
      this.canvas.hidden = picture.signal;
      if (picture.signal) Object.assign(this.curve, { src: `api/small?image=${encodeURIComponent(image)}`, alt: `The signal ${picture.name}` });
      else paintOn(this.canvas, picture);
      this.canvas.setAttribute("aria-label", `The image ${picture.name}`);
      fill(this.caption, el("b", {}, picture.name), `, ${sizeOf(picture)}`);
      fill(this.notes, picture.notes.map((note) => el("li", {}, note)));
    }
    this.classes.show(this.kept.said, target);
  }

  close() {
    this.leaving?.abort();
    this.part = this.opened = null;
  }
}
