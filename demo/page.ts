/** Elements of the document. What people wrote gets in as text only. */

/** The element with this id. */
export function at<E extends HTMLElement = HTMLElement>(id: string): E {
  return document.getElementById(id) as E;
}

type Content = string | Node;

/** A new element with attributes and content. */
export function make(tag: string, attributes: Record<string, string> = {}, ...content: Content[]): HTMLElement {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...content);
  return made;
}

/** A button that does this. */
export function button(text: string, act: () => unknown): HTMLButtonElement {
  const made = make("button", { type: "button" }, text) as HTMLButtonElement;
  made.addEventListener("click", act);
  return made;
}
