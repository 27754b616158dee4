// Tags on images of the run: kept in a table in its folder, each time that somebody tags.
import { ask, post } from "../api.js";
import { el } from "../dom.js";

let known = null;  // { tags: { index: [tag] }, file }
let typed = "";  // a tag, which outlives the form

export const load = async (options) => (known = await ask("run/tags", {}, options));

export const tagsOf = (index) => (known?.tags[index] ?? []).join(", ");

// A form that tags images: `chosen()` gives their indices, `done` is called after; `told` is what is to be said of the tags before.
export function tagForm(chosen, done = () => {}, told = "") {
  const name = el("input", { id: "tag", name: "tag", value: typed, required: true, maxlength: 60, autocomplete: "off", oninput: () => { typed = name.value; } }), said = el("span", { role: "status" }, told);
  return el("form", { class: "controls", "aria-label": "Tags", onsubmit: async (event) => {
    event.preventDefault();
    const images = chosen();
    try {
      if (images.length) known = await post("run/tags", { name: name.value.trim() || "tagged" }, JSON.stringify(images));
      said.textContent = images.length ? `${images.length} ${images.length === 1 ? "image is" : "images are"} tagged, in ${known.file}.` : "Choose images first.";
      done();
    } catch (error) {
      said.textContent = error.message;
    }
  } }, el("label", { for: "tag" }, "Tag"), name, el("button", { type: "submit" }, "Tag the chosen images"), el("span", { class: "hint" }, "kept as tags.csv in the folder of the run"), said);
}
