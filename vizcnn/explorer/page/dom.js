// Makes elements. Text from outside only ever becomes text.

// `properties`: attributes by their names; `on...` a listener; `class`, `data-...` and `aria-...` as in HTML; false and null leave one out.
export const el = (tag, properties, ...children) => furnished(document.createElement(tag), properties, children);

export const svg = (tag, properties, ...children) => furnished(document.createElementNS("http://www.w3.org/2000/svg", tag), properties, children);

function furnished(element, properties = {}, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

// Fills a view that may have been drawn before: the focus stays at what has the same id.
export function refill(root, ...children) {
  const focused = document.activeElement?.id;
  fill(root, ...children);
  if (focused) document.getElementById(focused)?.focus();
}

export function fill(element, ...children) {
  element.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
}
