// Picks what is explained beside the classes of the list: any class by its name, an output, a unit, a channel, a region, likeness to another image.
import { el, fill } from "./dom.js";
import { change } from "./router.js";
import { drawRegion } from "./region.js";
import { ELSE, classOf, partsOf, typed } from "./classes.js";

// `canvas`: the image, on which a region can be drawn while the picker is open; `windowOf()`: where on it the model's input lies.
export function targetPicker(facts, explained, canvas, windowOf) {
  const { outputs } = facts.model, map = outputs.find((output) => output.is_map);
  const against = el("input", { type: "checkbox" });
  const said = el("p", { class: "wrong", role: "alert" });
  const take = (text) => {
    if (!text) return;
    said.textContent = "";
    change({ target: against.checked && explained() ? `${explained()} minus ${text}` : text });
  };
  const form = (title, fields, read) => el("form", {
    autocomplete: "off",
    onsubmit: (event) => {
      event.preventDefault();
      try { take(read(event.target.elements)); } catch (error) { said.textContent = error.message; }
    },
  }, el("fieldset", {}, el("legend", {}, title), fields, el("button", {}, "Explain")));
  const field = (text, name, properties = {}) => el("label", {}, `${text} `, el("input", { name, size: 6, ...properties }));
  const number = (text, name, max = null) => field(text, name, { type: "number", min: 0, max, step: 1 });
  const layers = (name, first = null) => el("label", {}, "layer ", el("select", { name }, first, facts.layers.map(({ path }) => el("option", {}, path))));

  const ofClass = form("a class", [
    outputs.length > 1 ? el("label", {}, "output ", el("select", { name: "output" }, outputs.map(({ name }) => el("option", {}, name)))) : null,
    field("name or number", "class", { size: 18, list: "class-names", required: true }),
    el("datalist", { id: "class-names" }, ...(outputs.find((output) => output.is_main)?.names ?? []).map((name) => el("option", { value: name }))),
  ], (fields) => {
    const output = outputs.find(({ name, is_main: isMain }) => (fields.output ? name === fields.output.value : isMain)) ?? outputs[0];
    const text = fields.class.value.trim(), index = output.names?.indexOf(text) ?? -1;
    if (index >= 0) return typed(facts, output.name, index);
    return output.is_main ? text : `${output.name}=${text}`;
  });
  const ofUnit = form("a channel or a unit of a layer", [layers("layer"), number("channel", "channel"), number("row", "row"), number("column", "column"),
    el("span", { class: "hint" }, "without row and column: the whole channel")], ({ layer, channel, row, column }) => {
    if (channel.value === "") throw new Error("Which channel?");
    return row.value !== "" && column.value !== "" ? `unit:${layer.value}:${row.value},${column.value},${channel.value}` : `channel:${layer.value}:${channel.value}`;
  });
  const [rows, columns] = map?.shape?.slice(-3, -1) ?? [], isSized = Number.isInteger(rows) && Number.isInteger(columns);
  const ofRegion = form("a region of the model's map", [
    el("p", { class: "hint" }, isSized ? `Draw it on the image, or give its edges: rows 0 to ${rows}, columns 0 to ${columns}. ` : "Give its edges, in rows and columns of the map. ", "Without edges it is where the class is predicted."),
    number("top", "top", rows), number("left", "left", columns), number("bottom", "bottom", rows), number("right", "right", columns),
    field("class", "class", { size: 12, list: "class-names" })], ({ top, left, bottom, right, class: name }) => {
    const edges = [top, left, bottom, right].map((edge) => edge.value), given = edges.filter((edge) => edge !== "").length;
    if (given % 4) throw new Error("A region has four edges: give all of them, or none.");
    if (given && (Number(top.value) >= Number(bottom.value) || Number(left.value) >= Number(right.value))) throw new Error("The region is empty: its top must be above its bottom, and its left before its right.");
    return `region:${given ? edges.join(",") : ""}${name.value ? `:${name.value}` : ""}`;
  });
  const likeness = form("likeness to another image", [field("image, by its number", "image", { size: 10, required: true }), layers("layer", el("option", { value: "" }, "what the model returns"))],
    ({ image, layer }) => `like:${image.value.trim()}${layer.value ? `;layer=${layer.value}` : ""}`);
  const anything = form("as it is typed on the command line", [field("target", "text", { size: 24, required: true })], ({ text }) => text.value.trim());
  const picker = el("details", { class: "picker" }, el("summary", {}, ELSE),
    el("label", {}, against, " against what is explained now (A minus B)"),
    ofClass, facts.layers.length ? ofUnit : null, map ? ofRegion : null, likeness, anything, said,
    el("button", { type: "button", onclick: () => change({ target: null }) }, "Back to what the model says"));
  if (map && isSized) drawRegion(canvas, windowOf, picker, ofRegion.elements, rows, columns);
  return picker;
}

// What is explained, as a question where it is of classes, with the questions that come next.
export function targetLine(root, facts, target, map) {
  const parts = target ? partsOf(facts, target) : [], classes = parts.map((text) => classOf(facts, text));
  const isOfClasses = target ? classes.every(Boolean) : facts.model.explains === "Class" && facts.model.outputs.some(({ is_main: isMain, is_classes: isClasses }) => isMain && isClasses);
  const ask = (text, of) => el("button", { type: "button", onclick: () => change({ target: of }) }, text);
  const said = map.predicted !== map.target ? [" The model says ", el("b", {}, map.predicted), ". "] : [];
  if (!isOfClasses) {
    fill(root, "Explained: ", el("b", {}, map.explained), ".", said);
  } else if (parts.length === 2) {
    fill(root, "Why ", el("b", {}, classes[0].name), " rather than ", el("b", {}, classes[1].name), "?", classes[0].name === map.predicted ? null : said, " ", ask("The other way round", `${parts[1]} minus ${parts[0]}`));
  } else {
    const predicted = classOf(facts, map.predicted);
    fill(root, "Why ", el("b", {}, map.explained), "?", said,
      said.length && predicted ? ask(`Why not ${predicted.name}?`, `${parts[0]} minus ${typed(facts, predicted.output, predicted.index)}`) : null);
  }
}
