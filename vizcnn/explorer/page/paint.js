// Occlusion by hand: parts are painted over, and what the model says moves along; one question at a time, the newest wins.
import { askArrays, post } from "./api.js";
import { breaking, classOf, highest, inNumbers, lengths, nameOf } from "./classes.js";
import { el, fill } from "./dom.js";
import { asSeen, paint as paintOn, rgba } from "./pictures.js";
import { go } from "./router.js";

export const name = "paint", title = "Paint over";

const BRUSHES = { mean: "mean color", blur: "blurred", noise: "noise" };

export function open(root, { facts, strip, signal }) {
  const canvas = el("canvas", { tabindex: 0, role: "application", "aria-roledescription": "painting", "aria-label": "The image as the model sees it, to be painted on", "aria-describedby": "painting-keys" });
  const cursor = el("span", { class: "cursor", hidden: true });
  const size = el("input", { type: "range", id: "brush-size", min: 2, max: 50, value: 14 }), sizeSaid = el("output", { for: "brush-size" });
  const kinds = [...Object.entries(BRUSHES), ["erase", "erase"]].map(([value, text]) => el("label", {}, el("input", { type: "radio", name: "brush", value, checked: value === "mean" }), ` ${text}`));
  const undo = el("button", { type: "button", disabled: true, onclick: () => back() }, "Undo"), clear = el("button", { type: "button", disabled: true, onclick: () => wipe() }, "Clear");
  const explain = el("button", { type: "button", disabled: true, onclick: () => explainIt() }, "Explain this picture");
  const form = el("form", { class: "controls", "aria-label": "The brush", autocomplete: "off", onsubmit: (event) => event.preventDefault() },
    el("fieldset", {}, el("legend", {}, "Paint with"), kinds), el("div", {}, el("label", { for: "brush-size" }, "Size"), " ", size, " ", sizeSaid), el("span", {}, undo, " ", clear, " ", explain));
  const caption = el("figcaption", {}), bars = el("div", {}), line = el("p", { role: "status", class: "score-line" });
  fill(root, el("p", {}, "Paint over a part, and see what the model says without it."), form,
    el("div", { class: "painting" }, el("figure", {}, el("div", { class: "stage" }, canvas, cursor), caption), el("div", { class: "scores" }, line, bars)),
    el("p", { class: "hint", id: "painting-keys" }, "With the keyboard: arrow keys move the brush (with Shift farther), the space bar paints."));
  let layers = null, mask = null, history = [], before = null, image = null, target = null, busy = false, again = false, until = signal, at = null, last = null;

  const diameter = () => Math.max(1, Math.round((size.value / 100) * Math.min(layers.width, layers.height)));
  const brush = () => { const { value } = form.elements.brush; return value === "erase" ? 0 : layers.names.indexOf(value) + 1; };
  const tellSize = () => { sizeSaid.textContent = `${size.value} %`; size.setAttribute("aria-valuetext", `${size.value} % of the image`); if (layers) placeCursor(); };
  size.addEventListener("input", tellSize);

  function draw() {
    const color = new Uint8ClampedArray(layers.pixels);
    for (let pixel = 0; pixel < mask.length; pixel++) {
      if (mask[pixel]) color.set(layers.fills[mask[pixel] - 1].subarray(4 * pixel, 4 * pixel + 4), 4 * pixel);
    }
    paintOn(canvas, { width: layers.width, height: layers.height, color });
  }

  function dab([column, row]) {
    const radius = diameter() / 2, number = brush(), { width, height } = layers;
    for (let y = Math.max(0, Math.floor(row - radius)); y <= Math.min(height - 1, row + radius); y++) {
      for (let x = Math.max(0, Math.floor(column - radius)); x <= Math.min(width - 1, column + radius); x++) {
        if ((x - column) ** 2 + (y - row) ** 2 <= radius ** 2) mask[y * width + x] = number;
      }
    }
  }

  function stroke(to) {  // from where the brush was, without gaps
    const from = last ?? to, steps = Math.max(1, Math.ceil(Math.hypot(to[0] - from[0], to[1] - from[1]) / Math.max(1, diameter() / 4)));
    for (let step = 1; step <= steps; step++) dab([from[0] + ((to[0] - from[0]) * step) / steps, from[1] + ((to[1] - from[1]) * step) / steps]);
    last = to;
    draw();
    question();
  }

  const remember = () => { history.push(mask.slice()); if (history.length > 50) history.shift(); undo.disabled = false; };
  function back() {
    if (!history.length) return;
    mask = history.pop();
    undo.disabled = !history.length;
    draw();
    question();
  }
  function wipe() {
    remember();
    mask.fill(0);
    draw();
    question();
  }

  async function question() {
    if (busy) { again = true; return; }
    busy = true;
    try {
      do {
        again = false;
        const asked = before, said = await post("painted", { image, target }, mask, { signal: until });
        if (asked === before) tell(said);  // else another image or target has come
      } while (again && !until.aborted);
    } catch (error) {
      if (error.name !== "AbortError") line.textContent = error.message;
    } finally {
      busy = false;
    }
  }

  async function explainIt() {  // from now on it is an image like others, with a link of its own
    try {
      const found = await post("images/painted", { image }, mask, { signal: until });
      strip.add(found);
      go(["image"], { image: found.image, target });
    } catch (error) {
      if (error.name !== "AbortError") line.textContent = error.message;
    }
  }

  function tell(said) {
    explain.disabled = !mask.some(Boolean);
    const share = mask.reduce((count, number) => count + (number > 0), 0) / mask.length;
    const told = explained(said);
    line.textContent = `${Math.round(100 * share)} % painted over.${told ? ` The ${told.what} of ${told.name} is ${told.now}${share ? `, ${told.was} without paint` : ""}.` : ""}`;
    fill(bars, said.outputs.map((now) => {
      const was = before.outputs.find(({ name: one }) => one === now.name), about = facts.model.outputs.find(({ name: one }) => one === now.name);
      if (!about.is_classes && facts.model.explains === "Box") return null;
      const length = lengths(was), both = [...highest(facts, was, 5), ...highest(facts, now, 5)];
      const entries = [...new Map(both.map((entry) => [entry.index, entry])).values()];
      const valueOf = ({ values, shown }, index) => values[shown ? shown.indexOf(index) : index];
      return el("table", { class: "bars" }, el("caption", {}, said.outputs.length > 1 ? `${now.name}: now, and without paint` : "Now, and without paint"),
        entries.map(({ index, name: one }) => {
          const bar = el("span", { class: "bar-length" }), mark = el("span", { class: "bar-was" });
          bar.style.width = `${100 * Math.min(1, Math.max(0, length(valueOf(now, index))))}%`;
          mark.style.left = `${100 * Math.min(1, Math.max(0, length(valueOf(was, index))))}%`;
          return el("tr", { class: now.predicted === index ? "own" : null }, el("th", { scope: "row" }, breaking(one)), el("td", { class: "bar-cell", "aria-hidden": "true" }, bar, mark),
            el("td", {}, inNumbers(valueOf(now, index), now.are_probabilities)), el("td", { class: "was" }, inNumbers(valueOf(was, index), was.are_probabilities)));
        }));
    }));
  }

  // The probability of the class that is explained; of anything else its score.
  function explained(said) {
    const main = before.outputs.find(({ name: output }) => facts.model.outputs.find((about) => about.name === output).is_main);
    const one = target ? classOf(facts, target) : main?.predicted === null ? null : { output: main.name, index: main.predicted, name: nameOf(facts, main.name, main.predicted) };
    const [now, was] = [said, before].map(({ outputs }) => outputs.find(({ name: output }) => output === one?.output));
    if (one && now?.are_probabilities && !now.shown) return { what: "probability", name: one.name, now: inNumbers(now.values[one.index], true), was: inNumbers(was.values[one.index], true) };
    return said.score ? { what: "score", name: said.score.name, now: inNumbers(said.score.value, false), was: inNumbers(before.score.value, false) } : null;
  }

  function placeCursor() {
    if (!at) { cursor.hidden = true; return; }
    cursor.hidden = false;
    cursor.style.left = `${(100 * (at[0] + 0.5)) / layers.width}%`;
    cursor.style.top = `${(100 * (at[1] + 0.5)) / layers.height}%`;
    cursor.style.width = `${(100 * diameter()) / layers.width}%`;
    cursor.style.aspectRatio = "1";
  }

  const placeOf = (event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * layers.width - 0.5, ((event.clientY - box.top) / box.height) * layers.height - 0.5];
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (!layers || event.button) return;
    canvas.setPointerCapture(event.pointerId);
    remember();
    last = null;
    stroke(at = placeOf(event));
    placeCursor();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!layers) return;
    at = placeOf(event);
    placeCursor();
    if (canvas.hasPointerCapture(event.pointerId)) stroke(at);
  });
  canvas.addEventListener("pointerleave", () => { if (layers) { at = null; placeCursor(); } });
  canvas.addEventListener("keydown", (event) => {
    if (!layers) return;
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    const { width, height } = layers;
    if (step) {
      const pace = Math.max(1, Math.round(diameter() / (event.shiftKey ? 1 : 4))), [column, row] = at ?? [width / 2, height / 2];
      at = [Math.min(width - 1, Math.max(0, column + pace * step[0])), Math.min(height - 1, Math.max(0, row + pace * step[1]))];
      placeCursor();
    } else if (event.key === " ") {
      at ??= [width / 2, height / 2];
      remember();
      last = null;
      stroke(at);
      placeCursor();
    } else return;
    event.preventDefault();
  });

  // What belongs together changes at once, when all of it has come: whoever passes an image paints on with what stands there.
  async function update({ parameters, signal: now }) {
    until = now;
    tellSize();
    const { image: next, target: asked } = parameters, isOther = next !== image;
    if (!isOther && asked === target) {  // on the way to another, what was asked of this one was given up
      if (mask?.some(Boolean)) await question();
      return;
    }
    const brushes = isOther ? await layersOf(next, now) : layers, { width, height } = brushes;
    const was = await post("painted", { image: next, target: asked }, new Uint8Array(width * height), { signal: now });
    [image, target, before, layers] = [next, asked, was, brushes];
    clear.disabled = false;
    if (isOther) {
      [mask, history, undo.disabled] = [new Uint8Array(width * height), [], true];
      draw();
      fill(caption, asSeen(canvas));
    }
    if (mask.some(Boolean)) await question();
    else tell(was);
  }

  return { update };
}

async function layersOf(image, signal) {
  const { about, arrays } = await askArrays("brushes", { image }, { signal }), [height, width] = arrays.pixels.shape;
  return { width, height, names: about.brushes, pixels: rgba(arrays.pixels.values), fills: about.brushes.map((one) => rgba(arrays[one].values)) };
}
