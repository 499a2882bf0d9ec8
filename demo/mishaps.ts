/** A world that can go wrong: a network that can be cut, a tab that stands still, a process that dies. */
import type { World } from "hereabouts";

const sockets = new Set<WebSocket>();
let isCut = false;

/** The platform's world, as long as nothing is cut. */
export const world: World = {
  now: () => performance.now(),
  wall: () => Date.now(),
  after: (seconds, call) => {
    const timer = setTimeout(call, seconds * 1000);
    return () => clearTimeout(timer);
  },
  random: () => Math.random(),
  socket: (url, protocol) => {
    if (isCut) throw new Error("there is no network");
    return cuttable(new WebSocket(url, protocol));
  },
  fetch: (url, init) => (isCut ? Promise.reject(new TypeError("there is no network")) : fetch(url, init)),
};

/** Neither hears nor says anything while the network is cut, and does not notice. */
function cuttable(socket: WebSocket): WebSocket {
  const send = socket.send.bind(socket);
  socket.send = (data) => {
    if (!isCut) send(data);
  };
  // Added first, so it is asked before the client.
  socket.addEventListener("message", (event) => {
    if (isCut) event.stopImmediatePropagation();
  });
  socket.addEventListener("close", () => sockets.delete(socket));
  sockets.add(socket);
  return socket;
}

/** Cut the network without a word to anybody, or mend it. */
export function cut(on: boolean): void {
  isCut = on;
  if (!on) dispatchEvent(new Event("online"));
}

/** Nothing happens in this tab for so long. */
export function freeze(seconds: number): void {
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end);
}

/** What is left of a process that was killed: closed sockets, no leave, nothing that comes back. */
export function crash(): void {
  isCut = true;
  navigator.sendBeacon = () => true;
  for (const socket of sockets) socket.close();
}
