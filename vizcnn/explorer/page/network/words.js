// Numbers and shapes in words.
export const by = (shape) => shape.map((length) => length ?? "?").join(" × ");
export const whole = (number) => number.toLocaleString("en");
export const times = (count, one, many = `${one}s`) => `${whole(count)} ${count === 1 ? one : many}`;

// Three digits, as the report writes them.
export const digits = (value) => (Number.isFinite(value) ? String(Number(value.toPrecision(3))) : "no number");

const ARTICLES = { activation: "an activation", attention: "attention", other: "a layer", addition: "an addition", identity: "nothing but its input", upsampling: "upsampling", pooling: "pooling", softmax: "a softmax", preprocessing: "preprocessing", padding: "padding", dropout: "dropout", dense: "a dense layer", container: "a model of its own" };

export function roleOf({ role, kind, activation }) {
  const what = ARTICLES[role] ?? `a ${role}`;
  return `${kind}: ${what}${activation && role !== "activation" ? `, with ${activation} behind it` : ""}`;
}

// What one of the last axis is called.
export const unitName = (shape) => (shape && shape.length > 1 ? "channel" : "unit");

export function percent(share) {
  if (share === 0) return "0 %";
  return share < 0.001 ? "under 0.1 %" : `${digits(100 * share)} %`;
}
