"use strict";
// Draws every map from its values, so that opacity, colors and layout change without another picture being loaded.
const data = JSON.parse(document.getElementById("data").textContent);
const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const tables = Object.fromEntries(Object.entries(data.tables).map(([name, text]) => [name, bytes(text)]));
const state = {};  // what the controls say
const short = (value) => Number(value.toPrecision(3));

function pixelsOf(url, width, height) {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => {
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [width, height];
      const context = canvas.getContext("2d", { willReadFrequently: true });
      context.drawImage(image, 0, 0, width, height);
      resolve(context.getImageData(0, 0, width, height).data);
    };
    image.onerror = reject;
    image.src = url;
  });
}

class MapView {
  constructor(figure, sample, maps, gray, color, steps) {
    Object.assign(this, { figure, sample, maps, gray, color, allSteps: steps });
    this.canvas = figure.querySelector("canvas");
    this.bar = figure.querySelector(".bar");
    this.output = figure.querySelector("output");
    this.spot = figure.querySelector(".spot");
    this.button = figure.querySelector(".zoom");
    this.at = [this.size.width >> 1, this.size.height >> 1];
    this.reading = false;
    let touched = false;
    this.canvas.addEventListener("pointerdown", (event) => { touched = event.pointerType !== "mouse"; this.point(event); });
    this.canvas.addEventListener("pointermove", (event) => this.point(event));
    this.canvas.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") this.stop(); });
    this.canvas.addEventListener("blur", () => this.stop());
    // A tap reads a value, where a mouse has only to point.
    this.canvas.addEventListener("click", () => { if (!touched) this.zoom(); });
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    this.button.addEventListener("click", () => this.zoom());
  }

  get map() { return this.maps[state.explained ?? 0]; }
  get size() { return this.map.alone || this.sample; }  // a map that lies nowhere in its image is drawn without it
  get steps() { return this.allSteps[state.explained]; }
  get table() { return tables[state.colors || (this.map.signed ? data.diverging : data.sequential)]; }
  value(index) { return this.map.low + (this.steps[4 * index] / 255) * (this.map.high - this.map.low); }

  draw() {
    const { width, height } = this.size, { vmin, vmax, alone } = this.map;
    const both = state.mode === "both" && !alone;
    [this.canvas.width, this.canvas.height] = [both ? 2 * width : width, height];
    this.canvas.classList.toggle("small", Boolean(alone));  // its cells have edges
    const context = this.canvas.getContext("2d");
    const drawn = context.createImageData(this.canvas.width, height);
    const end = Math.max(Math.abs(vmin), Math.abs(vmax)) || 1, table = this.table;
    for (let row = 0; row < height; row++) {
      for (let column = 0; column < width; column++) {
        const index = row * width + column, value = this.value(index);
        const place = 3 * Math.round(255 * Math.min(1, Math.max(0, (value - vmin) / (vmax - vmin || 1))));
        // Clear where it is zero, at full opacity from half of the scale on.
        const weight = state.mode === "overlay" && !alone ? state.opacity * Math.min(1, (2 * Math.abs(value)) / end) : 1;
        const to = 4 * (row * this.canvas.width + column + (both ? width : 0));
        for (let c = 0; c < 3; c++) {
          drawn.data[to + c] = (weight < 1 ? (1 - weight) * this.gray[4 * index] : 0) + weight * table[place + c];
        }
        drawn.data[to + 3] = 255;
        if (both) {
          const left = 4 * (row * this.canvas.width + column);
          drawn.data.set(this.color.subarray(4 * index, 4 * index + 4), left);
        }
      }
    }
    context.putImageData(drawn, 0, 0);
    for (const side of both ? [0, width] : [0]) this.outline(context, side);
    this.drawBar(table);
    for (const [name, text] of [["explained", this.map.explained], ["low", short(vmin)], ["high", short(vmax)]]) {
      this.figure.querySelector(`.${name}`).textContent = text;
    }
    const { explained, measured, low, high } = this.map;
    const numbers = this.figure.querySelector(".measured");
    if (numbers) numbers.textContent = measured;
    this.canvas.setAttribute("aria-label", `${this.figure.dataset.name} for ${explained}; values ${short(low)} to ${short(high)}`);
    this.figure.style.setProperty("--ratio", this.canvas.width / height);
    if (this.reading) this.tell();
  }

