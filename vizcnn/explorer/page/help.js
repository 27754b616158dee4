// The keys, told in a dialog: by its button, and by the key ?.
import { el } from "./dom.js";
import { keyOf } from "./keys.js";

const KEYS = [
  ["j, k", "the next image of the folder, and the one before"],
  ["1 … 9", "under Image: explain that class of the list, the most probable first"],
  ["arrows", "on a map: read its values; on the diagram: go from box to box; while painting: move the brush. With Shift farther."],
  ["+, −, 0", "on a map: enlarge, make smaller, show whole; on the diagram + and −"],
  ["Space", "while painting: paint; on the diagram: open the box"],
  ["f", "under Network: find a layer"],
  ["n, p", "on a channel's page: the next channel, and the one before"],
  ["Enter", "among similar maps: choose what lies in the ring"],
  ["?", "these keys"],
];

export function listen(button) {
  const close = el("button", { type: "button", onclick: () => dialog.close() }, "Close");
  const dialog = el("dialog", { class: "keys", "aria-labelledby": "keys-title" }, el("h2", { id: "keys-title" }, "Keys"),
    el("dl", {}, KEYS.flatMap(([keys, does]) => [el("dt", {}, el("kbd", {}, keys)), el("dd", {}, does)])), close);
  document.body.append(dialog);
  button.addEventListener("click", () => dialog.showModal());
  addEventListener("keydown", (event) => {
    if (keyOf(event) !== "?") return;
    event.preventDefault();
    dialog.showModal();
  });
}
