/** What a client knows of one kind of resource: who holds what. Pure. Source: spec/protocol.md, "Occupancy". */
import type { Holding, Occupancy } from "./messages.ts";

export class HoldingsFold {
  held: ReadonlyMap<string, Holding> = new Map();
  isKnown = false;
  #epoch = "";
  #seq = 0;

  /** Take in the next message of the kind. Answers whether there was a gap: then watch again for a snapshot. */
  apply(message: Occupancy): boolean {
    const { epoch, seq, since } = message;
    if (message.held) {
      this.held = new Map(message.held.map((holding) => [holding.resource, holding]));
      this.isKnown = true;
    } else {
      if (!this.isKnown || epoch !== this.#epoch || since !== this.#seq)
        return epoch !== this.#epoch || seq > this.#seq;
      const held = new Map(this.held);
      for (const { event, from, cause: _, ...holding } of message.events ?? []) {
        if (from) held.delete(from);
        if (event === "released") held.delete(holding.resource);
        else held.set(holding.resource, holding);
      }
      this.held = held;
    }
    this.#epoch = epoch;
    this.#seq = seq;
    return false;
  }
}
