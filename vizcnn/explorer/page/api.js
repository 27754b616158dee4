// Asks the server. Addresses are relative to the page's own, which holds the token.

export class Refused extends Error {}

async function asked(path, parameters, { signal, ...options } = {}) {
  const query = new URLSearchParams(Object.entries(parameters ?? {}).filter(([, value]) => value !== null && value !== undefined && value !== ""));
  let response;
  try {
    response = await fetch(`api/${path}${query.size ? `?${query}` : ""}`, { signal, ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused("The explorer doesn't answer: has vizcnn serve ended? Started again, it prints a new link.");
  }
  if (!response.ok) {
    const said = await response.json().catch(() => ({}));
    throw new Refused(said.error ?? `The explorer answered with ${response.status}.`);
  }
  return response;
}

// Facts, as JSON.
export const ask = async (path, parameters, options) => (await asked(path, parameters, options)).json();

// Arrays, and the facts about them: { about, arrays: { name: { values, shape } } }; float16 becomes Float32Array.
export async function askArrays(path, parameters, options) {
  return unpack(await (await asked(path, parameters, options)).arrayBuffer());
}

export const post = async (path, parameters, body, options) => (await asked(path, parameters, { method: "POST", body, ...options })).json();

export const postForArrays = async (path, parameters, body, options) =>
  unpack(await (await asked(path, parameters, { method: "POST", body, ...options })).arrayBuffer());

// The address of something that an <img> or a link loads.
export const address = (path, parameters) => `api/${path}?${new URLSearchParams(parameters)}`;

const KINDS = { float32: Float32Array, uint8: Uint8Array, int32: Int32Array, float16: Uint16Array };

export function unpack(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const { arrays, ...about } = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const found = {};
  for (const { name, dtype, shape, start } of arrays) {
    const raw = new KINDS[dtype](buffer, 4 + length + start, shape.reduce((product, size) => product * size, 1));
    found[name] = { values: dtype === "float16" ? Float32Array.from(raw, halfToFloat) : raw, shape };
  }
  return { about, arrays: found };
}

function halfToFloat(bits) {
  const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

// Tells of the model and of what it works on: { stage, error, working }. Only while the page is seen: a browser keeps six connections to an
// address, and with six tabs open the seventh would wait for ever.
export function listen(tell) {
  let source = null;
  const begin = () => {
    source = new EventSource("api/events");
    source.onmessage = (event) => tell(JSON.parse(event.data));
    source.onerror = () => tell({ stage: "gone", error: null, working: null });
  };
  const changed = () => {
    source?.close();
    if (!document.hidden) begin();
  };
  document.addEventListener("visibilitychange", changed);
  changed();
}
