// The images on a plane: those whose maps are alike lie together. A lasso, a class's button or the keyboard chooses some.
import { askArrays } from "../api.js";
import { el, fill } from "../dom.js";
import { thumbnail } from "../pictures.js";
import { link } from "../router.js";
import { tagForm } from "./tags.js";

export const name = "plane", title = "Similar maps";

const SIZE = 640, EDGE = 20, SHOWN = 60, STEP = 12, REACH = 24;
// More classes than colors: after a round of them the points are rings.
const COLORS = ["#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb"];  // Tol's, told apart by all

export async function show(root, { parameters, signal }) {
  const { about, arrays } = await askArrays("run/plane", { method: parameters.method }, { signal });
  const { values: points } = arrays.points, { values: indices } = arrays.indices, names = [...new Set(about.predictions)].filter((one) => one !== null);
  const placed = scaled(points), canvas = el("canvas", { width: SIZE, height: SIZE, tabindex: 0, role: "application", "aria-roledescription": "scatter plot", "aria-describedby": "plane-keys",
    "aria-label": `${indices.length} images by the likeness of their maps` });
  const told = el("p", { role: "status" }, "None is chosen."), chosenOnes = el("ul", { class: "thumbs" });
  let chosen = [], lasso = [], at = [SIZE / 2, SIZE / 2], keyed = false;

  function draw() {
    const context = canvas.getContext("2d"), style = getComputedStyle(document.body);
    context.clearRect(0, 0, SIZE, SIZE);
    const marked = new Set(chosen);
    for (let one = 0; one < indices.length; one++) {
      const [x, y] = placed[one], color = COLORS[names.indexOf(about.predictions[one]) % COLORS.length] ?? "#808080";
      [context.fillStyle, context.strokeStyle, context.lineWidth] = [color, color, 2];
      context.beginPath();
      context.arc(x, y, marked.has(one) ? 6 : 4, 0, 2 * Math.PI);
      if (isRing(names.indexOf(about.predictions[one]))) context.stroke();
      else context.fill();
      if (about.mistaken[one]) { context.strokeStyle = style.color; context.lineWidth = 1.5; context.strokeRect(x - 6, y - 6, 12, 12); }
      if (marked.has(one)) { context.strokeStyle = style.color; context.lineWidth = 2; context.stroke(); }
    }
    context.strokeStyle = style.color;
    context.lineWidth = 1.5;
    if (lasso.length) { context.beginPath(); lasso.forEach(([x, y], step) => (step ? context.lineTo(x, y) : context.moveTo(x, y))); context.closePath(); context.stroke(); }
    if (keyed) { context.beginPath(); context.arc(...at, REACH, 0, 2 * Math.PI); context.stroke(); }
  }

  function choose(some) {
    chosen = some;
    told.textContent = some.length ? `${some.length} ${some.length === 1 ? "image is" : "images are"} chosen${some.length > SHOWN ? `; the first ${SHOWN} are shown` : ""}.` : "None is chosen.";
    fill(chosenOnes, some.slice(0, SHOWN).map((one) => el("li", {}, el("a", { href: link(["image"], { image: indices[one], method: parameters.method }) },
      thumbnail(indices[one], `image ${indices[one]}, taken for ${about.predictions[one]}`, 64)))));
    draw();
  }

  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * SIZE, ((event.clientY - box.top) / box.height) * SIZE];
  };
  const all = () => [...indices.keys()];
  canvas.addEventListener("pointerdown", (event) => { canvas.setPointerCapture(event.pointerId); lasso = [place(event)]; keyed = false; });
  canvas.addEventListener("pointermove", (event) => { if (lasso.length) { lasso.push(place(event)); draw(); } });
  canvas.addEventListener("pointerup", () => { const drawn = lasso; lasso = []; choose(all().filter((one) => inside(placed[one], drawn))); });
  canvas.addEventListener("pointercancel", () => { lasso = []; draw(); });
  canvas.addEventListener("keydown", (event) => {
    const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [0, 0];
    if (event.key === "Enter" || event.key === " ") choose(all().filter((one) => Math.hypot(placed[one][0] - at[0], placed[one][1] - at[1]) <= REACH));
    else if (!dx && !dy) return;
    event.preventDefault();
    keyed = true;
    at = [at[0] + dx * STEP, at[1] + dy * STEP].map((value) => Math.min(SIZE, Math.max(0, value)));
    draw();
  });
  canvas.addEventListener("blur", () => { keyed = false; draw(); });
  const shares = about.shares.map((share) => `${Math.round(100 * share)} %`);
  fill(root,
    el("p", { id: "plane-keys" }, `Each point is an image, by the two directions in which its map by ${about.method} differs most from the others (${shares[0]} and ${shares[1]} of the variance). Draw around some to choose them, or move the ring with the arrow keys and press Enter. Mistakes stand in a square.`),
    el("div", { class: "plane" }, el("div", {}, canvas),
      el("div", {}, el("p", { role: "group", "aria-label": "Choose all of a class", class: "legend" }, names.map((one, step) => {
        const dot = el("span", { class: "dot", "aria-hidden": "true" });
        dot.style[isRing(step) ? "borderColor" : "background"] = COLORS[step % COLORS.length];
        return el("button", { type: "button", onclick: () => choose(all().filter((which) => about.predictions[which] === one)) }, dot, ` ${one}`);
      })), told, tagForm(() => chosen.map((one) => indices[one])), chosenOnes)));
  draw();
}

const isRing = (name) => Math.floor(name / COLORS.length) % 2 === 1;

// Points within the picture, both axes alike.
function scaled(points) {
  const count = points.length / 2, xs = Array.from({ length: count }, (_, one) => points[2 * one]), ys = Array.from({ length: count }, (_, one) => points[2 * one + 1]);
  const [left, right, low, high] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const factor = (SIZE - 2 * EDGE) / (Math.max(right - left, high - low) || 1);
  return xs.map((x, one) => [SIZE / 2 + (x - (left + right) / 2) * factor, SIZE / 2 - (ys[one] - (low + high) / 2) * factor]);
}

function inside([x, y], polygon) {
  let within = false;
  for (let one = 0, last = polygon.length - 1; one < polygon.length; last = one++) {
    const [[ax, ay], [bx, by]] = [polygon[one], polygon[last]];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) within = !within;
  }
  return within;
}
