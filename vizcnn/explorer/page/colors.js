// Color maps: 256 colors of three bytes each. `facts` is what the page knows from the start.
const read = new Map();

export function table(facts, name) {
  if (!read.has(name)) read.set(name, Uint8Array.from(atob(facts.colors.tables[name]), (letter) => letter.charCodeAt(0)));
  return read.get(name);
}

// The usual one for values that have a sign, or none.
export const usual = (facts, signed) => table(facts, signed ? facts.colors.diverging : facts.colors.sequential);
