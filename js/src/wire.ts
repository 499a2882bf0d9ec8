/** A way to the server. There are two: a WebSocket, and HTTP where WebSockets are blocked. */
import type { ClientMessage, ServerMessage } from "./messages.ts";
import type { World } from "./world.ts";

export interface Wire {
  /** `undefined` where it leads nowhere. */
  readonly transport: "websocket" | "http" | undefined;
  send(message: ClientMessage): void;
  /** Let go. Nothing is heard after it. */
  close(): void;
}

export interface Heard {
  /** There is a way; it does not mean that the server says welcome. */
  opened(): void;
  message(message: ServerMessage): void;
  /** The way is gone, at most once. `code` is the WebSocket's, absent where it never came about. */
  closed(code?: number, reason?: string): void;
}

const PROTOCOL = "hereabouts.v1";

/** Where the server is: `url` may be absolute, with http or ws, or a path of the page's own origin. */
export function baseOf(url: string): string {
  const page = (globalThis as { location?: { href?: string } }).location?.href;
  return new URL(url, page).href.replace(/^ws/, "http").replace(/\/$/, "");
}

/** Speak over a WebSocket: the hello first. */
export function openSocket(world: World, base: string, hello: ClientMessage, heard: Heard): Wire {
  const socket = world.socket(`${base.replace(/^http/, "ws")}/v1/ws`, PROTOCOL);
  let isOver = false;
  const end = (code?: number, reason?: string) => {
    if (isOver) return;
    isOver = true;
    heard.closed(code, reason);
  };
  const send = (message: ClientMessage) => {
    if (socket.readyState === 1) socket.send(JSON.stringify(message));
  };
  socket.onopen = () => {
    if (isOver) return;
    heard.opened();
    send(hello);
  };
  socket.onmessage = ({ data }) => {
    if (!isOver) heard.message(JSON.parse(data) as ServerMessage);
  };
  socket.onclose = ({ code, reason }) => end(code, reason);
  socket.onerror = () => {
    // A close follows in every browser.
  };
  return {
    transport: "websocket",
    send,
    close: () => {
      isOver = true;
      socket.close();
    },
  };
}