  outline(context, side) {  // seen on dark and on bright; lines lie on whole pixels
    const { width, height } = this.size, line = Math.max(1, Math.round(Math.max(width, height) / 220));
    for (const box of this.map.boxes) {
      const [left, top, right, bottom] = box.map((share, at) => Math.round(share * (at % 2 ? height : width)) + (line % 2) / 2);
      for (const [wide, color] of [[3 * line, "black"], [line, "white"]]) {
        [context.lineWidth, context.strokeStyle] = [wide, color];
        context.strokeRect(side + left, top, right - left, bottom - top);
      }
    }
  }

  drawBar(table) {
    const context = this.bar.getContext("2d"), { width, height } = this.bar, drawn = context.createImageData(width, height);
    for (let i = 0; i < width * height; i++) {
      const place = 3 * Math.round((255 * (i % width)) / (width - 1));
      for (let c = 0; c < 3; c++) drawn.data[4 * i + c] = table[place + c];
      drawn.data[4 * i + 3] = 255;
    }
    context.putImageData(drawn, 0, 0);
  }

  tell() {
    const { width, height } = this.size, left = this.canvas.width - width;  // beside the image, where that is shown too
    const [column, row] = [Math.min(width - 1, this.at[0]), Math.min(height - 1, this.at[1])];
    this.reading = true;
    this.output.textContent = `${this.value(row * width + column).toPrecision(3)} at row ${row}, column ${column}`;
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
      this.at = [
        Math.min(width - 1, Math.max(0, this.at[0] + pace * step[0])),
        Math.min(height - 1, Math.max(0, this.at[1] + pace * step[1])),
      ];
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
    this.button.firstElementChild.textContent = large ? "shrink" : "enlarge";
    this.figure.scrollIntoView({ block: "nearest" });
  }
}

async function start() {
  const views = [];
  for (const [number, sample] of data.samples.entries()) {
    const image = document.querySelector(`#sample-${number} .image img`);
    const color = await pixelsOf(image.src, sample.width, sample.height);
    const gray = new Uint8ClampedArray(color.length), [red, green, blue] = data.gray;
    for (let i = 0; i < color.length; i += 4) gray[i] = red * color[i] + green * color[i + 1] + blue * color[i + 2];
    for (const figure of document.querySelectorAll(`.map[data-sample="${number}"]`)) {
      const maps = sample.maps[Number(figure.dataset.map)];
      const steps = await Promise.all(maps.map((map) => pixelsOf(map.values, (map.alone || sample).width, (map.alone || sample).height)));
      views.push(new MapView(figure, sample, maps, gray, color, steps));
    }
  }
  const form = document.querySelector(".controls"), controls = form.elements;
  const redraw = () => {
    const { opacity, mode, colors, explained } = controls;
    Object.assign(state, { opacity: opacity.value / 100, mode: mode.value, colors: colors.value, explained: Number(explained?.value ?? 0) });
    opacity.disabled = state.mode !== "overlay";
    opacity.setAttribute("aria-valuetext", `${opacity.value} %`);
    document.getElementById("opacity-value").textContent = `${opacity.value} %`;
    document.querySelector("main").classList.toggle("both", state.mode === "both");
    views.forEach((view) => view.draw());
    // It was measured of the class that the page opens with.
    document.querySelectorAll(".trust").forEach((part) => { part.hidden = state.explained !== 0; });
  };
  form.addEventListener("input", redraw);
  form.addEventListener("submit", (event) => event.preventDefault());
  controls.explained?.addEventListener("change", (event) => {
    document.getElementById("said").textContent = `The maps now explain ${event.target.selectedOptions[0].text}.`;
  });
  redraw();
  // What is jumped to, or reached by Tab, must not lie under the controls.
  new ResizeObserver(() => { document.documentElement.style.scrollPaddingTop = `${form.offsetHeight + 8}px`; }).observe(form);
  const closed = () => [...document.querySelectorAll("details:not([open])")];
  let opened = [];
  addEventListener("beforeprint", () => { opened = closed(); opened.forEach((details) => { details.open = true; }); });
  addEventListener("afterprint", () => opened.forEach((details) => { details.open = false; }));
  document.documentElement.dataset.ready = "yes";
}

start();
