/** Time that passes only when it is told to. */
export class VirtualClock {
  #nowMs = 0;
  #timers: { at: number; call: () => void }[] = [];

  /** `startAt` is the wall clock at the beginning, in milliseconds since 1970. */
  constructor(private readonly startAt = 1_800_000_000_000) {}

  /** Milliseconds since the beginning. */
  now(): number {
    return this.#nowMs;
  }

  wall(): number {
    return this.startAt + this.#nowMs;
  }

  after(seconds: number, call: () => void): () => void {
    const timer = { at: this.#nowMs + seconds * 1000, call };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Let so much time pass; whatever is due is done in its order, and what follows from it too. */
  async advance(seconds: number): Promise<void> {
    const until = this.#nowMs + seconds * 1000;
    await settle();
    for (let due = this.#due(until); due; due = this.#due(until)) {
      this.#timers = this.#timers.filter((other) => other !== due);
      this.#nowMs = Math.max(this.#nowMs, due.at);
      due.call();
      await settle();
    }
    this.#nowMs = until;
  }

  #due(until: number): { at: number; call: () => void } | undefined {
    return this.#timers.filter(({ at }) => at <= until).sort((one, other) => one.at - other.at)[0];
  }
}

/** Let everything that was begun come to an end, as far as no time has to pass for it. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 64; turn += 1) await Promise.resolve();
}
