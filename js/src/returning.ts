/** Whether and when a client comes back after a lost connection. Pure; source: spec/protocol.md, "Codes". */

const FIRST_SECONDS = 0.25;
const MOST_SECONDS = 30;
/** A connection that lived so long was a good one: the next loss begins with the first wait again. */
const STABLE_SECONDS = 10;

export type Verdict = "stop" | "new_token" | "again";

/** What a close code asks for, by its band; `undefined` is a connection that broke or never came about. */
export function verdict(code: number | undefined): Verdict {
  if (code === undefined || code < 4000 || code >= 4200) return "again";
  return code < 4100 ? "stop" : "new_token";
}

/** Full jitter: anywhere between nothing and a bound that doubles with each failure. `random` gives 0 up to 1. */
export class BackOff {
  #failures = 0;
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  /** A connection that was welcomed is gone after so long. */
  lost(livedSeconds: number): void {
    if (livedSeconds >= STABLE_SECONDS) this.#failures = 0;
  }

  /** How long to wait before the next attempt. */
  nextSeconds(): number {
    const bound = Math.min(MOST_SECONDS, FIRST_SECONDS * 2 ** Math.min(this.#failures, 16));
    this.#failures += 1;
    return this.#random() * bound;
  }
}
