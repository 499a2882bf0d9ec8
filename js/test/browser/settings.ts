/** Who a page is and where its server is: `?server=http://127.0.0.1:8765&user=ada&room=doc:1`. */
import { createPresence, type Presence } from "hereabouts";

const query = new URLSearchParams(location.search);
const role = query.get("role");
/** Where it is set, tokens are signed ones that live so many seconds. */
const lives = query.get("token_seconds") || null;

export const room = query.get("room") ?? "lobby";
export let user = query.get("user") ?? "ada";

export function become(another: string): void {
  user = another;
}

async function getToken(): Promise<string> {
  if (lives === null) return role ? `dev:${user}:${role}` : `dev:${user}`;
  return (await fetch(`/token?user=${user}&seconds=${lives}`)).text();
}

export function makeClient(): Presence {
  return createPresence({ url: query.get("server") ?? location.origin, getToken });
}
