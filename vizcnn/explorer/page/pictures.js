// Images as they are shown: { name, shape, notes, signal, window, width, height, color, gray }, the last two as RGBA pixels;
// `window`: top, left, bottom and right of the model's input, as shares of the picture. The latest are kept.
import { address, askArrays } from "./api.js";
import { el } from "./dom.js";
import { grayOf } from "./drawing.js";

const KEPT = 40, known = new Map();

export function pictureOf(image, facts) {
  if (!known.has(image)) {
    const asked = askArrays("picture", { image }).then(({ about, arrays }) => ({ ...about, ...(about.signal ? {} : pixelsOf(arrays.pixels, facts)) }));
    known.set(image, asked);
    asked.catch(() => known.delete(image));
    if (known.size > KEPT) known.delete(known.keys().next().value);
  }
  return known.get(image);
}

export function pixelsOf({ values, shape: [height, width] }, facts) {
  const color = rgba(values);
  return { width, height, color, gray: grayOf(color, facts.colors.gray) };
}

export function rgba(rgb) {
  const color = new Uint8ClampedArray((rgb.length / 3) * 4);
  for (let from = 0, to = 0; from < rgb.length; from += 3, to += 4) {
    color.set(rgb.subarray(from, from + 3), to);
    color[to + 3] = 255;
  }
  return color;
}

// A small picture of an image; of one that can't be read a box that says so.
export function thumbnail(image, alt, size) {
  const picture = el("img", { src: address("small", { image }), alt, loading: "lazy", width: size, height: size });
  picture.addEventListener("error", () => {
    const missing = el("span", { class: "missing", role: "img", "aria-label": `${picture.alt} (can't be read)`, title: "This image can't be read." }, "?");
    Object.assign(missing.style, { width: `${size}px`, height: `${size}px` });
    picture.replaceWith(missing);
  });
  return picture;
}

// What stands below the picture that a model is given, and how large that is shown.
export function asSeen(canvas) {
  canvas.parentElement.style.setProperty("--ratio", canvas.width / canvas.height);
  return `The image as the model sees it, ${canvas.width} × ${canvas.height} pixels`;
}

export function paint(canvas, { width, height, color }) {
  [canvas.width, canvas.height] = [width, height];
  canvas.getContext("2d").putImageData(new ImageData(color, width, height), 0, 0);
  canvas.classList.toggle("small", width < 100);
}
