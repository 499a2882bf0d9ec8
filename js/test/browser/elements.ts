/** Every element at once, around one client. */
import "hereabouts/debug";
import "hereabouts/elements";
import { makeClient, room, user } from "./settings.ts";

const client = makeClient();
Object.assign(globalThis, { here: { client, room: client.room(room) } });

function element(name: string, attributes: Record<string, string> = {}): HTMLElement {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

const about = new URLSearchParams(location.search).get("about") ?? user;
const provider = element("presence-provider", { room });
Object.assign(provider, { client });
const title = document.createElement("h1");
title.textContent = "Elements";
const label = document.createElement("label");
label.append("Message ", element("input", { id: "message" }));
const shown = [
  element("presence-avatars", { max: "3" }),
  element("presence-count"),
  element("presence-dot", { user: about, "show-label": "" }),
  element("presence-last-seen", { user: about }),
  element("presence-occupancy", { resource: `desk:${room}` }),
];
document.querySelector("main")?.append(provider);
provider.append(title, ...shown.flatMap((one) => [one, document.createElement("br")]), label);
provider.append(element("presence-typing", { for: "message" }), element("presence-debug"));
