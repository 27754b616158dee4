// A region of the model's map, drawn on the image with the pointer: it becomes the numbers of the form, and these a frame on the image.
import { el } from "./dom.js";

// `fields`: top, left, bottom and right, in rows and columns of the map, which lies over the whole image.
export function drawRegion(canvas, picker, fields, rows, columns) {
  const frame = el("span", { class: "region", hidden: true });
  let from = null;

  function place() {
    const [top, left, bottom, right] = ["top", "left", "bottom", "right"].map((name) => (fields[name].value === "" ? NaN : Number(fields[name].value)));
    frame.hidden = !picker.open || !(top < bottom && left < right);
    if (frame.hidden) return;
    if (!frame.isConnected) canvas.after(frame);
    const { offsetLeft, offsetTop, offsetWidth: width, offsetHeight: height } = canvas, pixels = (length) => `${length}px`;
    Object.assign(frame.style, {
      left: pixels(offsetLeft + (left / columns) * width), top: pixels(offsetTop + (top / rows) * height),
      width: pixels(((right - left) / columns) * width), height: pixels(((bottom - top) / rows) * height),
    });
  }

  const cellOf = (event) => {
    const box = canvas.getBoundingClientRect(), at = (share, count) => Math.min(count - 1, Math.max(0, Math.floor(share * count)));
    return [at((event.clientY - box.top) / box.height, rows), at((event.clientX - box.left) / box.width, columns)];
  };

  function take(to) {
    const edges = { top: Math.min(from[0], to[0]), left: Math.min(from[1], to[1]), bottom: Math.max(from[0], to[0]) + 1, right: Math.max(from[1], to[1]) + 1 };
    for (const [name, edge] of Object.entries(edges)) fields[name].value = edge;
    place();
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (!picker.open || event.button) return;
    canvas.setPointerCapture(event.pointerId);
    take(from = cellOf(event));
  });
  canvas.addEventListener("pointermove", (event) => { if (from && canvas.hasPointerCapture(event.pointerId)) take(cellOf(event)); });
  canvas.addEventListener("lostpointercapture", () => { from = null; });
  picker.addEventListener("input", place);
  picker.addEventListener("toggle", () => { canvas.classList.toggle("drawable", picker.open); place(); });
  new ResizeObserver(place).observe(canvas);
}
