// Starts the page: the first paint needs no model; each view is drawn once it is loaded.
import { ask, listen, Refused } from "./api.js";
import { el, fill } from "./dom.js";
import * as help from "./help.js";
import { link, read } from "./router.js";
import * as decision from "./decision.js";
import * as epochs from "./epochs.js";
import * as network from "./network.js";
import * as records from "./records.js";

// A view: `title`, `path` of its entry in the bar, `matches(path)`, and `show(root, { path, parameters, facts, signal })`, which draws it
// (a view that is drawn already may change in place). What it begins ends with its `signal`. `applies(facts)` says whether there is one;
// that of a folder that was asked for, `isAsked`, is shown first.
const VIEWS = [decision, network, records, epochs];

const content = document.getElementById("content"), status = document.getElementById("status"), progress = document.getElementById("progress");
let facts = null, begun = null, leaving = new AbortController();

function tellState({ stage, error, working, changes }) {
  const text = { loading: "The model is being loaded …", failed: error, gone: "The explorer doesn't answer: has vizcnn serve ended? Started again, it prints a new link." }[stage];
  const changed = stage === "ready" && facts !== null && changes !== facts.changes && [
    "The model has other weights now. ", el("button", { type: "button", onclick: () => location.reload() }, "Show it as it is")];
  const step = working?.total ? `${working.what}: ${working.done} of ${working.total}` : "";
  fill(status, text || step || changed || "");
  status.classList.toggle("wrong", stage === "failed" || stage === "gone");
  status.classList.toggle("alone", Boolean(text || (changed && !step)));
  dispatchEvent(new CustomEvent("working", { detail: working }));  // a view may show it where the answer will stand
  progress.hidden = !(stage === "loading" || working);
  if (working?.total) [progress.max, progress.value] = [working.total, working.done];
  else progress.removeAttribute("value");
  if (stage === "ready") begun ??= start().catch((error) => { begun = null; tellError(error); });  // the next event tries again
}

async function start() {
  facts = await ask("facts");
  const name = facts.model?.name ?? facts.name;
  document.title = `${name}, vizcnn explorer`;
  document.querySelector("h1").textContent = name;
  if (facts.model) decision.prepare(facts, (error) => content.prepend(el("p", { class: "wrong", role: "alert" }, error.message)));
  await show();
}

async function show() {
  if (facts === null) return;
  leaving.abort();
  leaving = new AbortController();
  const { path, parameters } = read(), { signal } = leaving;
  const views = VIEWS.filter((one) => one.applies(facts)), view = views.find((one) => one.matches(path)) ?? views.find((one) => one.isAsked) ?? views[0];
  fill(document.querySelector("nav"), views.map((one) => el("a", { href: link(one.path, { image: parameters.image }), "aria-current": one === view && "page" }, one.title)));
  content.setAttribute("aria-busy", "true");
  try {
    await view.show(content, { path, parameters, facts, signal });
  } catch (error) {
    if (error.name !== "AbortError") tellError(error);
  }
  if (!signal.aborted) content.removeAttribute("aria-busy");
}

// Says what went wrong, where it is seen and heard.
export function tellError(error) {
  if (!(error instanceof Refused)) console.error(error);
  fill(content, el("p", { class: "wrong", role: "alert" }, error.message));
}

addEventListener("hashchange", show);
help.listen(document.getElementById("help"));
listen(tellState);
