// Keys that are meant for the page.

const FIELDS = "input:not([type=checkbox], [type=radio], [type=range]), textarea, select";

// The key of a press, in small letters; "" where it is typed into a field, is another program's, or a dialog is open.
export function keyOf(event) {
  const isElsewhere = event.ctrlKey || event.metaKey || event.altKey || event.target.matches?.(FIELDS) || document.querySelector("dialog[open]");
  return isElsewhere ? "" : event.key.toLowerCase();
}
