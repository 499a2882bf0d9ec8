import { createPresence, type Presence, type PresenceOptions } from "../presence.ts";
import { MemoryServer, type ServerOptions } from "./server.ts";

export { VirtualClock } from "./clock.ts";
export { type Frame, MemoryServer, type ServerOptions } from "./server.ts";

/** A server in memory. */
export function createServer(options: ServerOptions = {}): MemoryServer {
  return new MemoryServer(options);
}

/** A client of a server in memory, as this user. */
export function createClient(server: MemoryServer, user: string, more: Partial<PresenceOptions> = {}): Presence {
  const getToken = () => `dev:${user}`;
  return createPresence({
    url: "http://presence.test",
    getToken,
    world: server.world(),
    transport: "websocket",
    ...more,
  });
}
