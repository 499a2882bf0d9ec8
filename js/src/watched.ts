/** What is watched outside rooms: users' cards, and who holds what of a kind. */
import { HoldingsFold } from "./holdings.ts";
import type { Holding, Occupancy } from "./messages.ts";
import { Store } from "./store.ts";

/** Who holds what of one kind of resource. */
export interface HoldingsSnapshot {
  readonly held: readonly Holding[];
  readonly isKnown: boolean;
}

export const NO_HOLDINGS: HoldingsSnapshot = Object.freeze({ held: Object.freeze([]), isKnown: false });

/** Something outside rooms that is watched, and by how many. */
export class Watched<T> extends Store<T> {
  watchers = 0;
}

export class Kind extends Watched<HoldingsSnapshot> {
  #fold = new HoldingsFold();

  constructor() {
    super(NO_HOLDINGS);
  }

  /** Answers whether there was a gap. */
  take(message: Occupancy): boolean {
    if (this.#fold.apply(message)) return true;
    this.set(Object.freeze({ held: Object.freeze([...this.#fold.held]), isKnown: true }));
    return false;
  }

  forget(): void {
    this.#fold = new HoldingsFold();
    this.set(NO_HOLDINGS);
  }
}
