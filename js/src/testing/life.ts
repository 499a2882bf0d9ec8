/** The life of a session: its deadlines, and what each event makes of it. Pure. Source: spec/protocol.md, "The life of a session". */

export type Phase = "live" | "lost" | "leaving" | "parked" | "over";

export interface Leases {
  readonly visible: number;
  readonly hidden: number;
  readonly grace: number;
}

/** A close that the server asked for starts no grace: the lease runs on. */
const ASKED_FOR = new Set([4100, 4200, 4202, 4203]);

/** Times are in seconds, on whatever clock `now` is read from. */
export class Life {
  phase: Phase = "live";
  /** Why the removal was published; `undefined` while others still count the session. */
  cause: string | undefined;
  isVisible: boolean;
  #lapsesAt: number;
  #endsAt = 0;
  #publishesAt = 0;
  #wasDrained = false;
  #reason = "closed";

  constructor(
    private readonly leases: Leases,
    now: number,
    isVisible = true,
  ) {
    this.isVisible = isVisible;
    this.#lapsesAt = now + this.#lease;
  }

  get counts(): boolean {
    return this.cause === undefined;
  }

  /** When something happens by itself next. */
  get dueAt(): number {
    if (this.phase === "live") return this.#lapsesAt;
    if (this.phase === "leaving") return this.#publishesAt;
    return this.phase === "over" ? Number.POSITIVE_INFINITY : this.#endsAt;
  }

  get #lease(): number {
    return this.isVisible ? this.leases.visible : this.leases.hidden;
  }

  /** Do what is due. */
  wait(now: number): void {
    while (this.dueAt <= now) {
      if (this.phase === "live") this.#lose(this.#lapsesAt, this.#wasDrained ? "drained" : "lease_expired");
      else if (this.phase === "leaving") this.#become("parked", "beacon");
      else this.#become("over", this.cause ?? this.#reason);
    }
  }

  /** A hello, a beat, a command: proof of life. */
  frame(now: number, isVisible = this.isVisible): void {
    this.phase = "live";
    this.cause = undefined;
    this.isVisible = isVisible;
    this.#wasDrained = false;
    this.#lapsesAt = now + this.#lease;
  }

  /** The present connection closed. */
  close(now: number, code: number): void {
    if (code === 4200) this.#wasDrained = true;
    if (ASKED_FOR.has(code)) return;
    if (this.phase === "live") this.#lose(now, "closed");
    this.wait(now);
  }

  /** The leave token was handed in. */
  beacon(now: number, afterSeconds = 0): void {
    const publishesAt = now + Math.min(afterSeconds, this.leases.grace);
    if (this.phase === "live") this.#publishesAt = publishesAt;
    else if (this.phase === "lost") this.#publishesAt = Math.min(publishesAt, this.#endsAt);
    else if (this.phase === "leaving") this.#publishesAt = Math.min(publishesAt, this.#publishesAt);
    else return;
    this.phase = "leaving";
    this.#endsAt = this.#lapsesAt + this.leases.grace;
    this.wait(now);
  }

  /** `bye`, or somebody with the right to do it ended the session. */
  end(cause = "leave"): void {
    this.#become("over", cause);
  }

  #lose(at: number, reason: string): void {
    this.phase = "lost";
    this.#reason = reason;
    this.#endsAt = at + this.leases.grace;
  }

  #become(phase: Phase, cause: string): void {
    this.phase = phase;
    this.cause ??= cause;
  }
}
