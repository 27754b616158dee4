// A run: its rows with filters and sorting, the confusion matrix, its images on a plane by the likeness of their maps, and clusters of these.
import { ask } from "./api.js";
import { el, refill } from "./dom.js";
import { link } from "./router.js";
import * as clusters from "./records/clusters.js";
import * as confusion from "./records/confusion.js";
import * as plane from "./records/plane.js";
import * as rows from "./records/rows.js";

export const title = "Run", path = ["run"];
export const matches = (path) => path[0] === "run";
export const applies = (facts) => facts.kept === "run", isAsked = true;

const PARTS = [rows, confusion, plane, clusters];
let about = null;

export async function show(root, { path, parameters, facts, signal }) {
  if (!about || about.count < about.all) about = await ask("run", {}, { signal });
  if (signal.aborted) return;
  const part = PARTS.find(({ name }) => name === path[1]) ?? rows, body = el("div", {});
  const method = about.methods[parameters.method] ? parameters.method : Object.keys(about.methods)[0];
  const given = { ...parameters, method };
  await part.show(body, { parameters: given, about, facts, signal });
  if (signal.aborted) return;
  refill(root, el("h2", {}, `Run “${about.name}”: ${about.count.toLocaleString("en")} of ${about.all.toLocaleString("en")} images`),
    about.count < about.all && el("p", {}, "The run isn't finished: this is as far as it has come. If nothing comes, start ", el("code", {}, "vizcnn run"), " again to go on with it; what comes is shown when a view is opened."),
    el("div", { class: "parts", role: "group", "aria-label": "Parts of this view" },
      PARTS.map((one) => el("a", { href: link(["run", ...(one === rows ? [] : [one.name])], { method: parameters.method }), "aria-current": one === part && "page" }, one.title))),
    body);
}
