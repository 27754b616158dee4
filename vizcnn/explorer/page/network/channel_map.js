// A channel's map on the image: drawn and read as every map is, and what the cell that is read sees is drawn on the image.
import { el } from "../dom.js";
import { MapFigure } from "../drawing.js";
import { usual } from "../colors.js";
import { scaleOf } from "./maps.js";
import { extremes } from "./picture.js";

export class ChannelMap extends MapFigure {
  // What api/channel says; what it is of, in words; the image beside it.
  constructor({ about: { kind }, arrays: { maps: { values, shape: [, height, width] } } }, explained, picture, facts) {
    super(el("figure", { class: "one-map" },
      el("div", { class: `stage${kind === "sequence" ? " signal" : ""}` },
        el("canvas", { tabindex: 0, role: "application", "aria-roledescription": "map, read by the arrow keys" }), el("span", { class: "spot", hidden: true })),
      el("figcaption", {}, el("output", { class: "reading" }, "\u00a0"), el("span", { class: "explained" }), " ",
        el("span", { class: "scale" }, el("span", { class: "low" }), el("canvas", { class: "bar", width: 96, height: 8, "aria-hidden": "true" }), el("span", { class: "high" })))));
    const [low, high] = extremes(values), scale = scaleOf([low, high]);
    Object.assign(this, { kind, seen: picture, size: { width, height }, picture: null, name: "Map", map: { values, ...scale, low, high, explained, alone: { width, height } }, look: { mode: "map", table: usual(facts, scale.signed) } });
    this.draw();
  }

  tell() {
    super.tell();
    const [column, row] = this.at;
    if (this.kind === "sequence") this.output.textContent = this.output.textContent.replace("row 0, column", "place");
    this.seen.show(this.kind === "sequence" ? [column] : this.kind === "maps" ? [row, column] : null);
  }

  stop() {
    super.stop();
    this.seen.show(null);
  }

  zoom() {}  // it is as large as there is room
}
