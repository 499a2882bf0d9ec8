/** A parent's page: two children, whose devices can be switched on here or opened in tabs of their own. */
import type { Presence } from "hereabouts";
import { at, button, make } from "./page.ts";
import { clientOf, pageOf } from "./who.ts";

const CHILDREN = ["mia", "leo"];

function line(child: string): HTMLElement {
  let device: Presence | undefined;
  const toggle = button("", () => {
    device?.close();
    device = device ? undefined : switchedOn(child);
    toggle.setAttribute("aria-pressed", String(device !== undefined));
    word(device ? "Switch off" : "Switch on");
  });
  const word = (text: string) => {
    toggle.textContent = text;
    toggle.setAttribute("aria-label", `${text} ${child}’s tablet`);
  };
  word("Switch on");
  const dot = make("presence-dot", { user: child, "show-label": "" });
  const seen = make("presence-last-seen", { user: child, "label-online": "", "label-never": "not seen yet" });
  const own = make("a", { href: pageOf(child), target: "_blank", rel: "noopener" }, `open as ${child}`);
  return make("li", { "data-child": child }, make("b", {}, child), dot, seen, toggle, own);
}

function switchedOn(child: string): Presence {
  const device = clientOf(child);
  device.connect();
  return device;
}

/** Both of them. */
export function showFamily(): void {
  at("children").append(...CHILDREN.map(line));
}
