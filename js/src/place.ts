/** A room that is looked at: what is known of it, who wants what of it, and what readers are shown. */
import type { Refused } from "./errors.ts";
import { type RoomEvent, RoomFold } from "./fold.ts";
import type { Member, PresenceState, RoomMessage, View } from "./messages.ts";
import type { Mode, WantedRoom } from "./reconcile.ts";
import { Listeners } from "./store.ts";

/** A room as it is shown. The same object, with the same lists in it, until something else is to be shown. */
export interface RoomSnapshot {
  readonly members: readonly Member[];
  readonly others: readonly Member[];
  readonly self: Member | undefined;
  readonly count: number;
  /** How many sessions; only where the room is counted and not listed, for the view `full`. */
  readonly sessions: number | undefined;
  /** Who types: user ids, the viewer left out. */
  readonly typing: readonly string[];
  readonly view: View | undefined;
  /** Whether the server has told what is there. */
  readonly isKnown: boolean;
  /** Whether there are too many to list: then there is `count` and no members. */
  readonly isSummary: boolean;
  /** Whether what is shown may be out of date: there is no connection, or the server's view is degraded. */
  readonly stale: boolean;
  /** What the server said no with. The room is not asked for again before it is let go and taken again. */
  readonly error: Refused | undefined;
}

const NOBODY: readonly never[] = Object.freeze([]);

export const EMPTY_ROOM: RoomSnapshot = Object.freeze({
  members: NOBODY,
  others: NOBODY,
  self: undefined,
  count: 0,
  sessions: undefined,
  typing: NOBODY,
  view: undefined,
  isKnown: false,
  isSummary: false,
  stale: false,
  error: undefined,
});

export class Place implements WantedRoom {
  readonly changes = new Listeners<[]>();
  readonly events = new Listeners<[RoomEvent]>();
  fold = new RoomFold();
  /** How many want to be members, to see the list, and to see the count. */
  readonly wants = { join: 0, roster: 0, count: 0 };
  /** Raised by an explicit leave: leases of before hold nothing any more. */
  generation = 0;
  /** The session's own state as it is to be, and what of it the server was not told. */
  state: Partial<PresenceState> = {};
  patch: Record<string, unknown> = {};
  isCooling = false;
  error: Refused | undefined;
  isRefused = false;
  #isStale = true;
  #shown: RoomSnapshot | undefined = EMPTY_ROOM;
  #listed: ReadonlyMap<string, Member> | undefined;
  #lists: Pick<RoomSnapshot, "members" | "others" | "self"> = EMPTY_ROOM;

  get isJoined(): boolean {
    return this.wants.join > 0 && !this.isRefused;
  }

  get mode(): Mode | undefined {
    if (this.isRefused) return undefined;
    return this.wants.roster > 0 ? "roster" : this.wants.count > 0 ? "count" : undefined;
  }

  /** Whether nobody wants anything of it, nor listens. */
  get isIdle(): boolean {
    const { join, roster, count } = this.wants;
    return join + roster + count + this.changes.size + this.events.size === 0;
  }

  /** The own state has these keys now; `null` takes a key away. */
  merge(given: object): void {
    const state: Record<string, unknown> = { ...this.state };
    for (const [key, value] of Object.entries(given)) {
      this.patch[key] = value;
      if (value === null) delete state[key];
      else state[key] = value;
    }
    this.state = state as Partial<PresenceState>;
  }

  /** What was sent may not have arrived. */
  unsent(patch: Record<string, unknown>): void {
    this.patch = { ...patch, ...this.patch };
  }

  /** The server says something. Answers whether to ask for a snapshot. */
  take(message: RoomMessage): boolean {
    const step = this.fold.apply(message);
    this.#tell(step.events);
    return step.needsSync === true;
  }

  /** Whether the connection can be believed; without one nobody types. */
  setStale(isStale: boolean): void {
    const events = isStale ? this.fold.lose().events : [];
    if (isStale === this.#isStale && !events.length) return;
    this.#isStale = isStale;
    this.#tell(events);
  }

  /** The server does not give this room; `undefined` is another try. */
  refuse(error: Refused | undefined): void {
    if (error === this.error) return;
    this.isRefused = error !== undefined;
    this.complain(error);
  }

  /** Something about the room was refused; it is not lost by that. */
  complain(error: Refused | undefined): void {
    this.error = error;
    this.#tell([]);
  }

  /** Forget what is known: it was another user's, or nobody looks any more. */
  reset(): void {
    this.fold = new RoomFold();
    this.#tell([]);
  }

  readonly getSnapshot = (): RoomSnapshot => {
    this.#shown ??= this.#show();
    return this.#shown;
  };

  #tell(events: readonly RoomEvent[]): void {
    this.#shown = undefined;
    for (const event of events) this.events.tell(event);
    this.changes.tell();
  }

  #show(): RoomSnapshot {
    const { fold } = this;
    if (this.#listed !== fold.members) {
      this.#listed = fold.members;
      const members = Object.freeze([...fold.members.values()]);
      const others = Object.freeze(members.filter((member) => !member.self));
      this.#lists = { members, others, self: members.find((member) => member.self) };
    }
    return Object.freeze({
      ...this.#lists,
      count: fold.count,
      sessions: fold.sessions,
      typing: fold.typing,
      view: fold.view,
      isKnown: fold.isKnown,
      isSummary: fold.isSummary,
      stale: fold.isKnown && (this.#isStale || fold.isStale || fold.isDegraded),
      error: this.error,
    });
  }
}
