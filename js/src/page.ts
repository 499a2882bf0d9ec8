/**
 * What a browser's page tells: whether it is seen, whether there is human input, and that it goes away or comes back.
 *
 * `pagehide` fires on closing, on reload and on the way into the back-forward cache alike. So the leave token that it hands
 * in waits for the grace, and whoever comes back within it was never away.
 */
import type { Connection } from "./connection.ts";
import type { World } from "./world.ts";

const INPUTS = ["pointerdown", "pointermove", "keydown", "wheel", "touchstart"];
const INPUT_EVERY_MS = 1000;

/** Whether there is a page: a service worker, a server and a phone have none. */
export function hasPage(): boolean {
  return typeof document !== "undefined" && typeof addEventListener === "function";
}

/** The numbers of the clients of this page: each keeps its own secret, and finds it after a reload that makes them again. */
const numbers = new Set<number>();

export class Page {
  readonly #number: number;
  readonly #key: string;
  readonly #stops: (() => void)[] = [];
  #channel: BroadcastChannel | undefined;
  #inputAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly connection: Connection,
    private readonly world: World,
    private readonly base: string,
  ) {
    let number = 0;
    while (numbers.has(number)) number += 1;
    numbers.add(number);
    this.#number = number;
    this.#key = `hereabouts:${base}${number ? `#${number}` : ""}`;
    connection.isVisible = document.visibilityState !== "hidden";
    connection.resume = this.#takeSecret();
    this.#openChannel();
    this.#listen(document, ["visibilitychange"], () => connection.setVisible(document.visibilityState !== "hidden"));
    this.#listen(globalThis, INPUTS, () => this.#noteInput());
    this.#listen(globalThis, ["online"], () => connection.hurry());
    this.#listen(globalThis, ["pagehide"], () => this.#leave());
    this.#listen(globalThis, ["pageshow"], (event) => {
      if ((event as PageTransitionEvent).persisted) this.#comeBack();
    });
  }

  stop(): void {
    for (const stop of this.#stops) stop();
    this.#channel?.close();
    this.#takeSecret();
    numbers.delete(this.#number);
  }

  #listen(target: EventTarget, names: string[], listener: (event: Event) => void): void {
    const options = { passive: true, capture: true };
    for (const name of names) {
      target.addEventListener(name, listener, options);
      this.#stops.push(() => target.removeEventListener(name, listener, options));
    }
  }

  /** Whoever works in one tab is active in the others that are seen. */
  #noteInput(): void {
    if (this.world.now() - this.#inputAt < INPUT_EVERY_MS) return;
    this.#inputAt = this.world.now();
    this.connection.noteInput();
    this.#channel?.postMessage(this.connection.welcome?.user.id);
  }

  #openChannel(): void {
    if (typeof BroadcastChannel === "undefined") return;
    this.#channel = new BroadcastChannel(`hereabouts:${this.base}`);
    this.#channel.onmessage = ({ data }) => {
      if (data !== undefined && data === this.connection.welcome?.user.id) this.connection.noteInput();
    };
  }

  #leave(): void {
    const { welcome, resume } = this.connection;
    if (welcome && resume) {
      this.#keepSecret(resume);
      const after_seconds = welcome.policy.grace_seconds;
      beacon(this.world, this.base, JSON.stringify({ leave_token: welcome.leave_token, after_seconds }));
    }
    // An open socket or channel keeps a page out of the back-forward cache.
    this.connection.suspend();
    this.#channel?.close();
    this.#channel = undefined;
    numbers.delete(this.#number);
  }

  #comeBack(): void {
    numbers.add(this.#number);
    this.#takeSecret();
    this.#openChannel();
    this.connection.isVisible = document.visibilityState !== "hidden";
    this.connection.hurry();
  }

  /** The secret is there between `pagehide` and the next page only: a duplicated tab is to find none. */
  #keepSecret(resume: string): void {
    try {
      sessionStorage.setItem(this.#key, resume);
    } catch {
      // Storage may be switched off; then a reload is a new session.
    }
  }

  #takeSecret(): string | undefined {
    try {
      const resume = sessionStorage.getItem(this.#key) ?? undefined;
      sessionStorage.removeItem(this.#key);
      return resume;
    } catch {
      return undefined;
    }
  }
}

function beacon(world: World, base: string, body: string): void {
  const url = `${base}/v1/leave`;
  if (navigator.sendBeacon?.(url, body)) return;
  const init = { method: "POST", body, keepalive: true, headers: { "content-type": "text/plain" } };
  world.fetch(url, init).catch(() => undefined);
}
