/** Who holds what on the server in memory: a resource has one holder, a user one resource. */
import type { ClientMessage } from "../messages.ts";
import type { MemorySession } from "./session.ts";

interface Held {
  readonly resource: string;
  readonly user_id: string;
  readonly since_at: number;
  readonly fencing: number;
}

export interface Refusing {
  readonly code: string;
  readonly message: string;
}

export class MemoryHoldings {
  readonly #held = new Map<string, Held>();
  readonly #seqs = new Map<string, number>();
  #fencing = 0;

  constructor(
    private readonly now: () => number,
    private readonly sessions: () => Iterable<MemorySession>,
  ) {}

  snapshot(kind: string, viewer: string): object {
    const held = [...this.#held.values()].filter(({ resource }) => kindOf(resource) === kind);
    return { type: "occupancy", kind, epoch: "e1", seq: this.#seq(kind), held: held.map((one) => as(viewer, one)) };
  }

  /** Hold a resource for a session's user; what the user held before is given up. Gives the refusal. */
  occupy({ userId: user_id }: MemorySession, message: ClientMessage, ok: (more: object) => void): Refusing | undefined {
    const resource = String(message.resource);
    const holder = this.#held.get(resource);
    const isKept = holder?.user_id === user_id;
    if (holder && !isKept && message.on_conflict !== "take_over") {
      return { code: "occupied", message: `${resource} is held` };
    }
    const from = [...this.#held.values()].find((one) => one.user_id === user_id && one.resource !== resource)?.resource;
    if (from) this.#held.delete(from);
    if (!isKept) this.#fencing += 1;
    const holding = isKept ? holder : { resource, user_id, since_at: this.now(), fencing: this.#fencing };
    this.#held.set(resource, holding);
    const { since_at, fencing } = holding;
    ok({ resource, since_at, fencing, ...(from && { moved_from: from }) });
    if (isKept) return undefined;
    const gone = holder && { replaces: holder.user_id, cause: "taken_over" };
    this.#tell(holding, { event: from ? "moved" : "occupied", ...(from && { from }), ...gone });
    if (holder) this.#notify(holder, { event: "released", cause: "taken_over" });
    return undefined;
  }

  /** Give a resource back. Gives the refusal. */
  release(session: MemorySession, resource: string, ok: () => void): Refusing | undefined {
    const holding = this.#held.get(resource);
    if (holding?.user_id !== session.userId) return { code: "lease_lost", message: `${resource} is not yours` };
    this.#held.delete(resource);
    ok();
    this.#tell(holding, { event: "released", cause: "released" });
    return undefined;
  }

  /** The sessions of the user whom it is about hear it also where they do not watch. */
  #notify(holding: Held, what: object): void {
    const { user_id: viewer, resource } = holding;
    const events = [{ ...what, ...as(viewer, holding) }];
    for (const { line, userId } of this.sessions()) {
      if (userId === viewer) line?.say({ type: "occupancy", kind: kindOf(resource), events });
    }
  }

  #seq(kind: string): number {
    return this.#seqs.get(kind) ?? 0;
  }

  #tell(holding: Held, what: object): void {
    const kind = kindOf(holding.resource);
    const since = this.#seq(kind);
    const seq = since + 1;
    this.#seqs.set(kind, seq);
    for (const { kinds, line, userId } of this.sessions()) {
      const events = [{ ...what, ...as(userId, holding) }];
      if (kinds.has(kind)) line?.say({ type: "occupancy", kind, epoch: "e1", since, seq, events });
    }
  }
}

function as(viewer: string, holding: Held): object {
  return holding.user_id === viewer ? { ...holding, self: true } : holding;
}

function kindOf(resource: string): string {
  return resource.split(":")[0] ?? "";
}
