// Draws maps from their values, so that opacity and colors change without another picture being loaded, and lets them be read; the report and the
// explorer share it.
export const short = (value) => Number(value.toPrecision(3));

// The gray levels of RGBA pixels, by the weights of red, green and blue; as pixels again.
export function grayOf(color, [red, green, blue]) {
  const gray = new Uint8ClampedArray(color.length);
  for (let i = 0; i < color.length; i += 4) gray[i] = red * color[i] + green * color[i + 1] + blue * color[i + 2];
  return gray;
}

// `map`: values, vmin, vmax, boxes, alone. `picture`: its gray and color pixels. `look`: mode (overlay, map, both), opacity, table of 256 colors.
export function drawMap(canvas, { width, height }, map, picture, look) {
  const { values, vmin, vmax, alone } = map, { table } = look;
  const both = look.mode === "both" && !alone, over = look.mode === "overlay" && !alone;
  [canvas.width, canvas.height] = [both ? 2 * width : width, height];
  const context = canvas.getContext("2d"), drawn = context.createImageData(canvas.width, height);
  const end = Math.max(Math.abs(vmin), Math.abs(vmax)) || 1, left = both ? width : 0;
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const index = row * width + column, value = values[index];
      const place = 3 * Math.round(255 * Math.min(1, Math.max(0, (value - vmin) / (vmax - vmin || 1))));
      // Clear where it is zero, at full opacity from half of the scale on.
      const weight = over ? look.opacity * Math.min(1, (2 * Math.abs(value)) / end) : 1;
      const to = 4 * (row * canvas.width + column + left);
      for (let c = 0; c < 3; c++) {
        drawn.data[to + c] = (weight < 1 ? (1 - weight) * picture.gray[4 * index] : 0) + weight * table[place + c];
      }
      drawn.data[to + 3] = 255;
      if (both) drawn.data.set(picture.color.subarray(4 * index, 4 * index + 4), to - 4 * left);
    }
  }
  context.putImageData(drawn, 0, 0);
  for (const side of both ? [0, width] : [0]) outline(context, { width, height }, map.boxes ?? [], side);
}

function outline(context, { width, height }, boxes, side) {  // seen on dark and on bright; lines lie on whole pixels
  const line = Math.max(1, Math.round(Math.max(width, height) / 220));
  for (const box of boxes) {
    const [left, top, right, bottom] = box.map((share, at) => Math.round(share * (at % 2 ? height : width)) + (line % 2) / 2);
    for (const [wide, color] of [[3 * line, "black"], [line, "white"]]) {
      [context.lineWidth, context.strokeStyle] = [wide, color];
      context.strokeRect(side + left, top, right - left, bottom - top);
    }
  }
}

export function drawBar(canvas, table) {
  const context = canvas.getContext("2d"), { width, height } = canvas, drawn = context.createImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    const place = 3 * Math.round((255 * (i % width)) / (width - 1));
    for (let c = 0; c < 3; c++) drawn.data[4 * i + c] = table[place + c];
    drawn.data[4 * i + 3] = 255;
  }
  context.putImageData(drawn, 0, 0);
}

// A figure with a map: the canvas of its `.stage` is drawn, and tells the value that is pointed at, tapped, or reached by arrow keys.
// Whoever extends it says what is drawn: `map` (of `drawMap`, and low, high, explained), `size`, `picture`, `look` and `name`.
export class MapFigure {
  constructor(figure) {
    this.figure = figure;
    this.canvas = figure.querySelector(".stage canvas");
    this.bar = figure.querySelector(".bar");
    this.output = figure.querySelector("output");
    this.spot = figure.querySelector(".spot");
    this.button = figure.querySelector(".zoom");
    this.at = null;  // column and row
    this.reading = false;
    let touched = false;
    this.canvas.addEventListener("pointerdown", (event) => { touched = event.pointerType !== "mouse"; this.point(event); });
    this.canvas.addEventListener("pointermove", (event) => this.point(event));
    this.canvas.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") this.stop(); });
    this.canvas.addEventListener("blur", () => this.stop());
    // A tap reads a value, where a mouse has only to point.
    this.canvas.addEventListener("click", () => { if (!touched) this.zoom(); });
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    this.button?.addEventListener("click", () => this.zoom());
  }

  draw() {
    const { map, look } = this, { vmin, vmax, alone, explained, low, high } = map;
    this.canvas.classList.toggle("small", Boolean(alone));  // its cells have edges
    drawMap(this.canvas, this.size, map, this.picture, look);
    drawBar(this.bar, look.table);
    for (const [name, text] of [["explained", explained], ["low", short(vmin)], ["high", short(vmax)]]) {
      this.figure.querySelector(`.${name}`).textContent = text;
    }
    this.canvas.setAttribute("aria-label", `${this.name} for ${explained}; values ${short(low)} to ${short(high)}`);
    this.figure.style.setProperty("--ratio", this.canvas.width / this.canvas.height);
    if (this.reading) this.tell();
  }

  tell() {
    const { width, height } = this.size, left = this.canvas.width - width;  // beside the image, where that is shown too
    const [column, row] = [Math.min(width - 1, this.at[0]), Math.min(height - 1, this.at[1])];
    this.reading = true;
    this.output.textContent = `${this.map.values[row * width + column].toPrecision(3)} at row ${row}, column ${column}`;
    this.spot.style.left = `${(100 * (left + column + 0.5)) / this.canvas.width}%`;
    this.spot.style.top = `${(100 * (row + 0.5)) / height}%`;
  }

  stop() {
    this.reading = false;
    this.output.textContent = "\u00a0";
    this.spot.hidden = true;
  }

  point(event) {
    const box = this.canvas.getBoundingClientRect(), { width, height } = this.size;
    const pixel = (part, count) => Math.min(count - 1, Math.max(0, Math.floor(part * count)));
    this.at = [
      pixel((event.clientX - box.left) / box.width, this.canvas.width) % width,
      pixel((event.clientY - box.top) / box.height, height),
    ];
    this.spot.hidden = event.pointerType === "mouse";
    this.tell();
  }

  key(event) {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (step) {
      const { width, height } = this.size, pace = event.shiftKey ? 10 : 1;
      const [column, row] = this.at ?? [width >> 1, height >> 1];
      this.at = [Math.min(width - 1, Math.max(0, column + pace * step[0])), Math.min(height - 1, Math.max(0, row + pace * step[1]))];
      this.spot.hidden = false;
      this.tell();
      event.preventDefault();
    } else if (event.key === "Enter" || event.key === " ") {
      this.zoom();
      event.preventDefault();
    }
  }

  zoom() {
    const large = this.figure.classList.toggle("large");
    if (this.button) this.button.firstElementChild.textContent = large ? "shrink" : "enlarge";
    this.figure.scrollIntoView({ block: "nearest" });
  }
}
