// What a map costs, told before it is begun: one that takes long waits until somebody says that it is wanted.
import { ask } from "./api.js";
import { el } from "./dom.js";

const LONG = 60, FEW = 20;  // seconds of a long one; runs that don't wait to hear how fast the model is, where that isn't known yet
const wanted = new Set(), typed = new Map();

export const bare = (method) => method.split(":", 1)[0];

const keyOf = ({ image, method, layer, target }) => JSON.stringify([image, method, layer || "", target || ""]);

export function duration(seconds) {
  if (seconds < 1) return "under a second";
  if (seconds < 90) return `about ${Math.round(seconds)} s`;
  return seconds < 5400 ? `about ${Math.round(seconds / 60)} min` : `about ${Math.round(seconds / 3600)} h`;
}

const secondsOf = ({ runs, gradients }, speed) => runs * speed.run + gradients * speed.gradient;

// What a method costs on this machine, in words; "" where that isn't known.
export function costOf(method, facts, speed) {
  const cost = method === bare(method) ? facts.methods.find(({ name }) => name === method)?.cost : typed.get(method);
  if (!cost) return "";
  return speed ? `${cost.text}, ${duration(secondsOf(cost, speed))}` : cost.text;
}

// What is shown in place of a map that would take long, with a button that calls `begin`; null where it can be begun at once.
export async function askFirst(question, { facts, speed, signal }, begin) {
  const { image, method, layer } = question;
  if (wanted.has(keyOf(question))) return null;
  const usual = facts.methods.find(({ name }) => name === method)?.cost;
  const cost = usual ?? (await ask("cost", { image, method, layer }, { signal })).cost;
  if (cost && !usual) typed.set(method, cost);
  if (!cost || (!speed.known && cost.runs + 3 * cost.gradients <= FEW)) return null;
  const seconds = secondsOf(cost, speed.known ?? await speed.ask(image));
  if (seconds < LONG) return null;
  return [`${bare(method)} takes ${cost.text} of the model here, ${duration(seconds)}. `,
    makeIt(question, begin)];
}

// The button goes once it is pressed: the focus stays at what holds it.
export function makeIt(question, begin) {
  return el("button", { type: "button", onclick: ({ currentTarget }) => { currentTarget.closest("[tabindex]").focus(); wanted.add(keyOf(question)); begin(); } }, "Make it");
}

// What is stopped doesn't begin again by itself.
export const stopped = (question) => wanted.delete(keyOf(question));
