// The images: small ones in a row, drawn as they come into view, and others that are dropped, pasted, chosen or photographed.
import { ask, post } from "./api.js";
import { el } from "./dom.js";
import { keyOf } from "./keys.js";
import { thumbnail } from "./pictures.js";
import { change, go, link, read } from "./router.js";

const CELL = 76, PAGE = 200;  // pixels of one, with what is around it; names that are asked for at once
const TAKES_IMAGE = ["image", "layer", "layers"];  // what a path begins with where the view shows an image

export class Strip {
  constructor(facts, tellError) {
    Object.assign(this, { facts, tellError, count: facts.images, uploads: [], names: new Map(), asked: new Set(), cells: new Map(), image: null });
    const { kind, files } = facts.model;
    const file = el("input", { type: "file", accept: files, multiple: true, class: "unseen", id: "file", tabindex: -1, "aria-hidden": "true" });
    const photo = el("input", { type: "file", accept: "image/*", capture: "environment", class: "unseen", id: "photo", tabindex: -1, "aria-hidden": "true" });
    for (const input of [file, photo]) input.addEventListener("change", () => { this.take(input.files); input.value = ""; });
    this.row = el("div", { class: "row-of-images" });
    this.scroller = el("div", { class: "scroller", role: "group", "aria-label": "Images" }, this.row);
    this.place = el("span", { class: "place", role: "status" });
    this.walk = el("span", { class: "walk" }, this.step("←", "Previous", "k", -1), this.place, this.step("→", "Next", "j", 1));
    this.said = el("span", { class: "hint", role: "status" });
    this.element = el("div", { class: "strip" },
      el("div", { class: "gets" },
        el("button", { type: "button", onclick: () => file.click() }, kind === "image" ? "Choose an image" : `Choose a ${kind}`),
        kind === "image" ? el("button", { type: "button", class: "photo", onclick: () => photo.click() }, "Take a photo") : null, file, photo,
        el("span", { class: "hint droppable" }, kind === "image" ? "or drop or paste one" : "or drop one"), this.walk, this.said),
      this.scroller);
    this.scroller.addEventListener("scroll", () => this.draw(), { passive: true });
    new ResizeObserver(() => this.draw()).observe(this.scroller);
    this.listen();
  }

  step(sign, text, key, by) {
    return el("button", { type: "button", "aria-keyshortcuts": key, "aria-label": `${text} image`, title: `${text} image (${key})`, onclick: () => this.go(by) }, sign);
  }

  get total() { return this.uploads.length + this.count; }

  // What stands at a place of the row: uploaded ones first, the latest at the front.
  at(index) { return index < this.uploads.length ? this.uploads[index].image : String(index - this.uploads.length); }
  indexOf(image) {
    const upload = this.uploads.findIndex((one) => one.image === image);
    return upload >= 0 ? upload : /^\d+$/.test(image) && Number(image) < this.count ? Number(image) + this.uploads.length : -1;
  }
  nameOf(image) { return this.uploads.find((one) => one.image === image)?.name ?? this.names.get(image) ?? `image ${image}`; }

  go(by) {
    if (!this.total) return;
    const present = this.indexOf(this.image), next = present < 0 ? 0 : Math.min(this.total - 1, Math.max(0, present + by));
    if (next !== present) change({ image: this.at(next) }, { instead: true });
  }

  show(image) {
    const moved = image !== this.image;
    this.image = image;
    const index = this.indexOf(image);
    this.walk.hidden = this.scroller.hidden = this.total === 0;
    this.place.textContent = index < 0 ? "" : `${(index + 1).toLocaleString("en")} of ${this.total.toLocaleString("en")}`;
    if (moved && index >= 0) {
      const { scroller } = this, left = index * CELL;
      if (left < scroller.scrollLeft || left + CELL > scroller.scrollLeft + scroller.clientWidth) scroller.scrollLeft = left - (scroller.clientWidth - CELL) / 2;
    }
    this.draw();
    if (index < 0 && /^\d+$/.test(image)) this.grow();
  }

  // A run may have come further since the page was loaded.
  async grow() {
    const { count } = await ask("images", { start: Math.max(0, this.count - 1) }).catch(() => this);
    if (count <= this.count) return;
    this.asked.delete(Math.floor(this.count / PAGE) * PAGE);  // of which there are more names now
    this.count = count;
    this.show(this.image);
  }

  draw() {
    const { scroller, row, total } = this;
    row.style.width = `${total * CELL}px`;
    const first = Math.max(0, Math.floor(scroller.scrollLeft / CELL) - 4), last = Math.min(total, Math.ceil((scroller.scrollLeft + scroller.clientWidth) / CELL) + 4);
    const wanted = new Set();
    for (let index = first; index < last; index++) {
      const image = this.at(index);
      wanted.add(image);
      const cell = this.cells.get(image) ?? this.cell(image);
      cell.style.left = `${index * CELL}px`;
      cell.href = link(read().path.length ? read().path : ["image"], { ...read().parameters, image });
      cell.toggleAttribute("aria-current", false);
      if (image === this.image) cell.setAttribute("aria-current", "true");
    }
    for (const [image, cell] of this.cells) {
      if (wanted.has(image) || cell === document.activeElement) continue;
      cell.remove();
      this.cells.delete(image);
    }
    this.askNames(Math.max(0, first - this.uploads.length), last - this.uploads.length);
  }

  cell(image) {
    const name = this.nameOf(image);
    const cell = el("a", { class: "small", title: name }, thumbnail(image, name, 64));
    this.cells.set(image, cell);
    this.row.append(cell);
    return cell;
  }

  async askNames(first, last) {
    for (let start = Math.floor(first / PAGE) * PAGE; start < last; start += PAGE) {
      if (this.asked.has(start)) continue;
      this.asked.add(start);
      const { names } = await ask("images", { start }).catch(() => { this.asked.delete(start); return { names: [] }; });
      names.forEach((name, at) => {
        this.names.set(String(start + at), name);
        const cell = this.cells.get(String(start + at));
        if (!cell) return;
        cell.title = name;
        cell.querySelector("img")?.setAttribute("alt", name);
      });
    }
  }

  listen() {
    const taken = (event) => [...(event.dataTransfer ?? event.clipboardData)?.files ?? []];
    addEventListener("dragover", (event) => { if (event.dataTransfer?.types.includes("Files")) event.preventDefault(); });
    addEventListener("drop", (event) => { if (taken(event).length) { event.preventDefault(); this.take(taken(event)); } });
    addEventListener("paste", (event) => { if (taken(event).length) this.take(taken(event)); });
    addEventListener("keydown", (event) => {
      const by = { j: 1, k: -1 }[keyOf(event)];
      if (by && this.element.isConnected) this.go(by);
    });
  }

  // Another image: { image, name }.
  add(found) {
    this.uploads = [found, ...this.uploads.filter((one) => one.image !== found.image)];
  }

  async take(files) {
    let last = null;
    for (const file of files) {
      this.said.textContent = `${file.name} is being read …`;
      try {
        const found = await post("images", { name: file.name }, file);
        this.add(found);
        last = found.image;
      } catch (error) {
        this.tellError(error);
      }
    }
    this.said.textContent = "";
    if (last === null) return;
    if (TAKES_IMAGE.includes(read().path[0])) change({ image: last });
    else go(["image"], { image: last });
    this.draw();
  }
}
