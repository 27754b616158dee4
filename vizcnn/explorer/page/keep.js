// Keep the most important x %: a walk along the insertion curve of a map, with the picture that the model is shown.
import { askArrays, Refused } from "./api.js";
import { inNumbers } from "./classes.js";
import { askFirst, costOf } from "./cost.js";
import { el, fill, svg } from "./dom.js";
import { asSeen, paint as paintOn, rgba } from "./pictures.js";
import { change } from "./router.js";

export const name = "keep", title = "Keep parts";

const ON = [["blur", "a blurred image"], ["mean", "its mean color"]];
const [WIDTH, HEIGHT, EDGE] = [320, 160, 28];

export function open(root, { facts, speed }) {
  const range = el("input", { type: "range", id: "kept", min: 0, max: 100, step: 1, value: 15 }), said = el("output", { for: "kept" });
  const on = el("select", { name: "on", onchange: () => change({ on: on.value }, { instead: true }) }, ON.map(([value, text]) => el("option", { value }, text)));
  const method = el("select", { name: "method", onchange: () => change({ method: method.value, layer: null }) });
  const canvas = el("canvas", { role: "img" }), caption = el("figcaption", {}), curve = el("div", { class: "curve" }), line = el("p", { role: "status", class: "score-line" }), wait = el("p", { class: "hint", role: "status", tabindex: -1 });
  const painting = el("div", { class: "painting" }, el("figure", {}, el("div", { class: "stage" }, canvas), caption), el("div", { class: "scores" }, line, curve));
  fill(root, el("p", {}, "What does the model say when it sees only the parts that a map marks most? The rest is painted over."),
    el("form", { class: "controls", "aria-label": "What is kept", autocomplete: "off", onsubmit: (event) => event.preventDefault() },
      el("div", {}, el("label", { for: "kept" }, "Keep the most important"), " ", range, " ", said), el("label", {}, "on ", on), el("label", {}, "by ", method)),
    wait, painting);
  let kept = null, key = null;

  function draw() {
    const share = range.value / 100, count = Math.round(share * kept.ranks.length), color = new Uint8ClampedArray(kept.fill);
    for (let pixel = 0; pixel < kept.ranks.length; pixel++) {
      if (kept.ranks[pixel] < count) color.set(kept.pixels.subarray(4 * pixel, 4 * pixel + 4), 4 * pixel);
    }
    paintOn(canvas, { width: kept.width, height: kept.height, color });
    said.textContent = `${range.value} %`;
    range.setAttribute("aria-valuetext", `${range.value} % of the image`);
    canvas.setAttribute("aria-label", `The image, of which ${range.value} % are kept`);
    const { about } = kept, value = between(about, share);
    const what = about.is_probability ? "The probability" : "The score";
    line.textContent = `${what} of ${about.target} is ${inNumbers(value, about.is_probability)} with ${range.value} % kept, ${inNumbers(about.curve.at(-1), about.is_probability)} with all of it.`;
    drawCurve(about, share, value);
  }

  function drawCurve({ curve: values, shares, is_probability: isProbability, target }, share, value) {
    const low = Math.min(0, ...values), high = isProbability ? 1 : Math.max(...values, low + 1e-9);
    const x = (part) => EDGE + part * (WIDTH - 2 * EDGE), y = (one) => HEIGHT - EDGE + ((low - one) / (high - low)) * (HEIGHT - 2 * EDGE);
    const text = (left, top, words, anchor = "middle") => svg("text", { x: left, y: top, "text-anchor": anchor }, words);
    fill(curve, svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${isProbability ? "Probability" : "Score"} of ${target} by the share that is kept` },
      svg("line", { class: "axis", x1: x(0), y1: y(low), x2: x(1), y2: y(low) }), svg("line", { class: "axis", x1: x(0), y1: y(low), x2: x(0), y2: y(high) }),
      svg("polyline", { class: "line", points: values.map((one, at) => `${x(shares[at])},${y(one)}`).join(" ") }),
      svg("circle", { class: "point", cx: x(share), cy: y(value), r: 5 }),
      text(x(0), HEIGHT - 8, "0 %"), text(x(1), HEIGHT - 8, "100 %"), text(x(0.5), HEIGHT - 8, "of the image kept"), text(x(0) + 6, y(high) + 4, isProbability ? "probability" : "score", "start"),
      text(EDGE - 4, y(high) + 4, inNumbers(high, isProbability && high !== 1), "end"), text(EDGE - 4, y(low) + 4, Number(low.toPrecision(2)).toString(), "end")));
  }

  range.addEventListener("input", () => { if (kept) draw(); });

  async function update({ parameters, signal }) {
    const { image, layer, target } = parameters, present = parameters.method || facts.default_method;
    const asked = { image, method: present, layer, target, on: ON.some(([value]) => value === parameters.on) ? parameters.on : "blur" };
    const names = facts.methods.map((one) => one.name);
    on.value = asked.on;
    fill(method, (names.includes(present) ? names : [present, ...names]).map((one) => el("option", { value: one, selected: one === present }, [one, costOf(one, facts, speed.known)].filter(Boolean).join(": "))));
    if (key === JSON.stringify(asked)) return instead(null);
    try {
      const first = await askFirst(asked, { facts, speed, signal }, () => update({ parameters, signal }));
      if (signal.aborted) return;
      if (first) return instead(first);
      wait.textContent = "The map, and 21 pictures of it, are being asked about …";
      const { about, arrays } = await askArrays("kept", asked, { signal });
      const [height, width] = arrays.ranks.shape;
      kept = { about, width, height, pixels: rgba(arrays.pixels.values), fill: rgba(arrays.fill.values), ranks: arrays.ranks.values };
      key = JSON.stringify(asked);
      draw();
      fill(caption, asSeen(canvas));
      instead(null);
    } catch (error) {
      if (signal.aborted) return;
      instead(el("span", { class: "wrong", role: "alert" }, error.message));
      if (!(error instanceof Refused)) throw error;
    }
  }

  // What is said in place of the picture, which would be another's; null: the picture itself is shown.
  function instead(said) {
    fill(wait, said);
    painting.hidden = said !== null;
  }

  return { update };
}

// The curve at a share between its points.
function between({ curve, shares }, share) {
  const next = Math.max(1, shares.findIndex((one) => one >= share - 1e-9)), part = (share - shares[next - 1]) / (shares[next] - shares[next - 1]);
  return curve[next - 1] + Math.min(1, Math.max(0, part)) * (curve[next] - curve[next - 1]);
}
