/** What the client needs of the world around it. Tests and other platforms give another one. */
export interface World {
  /** Milliseconds on a clock that does not jump. */
  now(): number;
  /** Wall clock in milliseconds since 1970. */
  wall(): number;
  /** Call once, after so long. Gives the function that cancels it. */
  after(seconds: number, call: () => void): () => void;
  /** From 0 up to 1. */
  random(): number;
  /** A WebSocket to a URL with a subprotocol. */
  socket(url: string, protocol: string): WebSocket;
  fetch(url: string, init?: RequestInit): Promise<Response>;
}

/** The platform's own. Nothing of it is touched before it is used: a module may be loaded where there is none. */
export const platform: World = {
  now: () => performance.now(),
  wall: () => Date.now(),
  after: (seconds, call) => {
    const timer = setTimeout(call, seconds * 1000);
    return () => clearTimeout(timer);
  },
  random: () => Math.random(),
  socket: (url, protocol) => new WebSocket(url, protocol),
  fetch: (url, init) => fetch(url, init),
};
