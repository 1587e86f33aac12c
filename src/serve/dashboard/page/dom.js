// Finds and makes elements. Text is always text: nothing here reads HTML.

export const byId = (id) => document.getElementById(id);

export function element(tag, className = "", ...content) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...content.map((part) => part ?? ""));
  return made;
}
