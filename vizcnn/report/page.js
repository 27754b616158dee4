// The report's own part: reads the page's data, and lets its controls redraw the maps. It stands behind `drawing.js`, in one script.
const data = JSON.parse(document.getElementById("data").textContent);
const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const tables = Object.fromEntries(Object.entries(data.tables).map(([name, text]) => [name, bytes(text)]));
const state = {};  // what the controls say

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

async function valuesOf(map, { width, height }) {
  const steps = await pixelsOf(map.values, width, height), step = (map.high - map.low) / 255;
  return Float32Array.from({ length: width * height }, (_, index) => map.low + steps[4 * index] * step);
}

class MapView {
  constructor(figure, sample, maps, gray, color, allValues) {
    Object.assign(this, { figure, sample, maps, gray, color, allValues });
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
  get values() { return this.allValues[state.explained]; }
  get table() { return tables[state.colors || (this.map.signed ? data.diverging : data.sequential)]; }

  draw() {
    const { vmin, vmax, alone, explained, measured, low, high } = this.map, table = this.table;
    this.canvas.classList.toggle("small", Boolean(alone));  // its cells have edges
    drawMap(this.canvas, this.size, { ...this.map, values: this.values }, this, { ...state, table });
    drawBar(this.bar, table);
    for (const [name, text] of [["explained", explained], ["low", short(vmin)], ["high", short(vmax)]]) {
      this.figure.querySelector(`.${name}`).textContent = text;
    }
    const numbers = this.figure.querySelector(".measured");
    if (numbers) numbers.textContent = measured;
    this.canvas.setAttribute("aria-label", `${this.figure.dataset.name} for ${explained}; values ${short(low)} to ${short(high)}`);
    this.figure.style.setProperty("--ratio", this.canvas.width / this.canvas.height);
    if (this.reading) this.tell();
  }

  tell() {
    const { width, height } = this.size, left = this.canvas.width - width;  // beside the image, where that is shown too
    const [column, row] = [Math.min(width - 1, this.at[0]), Math.min(height - 1, this.at[1])];
    this.reading = true;
    this.output.textContent = `${this.values[row * width + column].toPrecision(3)} at row ${row}, column ${column}`;
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
    const gray = grayOf(color, data.gray);
    for (const figure of document.querySelectorAll(`.map[data-sample="${number}"]`)) {
      const maps = sample.maps[Number(figure.dataset.map)];
      views.push(new MapView(figure, sample, maps, gray, color, await Promise.all(maps.map((map) => valuesOf(map, map.alone || sample)))));
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
