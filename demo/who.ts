/** Who looks at this page: `?user=ada&room=lobby&role=admin`. In `hereabouts dev` a token is a name. */
import { createPresence, type Presence } from "hereabouts";
import { world } from "./mishaps.ts";

const query = new URLSearchParams(location.search);

export const user = query.get("user") || "ada";
export const room = query.get("room") || "lobby";
const role = query.get("role");

export const client = clientOf(role ? `${user}:${role}` : user);

/** A client of its own for somebody: `mia`, or `eve:admin`. */
export function clientOf(name: string): Presence {
  return createPresence({ url: location.origin, getToken: () => `dev:${name}`, world });
}

/** The address of this page for somebody else. */
export function pageOf(name: string): string {
  return `?${new URLSearchParams({ user: name, room })}`;
}
