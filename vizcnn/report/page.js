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

class MapView extends MapFigure {
  constructor(figure, sample, maps, picture, values) {
    super(figure);
    Object.assign(this, { sample, picture, maps: maps.map((map, at) => ({ ...map, values: values[at] })) });
  }

  get map() { return this.maps[state.explained ?? 0]; }
  get size() { return this.map.alone || this.sample; }  // a map that lies nowhere in its image is drawn without it
  get look() { return { ...state, table: tables[state.colors || (this.map.signed ? data.diverging : data.sequential)] }; }
  get name() { return this.figure.dataset.name; }

  draw() {
    super.draw();
    const numbers = this.figure.querySelector(".measured");
    if (numbers) numbers.textContent = this.map.measured;
  }
}

async function start() {
  const views = [];
  for (const [number, sample] of data.samples.entries()) {
    const image = document.querySelector(`#sample-${number} .image img`);
    const color = await pixelsOf(image.src, sample.width, sample.height);
    const picture = { color, gray: grayOf(color, data.gray) };
    for (const figure of document.querySelectorAll(`.map[data-sample="${number}"]`)) {
      const maps = sample.maps[Number(figure.dataset.map)];
      views.push(new MapView(figure, sample, maps, picture, await Promise.all(maps.map((map) => valuesOf(map, map.alone || sample)))));
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
