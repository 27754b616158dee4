// Why: the map of one method for what is explained, what it may not be read as, and how far it can be trusted.
import { address, ask, Refused } from "./api.js";
import { el, fill } from "./dom.js";
import { exports } from "./export.js";
import { Gallery } from "./gallery.js";
import { controls, follow } from "./looks.js";
import { askMap, KEYS, MapView, Together } from "./map_view.js";
import { pictureOf } from "./pictures.js";
import { change } from "./router.js";
import { targetLine } from "./targets.js";
import { trustOf } from "./trust.js";

export const name = "why", title = "Why";

export function open(root, { facts, classes, speed, signal }) {
  const together = new Together(), view = new MapView(facts, { together });
  const gallery = new Gallery(facts, (method) => change({ method, layer: null }));
  const line = el("p", { class: "explained-line" }), notes = el("ul", { class: "notes" }), wait = el("p", { class: "hint", role: "status" }), trust = el("div", {}), kept = el("div", {});
  const drawn = el("div", { class: "drawn" });
  fill(root, controls(facts, together.buttons()), el("div", { class: "why" },
    el("div", { class: "main-map" }, line, view.figure, drawn, wait, notes, el("p", { class: "unseen", id: "keys" }, KEYS)), gallery.element), kept, trust);
  follow(() => view.redraw(), signal);
  let shown = null;

  async function update({ parameters, signal: until }) {
    const { image, layer, target } = parameters, method = parameters.method || facts.default_method;
    const asked = { image, method, layer, target };
    gallery.show(method, { layer, speed: speed.known });
    const key = JSON.stringify(asked);
    if (shown?.key !== key) {
      fill(trust);
      fill(kept);
      wait.textContent = "The map is being made …";
      view.figure.setAttribute("aria-busy", "true");
      try {
        const [map, picture] = await Promise.all([askMap(asked, { signal: until }), pictureOf(image, facts)]);
        if (until.aborted) return;
        shown = { key, layer: map.layer, map };
        view.figure.hidden = Boolean(map.signal);
        drawn.hidden = !map.signal;
        if (map.signal) {
          const drawing = el("img", { src: address("drawn", clean(asked)), alt: `${method} of ${picture.name} for ${map.target}` });
          await drawing.decode().catch(() => {});
          fill(drawn, drawing);
        } else {
          view.show(map, picture);
        }
        targetLine(line, { ...map, explained: map.explained ?? map.target });
        fill(notes, map.notes.map(({ text }) => el("li", {}, text)));
        gallery.show(method, { layer, speed: speed.known, used: map.layer });
        fill(kept, exports(asked));
        wait.textContent = "";
        speed.ask(image).then((known) => { if (!until.aborted) gallery.show(method, { layer, speed: known, used: map.layer }); }, () => {});
      } catch (error) {
        if (until.aborted) return;
        shown = null;
        wait.textContent = "";
        view.figure.hidden = drawn.hidden = true;
        fill(line);
        fill(notes, el("li", { class: "wrong", role: "alert" }, error.message));
        if (!(error instanceof Refused)) throw error;
        return;
      } finally {
        view.figure.removeAttribute("aria-busy");
      }
    }
    await showTrust(asked, parameters.trust, until);
  }

  async function showTrust(asked, wanted, until) {
    const { map } = shown;
    if (!map.measurable) { fill(trust); return; }
    const head = el("h3", {}, "How far can this map be trusted?");
    if (!wanted) {
      fill(trust, head, el("p", {}, el("button", { type: "button", onclick: () => change({ trust: 1 }, { instead: true }) }, "Measure it"), ` It costs ${map.cost_of_trust}`));
      return;
    }
    if (trust.dataset.of === shown.key && trust.querySelector(".judged")) return;
    fill(trust, head, el("p", { role: "status" }, "It is being measured …"));
    try {
      const { trust: told } = await ask("trust", asked, { signal: until });
      trust.dataset.of = shown.key;
      fill(trust, head, told.length ? trustOf(told) : el("p", {}, "There is nothing to measure of this map."));
    } catch (error) {
      if (!until.aborted) fill(trust, head, el("p", { class: "wrong", role: "alert" }, error.message));
    }
  }

  return { update };
}

const clean = (parameters) => Object.fromEntries(Object.entries(parameters).filter(([, value]) => value));
