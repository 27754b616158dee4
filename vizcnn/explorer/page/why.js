// Why: the map of one method for what is explained, what it may not be read as, and how far it can be trusted.
import { ask, Refused } from "./api.js";
import { askFirst, makeIt, stopped } from "./cost.js";
import { el, fill } from "./dom.js";
import { exports } from "./export.js";
import { Gallery } from "./gallery.js";
import { controls, follow } from "./looks.js";
import { askMap, drawnMap, KEYS, MapView, Together } from "./map_view.js";
import { pictureOf } from "./pictures.js";
import { change } from "./router.js";
import { targetLine } from "./targets.js";
import { trustOf } from "./trust.js";

export const name = "why", title = "Why";

const OF_INPUTS = ["range", "unlike training"];  // kinds of notes

export function open(root, { facts, classes, speed, signal }) {
  const together = new Together(), view = new MapView(facts, { together });
  const gallery = new Gallery(facts, (method) => change({ method, layer: null }));
  const looks = controls(facts, together.buttons());
  const line = el("p", { class: "explained-line", role: "status", tabindex: -1 }), notes = el("ul", { class: "notes" }), doubt = el("div", {}), trust = el("div", {}), kept = el("div", {});
  const drawn = el("div", { class: "drawn" });
  fill(root, el("div", { class: "why" },
    el("div", { class: "main-map" }, line, doubt, view.figure, drawn, notes, looks, el("p", { class: "unseen", id: "keys" }, KEYS)), gallery.element), kept, trust);
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
      shown = null;
      const again = () => update({ parameters, signal: until }), making = new AbortController();
      let offer = null;
      const stop = () => { line.focus(); stopped(asked); making.abort(); };
      until.addEventListener("abort", () => making.abort());
      view.figure.setAttribute("aria-busy", "true");
      try {
        line.textContent = "The map is being made …";
        const first = await askFirst(asked, { facts, speed, signal: until }, again);
        if (until.aborted) return;
        if (first) { waiting(...first); return; }
        offer = setTimeout(() => line.append(" ", el("button", { type: "button", onclick: stop }, "Stop")), 1000);
        const [map, picture] = await Promise.all([askMap(asked, { signal: making.signal }), pictureOf(image, facts)]);
        const curve = map.signal ? await drawnMap(asked, map, picture) : null;
        if (until.aborted) return;
        shown = { key, layer: map.layer, map };
        view.figure.hidden = looks.hidden = Boolean(curve);
        drawn.hidden = !curve;
        if (curve) fill(drawn, curve);
        else view.show(map, picture);
        targetLine(line, facts, target, { ...map, explained: map.explained ?? map.target });
        const isOfInputs = ({ kind }) => OF_INPUTS.includes(kind);
        fill(doubt, doubtOf(map.notes.filter(isOfInputs)));
        fill(notes, map.notes.filter((note) => !isOfInputs(note)).map(({ text }) => el("li", {}, text)));
        gallery.show(method, { layer, speed: speed.known, used: map.layer });
        fill(kept, exports(asked));
        speed.ask(image).then((known) => { if (!until.aborted) gallery.show(method, { layer, speed: known, used: map.layer }); }, () => {});
      } catch (error) {
        if (until.aborted) return;
        if (making.signal.aborted) { waiting("Stopped. ", makeIt(asked, again)); return; }
        view.figure.hidden = drawn.hidden = looks.hidden = true;
        fill(line, el("span", { class: "wrong", role: "alert" }, error.message), target ? [" ", el("button", { type: "button", onclick: () => change({ target: null }) }, "Explain what the model says")] : null);
        fill(doubt);
        fill(notes);
        if (!(error instanceof Refused)) throw error;
        return;
      } finally {
        clearTimeout(offer);
        if (!until.aborted) view.figure.removeAttribute("aria-busy");
      }
    }
    await showTrust(asked, parameters.trust, until);
  }

  // Says why there is no map (yet).
  function waiting(...said) {
    view.figure.hidden = drawn.hidden = looks.hidden = true;
    fill(line, said);
    fill(doubt);
    fill(notes);
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

// What makes everything doubtful that is shown: it stands above the map.
function doubtOf(notes) {
  if (!notes.length) return null;
  return el("details", { class: "doubt" }, el("summary", {}, "The model seems to get its images in the wrong form: its answers may mean nothing."),
    notes.map(({ text }) => el("p", {}, text)),
    el("p", {}, "Start ", el("code", {}, "vizcnn serve"), " again with ", el("code", {}, "--preprocess"), "; ", el("code", {}, "vizcnn doctor MODEL IMAGES"), " tries what fits."));
}
