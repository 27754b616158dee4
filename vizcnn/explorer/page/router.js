// Every view has a permanent link behind the #: a path, and parameters behind a question mark.

export function read(hash = location.hash) {
  const [path, query = ""] = hash.replace(/^#/, "").split("?", 2);
  return { path: path.split("/").filter(Boolean).map(decodeURIComponent), parameters: Object.fromEntries(new URLSearchParams(query)) };
}

export function link(path, parameters = {}) {
  const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined && value !== ""));
  return `#/${path.map(encodeURIComponent).join("/")}${query.size ? `?${query}` : ""}`;
}

// Goes to a view; with `instead` the present one isn't kept for going back.
export function go(path, parameters = {}, { instead = false } = {}) {
  const to = link(path, parameters);
  if (to === location.hash) return;
  if (instead) {
    history.replaceState(null, "", to);
    dispatchEvent(new HashChangeEvent("hashchange"));
  } else {
    location.hash = to;
  }
}

// Changes parameters of the present view's link.
export function change(parameters, options) {
  const { path, parameters: present } = read();
  go(path, { ...present, ...parameters }, options);
}
