// A region of the model's map, drawn on the image with the pointer: it becomes the numbers of the form, and these a frame on the image.
import { el } from "./dom.js";

// `fields`: top, left, bottom and right, in rows and columns of the map, which lies over the model's input; `windowOf()`: where that lies on
// the image, whose edges it may lie beyond: its top, left, bottom and right, as shares of height and width.
export function drawRegion(canvas, windowOf, picker, fields, rows, columns) {
  const frame = el("span", { class: "region", hidden: true });
  let from = null;

  function place() {
    const [top, left, bottom, right] = ["top", "left", "bottom", "right"].map((name) => (fields[name].value === "" ? NaN : Number(fields[name].value)));
    frame.hidden = !picker.open || !(top < bottom && left < right);
    if (frame.hidden) return;
    if (!frame.isConnected) canvas.after(frame);
    const { offsetLeft, offsetTop, offsetWidth: width, offsetHeight: height } = canvas, pixels = (length) => `${length}px`;
    const [above, before, below, after] = windowOf(), [row, column] = [((below - above) / rows) * height, ((after - before) / columns) * width];
    Object.assign(frame.style, {
      left: pixels(offsetLeft + before * width + left * column), top: pixels(offsetTop + above * height + top * row),
      width: pixels((right - left) * column), height: pixels((bottom - top) * row),
    });
  }

  const cellOf = (event) => {
    const box = canvas.getBoundingClientRect(), [above, before, below, after] = windowOf();
    const at = (share, start, end, count) => Math.min(count - 1, Math.max(0, Math.floor(((share - start) / (end - start)) * count)));
    return [at((event.clientY - box.top) / box.height, above, below, rows), at((event.clientX - box.left) / box.width, before, after, columns)];
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
  new MutationObserver(place).observe(canvas, { attributes: true, attributeFilter: ["width"] });  // another image is drawn
}
