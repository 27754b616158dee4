// Clusters of the maps of each class: images that are decided by something else than the others. They are looked for when it is asked for.
import { askArrays } from "../api.js";
import { usual } from "../colors.js";
import { el, fill } from "../dom.js";
import { drawMap } from "../drawing.js";
import { thumbnail } from "../pictures.js";
import { link } from "../router.js";

export const name = "clusters", title = "Clusters";

export async function show(root, { parameters: { method }, facts, signal }) {
  const what = el("p", {}, `Are some images decided by something else than the others of their class, as by a watermark? Their maps by ${method} make a cluster of their own.`);
  const said = el("p", { role: "status" }, "Of each cluster the place that sets it apart is covered, and the model asked again: that may take some minutes.");
  const list = el("div", {});
  const begin = el("button", { type: "button", onclick: async () => {
    begin.disabled = true;
    said.textContent = "Looking for clusters …";
    try {
      tell(await askArrays("run/clusters", { method }, { signal }));
    } catch (error) {
      if (error.name === "AbortError") return;
      said.textContent = error.message;
      begin.disabled = false;
    }
  } }, "Look for clusters");
  const tell = ({ about, arrays: { means } }) => {
    const words = about.suspects === 1 ? "One of them is suspect" : `${about.suspects || "None"} of them are suspect`;
    said.textContent = `${about.count.toLocaleString("en")} clusters of ${about.num_images.toLocaleString("en")} maps. ${words}. ${about.notes.join(" ")}`;
    fill(list, about.clusters.map((cluster, at) => article(cluster, at, about, means, facts)));
    begin.remove();
  };
  fill(root, what, said, begin, list);
}

function article({ label, is_suspect, verdict, region, images, paths }, at, { method }, { values, shape: [, height, width] }, facts) {
  const canvas = el("canvas", { role: "img", class: "small", "aria-label": `Mean map of the cluster, by ${method}; what sets it apart is outlined` });
  const map = values.subarray(at * height * width, (at + 1) * height * width), vmax = map.reduce((most, value) => Math.max(most, value), 0);
  drawMap(canvas, { width, height }, { values: map, vmin: 0, vmax, alone: { width, height } }, null, { mode: "map", opacity: 1, table: usual(facts, false) });
  const frame = el("span", { class: "region" });
  const [left, top, right, bottom] = region.map((share) => 100 * share);
  Object.assign(frame.style, { left: `${left}%`, top: `${top}%`, width: `${right - left}%`, height: `${bottom - top}%` });
  return el("section", { class: "cluster", "aria-labelledby": `cluster-${at}` },
    el("h3", { id: `cluster-${at}` }, `${at + 1}. ${label}${is_suspect ? ": suspect" : ""}`),
    el("p", {}, verdict),
    el("div", { class: "found" },
      el("figure", { class: "mean" }, el("div", { class: "stage" }, canvas, frame), el("figcaption", {}, "mean map")),
      el("ul", { class: "thumbs" }, images.map((image, place) => el("li", {}, el("a", { href: link(["image"], { image, method }) },
        thumbnail(image, `look at ${paths[place]}`, 64)))))));
}
