/** Says that the user types, as often as the server needs to hear it, and that typing has stopped. */
import type { World } from "./world.ts";

const REFRESH_SECONDS = 3;

export class Typist {
  #toldAt = Number.NEGATIVE_INFINITY;
  #stop: (() => void) | undefined;

  constructor(
    private readonly world: World,
    private readonly refreshSeconds: () => number | undefined,
    private readonly say: (on: boolean) => void,
  ) {}

  /** A key was struck, or what was typed was sent or taken away. Who types nothing for a while has stopped. */
  type(on: boolean): void {
    const wasTyping = this.#stop !== undefined;
    this.#stop?.();
    this.#stop = undefined;
    const seconds = this.refreshSeconds() ?? REFRESH_SECONDS;
    if (on) {
      this.#stop = this.world.after(seconds, () => this.type(false));
      if (wasTyping && this.world.now() - this.#toldAt < seconds * 1000) return;
      this.#toldAt = this.world.now();
    } else if (!wasTyping) return;
    this.say(on);
  }
}
