// A map on its image: drawn, read by pointer and arrow keys as in the report, and enlarged: by its button, or as far as others are with it.
import { address, askArrays } from "./api.js";
import { el } from "./dom.js";
import { MapFigure } from "./drawing.js";
import { look, tableOf } from "./looks.js";

export const KEYS = "Point at a map, tap it, or move over it with the arrow keys (with Shift ten at a time), and it tells the value there.";

// A map's values, and what is known of them; asked for by image, method, layer and target.
export async function askMap(parameters, options) {
  const { about, arrays } = await askArrays("map", parameters, options);
  return { ...about, values: arrays.values?.values };
}

// The map of a signal, a curve, which the server draws; `asked` as for `askMap`.
export async function drawnMap(asked, map, picture) {
  const known = Object.fromEntries(Object.entries(asked).filter(([, value]) => value));
  const drawing = el("img", { src: address("drawn", known), alt: `${map.method} of ${picture.name} for ${map.target}` });
  await drawing.decode().catch(() => {});
  return drawing;
}

export class MapView extends MapFigure {
  // `together`: a Together that other maps are read and enlarged with.
  constructor(facts, { title = null, together = null } = {}) {
    const moved = el("div", { class: "moved" },
      el("canvas", { tabindex: 0, role: "application", "aria-roledescription": "map", "aria-describedby": "keys" }), el("span", { class: "spot", hidden: true }));
    super(el("figure", { class: "map" }, el("div", { class: "stage" }, moved),
      el("figcaption", {}, title, el("span", { class: "for" }, "for ", el("span", { class: "explained" })), el("span", { class: "measured" }), " ",
        el("span", { class: "scale" }, el("span", { class: "low" }), el("canvas", { class: "bar", width: 64, height: 8, "aria-hidden": "true" }), el("span", { class: "high" })),
        el("output", {}, "\u00a0"))));
    Object.assign(this, { facts, together, moved, map: null, picture: null, limits: null });
    together?.add(this);
  }

  show(map, picture, limits = null) {
    Object.assign(this, { map: limits ? { ...map, ...limits } : map, picture, own: map });
    this.figure.querySelector(".measured").textContent = map.measured ? `; ${map.measured}` : "";
    this.canvas.classList.toggle("coarse", picture.width < 100);
    this.draw();
  }

  get size() { return this.map.alone || this.picture; }
  get look() { return { ...look, table: tableOf(this.map, this.facts) }; }
  get name() { return `${this.own.method}${this.own.layer ? ` at ${this.own.layer}` : ""}`; }

  redraw() {
    if (this.map) this.draw();
  }

  draw() {
    super.draw();
    if (this.picture.width < 100) this.canvas.classList.add("small");
  }

  tell() {
    if (!this.map) return;
    super.tell();
    this.together?.tell(this);
  }

  // Tells the value where another one is read.
  tellAt(at) {
    if (!this.map || this.map.alone) return;
    this.at = at;
    this.spot.hidden = false;
    super.tell();
  }

  stop() {
    super.stop();
    this.together?.stop(this);
  }

  key(event) {
    if (!this.map) return;
    if (this.together?.key(event)) event.preventDefault();
    else if (event.key !== "Enter" && event.key !== " ") super.key(event);
  }

  point(event) {
    if (this.map) super.point(event);
  }

  zoom() {}
}

// Maps that are read at the same place and enlarged alike.
export class Together {
  constructor() {
    Object.assign(this, { views: new Set(), scale: 1, x: 0.5, y: 0.5 });
  }

  add(view) {
    this.views.add(view);
    const { stage } = { stage: view.figure.querySelector(".stage") };
    stage.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      const box = stage.getBoundingClientRect();
      this.to(this.scale * (event.deltaY < 0 ? 1.25 : 0.8), (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
    }, { passive: false });
    stage.addEventListener("dblclick", (event) => {
      const box = stage.getBoundingClientRect();
      this.to(this.scale > 1 ? 1 : 3, (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
    });
    this.place(view);
  }

  // Enlarges around a place of what is seen, in shares of its width and height.
  to(scale, across = 0.5, down = 0.5) {
    const next = Math.min(16, Math.max(1, scale));
    const within = (at) => Math.min(1 - 0.5 / next, Math.max(0.5 / next, at));
    const place = (at, share) => at + (share - 0.5) / this.scale - (share - 0.5) / next;
    [this.x, this.y, this.scale] = [within(place(this.x, across)), within(place(this.y, down)), next];
    this.views.forEach((view) => this.place(view));
    if (this.moves) this.moves.hidden = next === 1;
  }

  move(across, down) {
    const within = (at) => Math.min(1 - 0.5 / this.scale, Math.max(0.5 / this.scale, at));
    [this.x, this.y] = [within(this.x + across / this.scale), within(this.y + down / this.scale)];
    this.views.forEach((view) => this.place(view));
  }

  place(view) {
    view.moved.style.transform = this.scale === 1 ? "" : `scale(${this.scale}) translate(${100 * (0.5 - this.x)}%, ${100 * (0.5 - this.y)}%)`;
  }

  tell(from) {
    this.views.forEach((view) => { if (view !== from) view.tellAt([...from.at]); });
  }

  stop(from) {
    this.views.forEach((view) => { if (view !== from && view.map) MapFigure.prototype.stop.call(view); });
  }

  key({ key }) {
    if (key === "+" || key === "=") this.to(1.5 * this.scale);
    else if (key === "-") this.to(this.scale / 1.5);
    else if (key === "0") this.to(1);
    else return false;
    return true;
  }

  buttons() {
    const button = (text, name, act) => el("button", { type: "button", "aria-label": name, title: name, onclick: act }, text);
    this.moves = el("span", { class: "zooms", hidden: true }, button("whole", "show the maps whole", () => this.to(1)),
      [["←", "left", -0.25, 0], ["→", "right", 0.25, 0], ["↑", "up", 0, -0.25], ["↓", "down", 0, 0.25]].map(([sign, name, across, down]) =>
        button(sign, `move what is seen ${name}`, () => this.move(across, down))));
    return el("span", { class: "zooms", role: "group", "aria-label": "Zoom" }, "Zoom",
      button("+", "enlarge all maps", () => this.to(1.5 * this.scale)), button("−", "make all maps smaller", () => this.to(this.scale / 1.5)), this.moves);
  }
}
