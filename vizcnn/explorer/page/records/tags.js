// Tags on images of the run, kept while the page is open, and exported as a table.
import { el, fill } from "../dom.js";

const tags = new Map();  // index: { path, names }

export const tagsOf = (index) => [...(tags.get(index)?.names ?? [])].join(", ");

export function tag(images, name) {
  for (const { index, path } of images) {
    const known = tags.get(index) ?? { path, names: new Set() };
    known.names.add(name);
    tags.set(index, known);
  }
}

const quoted = (text) => `"${String(text).replaceAll('"', '""')}"`;

export function table() {
  const lines = [...tags].sort(([one], [other]) => one - other).flatMap(([index, { path, names }]) => [...names].map((name) => [index, quoted(path), quoted(name)].join(",")));
  return ["index,path,tag", ...lines, ""].join("\r\n");
}

// A form that tags images: `chosen()` gives them, `done` is called after.
export function tagForm(chosen, done = () => {}) {
  const name = el("input", { id: "tag", name: "tag", required: true, maxlength: 60, autocomplete: "off" }), said = el("span", { role: "status" });
  const save = el("a", { href: "#", download: "tags.csv", onclick: () => { save.href = URL.createObjectURL(new Blob([table()], { type: "text/csv" })); } }, "Export the tags (CSV)");
  const tell = (count) => fill(said, `${count} ${count === 1 ? "image is" : "images are"} tagged.`);
  return el("form", { class: "controls", "aria-label": "Tags", onsubmit: (event) => {
    event.preventDefault();
    const images = chosen();
    tag(images, name.value.trim() || "tagged");
    tell(images.length);
    done();
  } }, el("label", { for: "tag" }, "Tag"), name, el("button", { type: "submit" }, "Tag the chosen images"), save, said);
}
