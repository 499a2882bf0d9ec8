/** What a client knows of one kind of resource: who holds what. Pure. Source: spec/protocol.md, "Occupancy". */
import type { Holding, HoldingEvent, Occupancy } from "./messages.ts";

export class HoldingsFold {
  isKnown = false;
  /** Where no holders are shown there is one holding a resource, without a user. */
  #held = new Map<string, Holding>();
  #position: readonly [epoch: string, seq: number] | undefined;

  get held(): Iterable<Holding> {
    return this.#held.values();
  }

  /** Take in the next message of the kind. Answers whether there was a gap: then watch again, for a snapshot. */
  apply({ epoch, seq, since, held, events }: Occupancy): boolean {
    // A notice to a holder has no position, and changes nothing here.
    if (epoch === undefined || seq === undefined) return false;
    if (held) {
      this.isKnown = true;
      this.#held = new Map(held.map((holding) => [keyOf(holding), holding]));
    } else {
      const at = this.#position;
      this.#position = undefined;
      if (!at) return false;
      if (at[0] !== epoch || at[1] !== since) return true;
      for (const event of events ?? []) this.#happened(event);
    }
    this.#position = [epoch, seq];
    return false;
  }

  #happened({ event, from, replaces, cause: _, ...holding }: HoldingEvent): void {
    const { resource, user_id } = holding;
    const key = keyOf(holding);
    if (replaces !== undefined) this.#held.delete(keyOf({ resource, user_id: replaces }));
    if (from !== undefined) this.#held.delete(keyOf({ resource: from, user_id }));
    // One's own is told in full, instead of the bare fact.
    if (holding.self) this.#held.delete(keyOf({ resource }));
    if (event === "released") this.#held.delete(key);
    else this.#held.set(key, holding);
  }
}

function keyOf({ resource, user_id }: { resource: string; user_id?: string | undefined }): string {
  return JSON.stringify([resource, user_id]);
}
