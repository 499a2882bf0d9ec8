/**
 * What a client knows of one room, folded from what the server says of it. Pure, and the same in every language.
 *
 * A delta applies where it follows the position that the fold has, and nowhere else; after a gap the fold is stale and
 * asks for a snapshot, once. Each step tells the net difference. spec/vectors/client_fold.json holds the cases.
 */
import { same } from "./equal.ts";
import type { Change, Count, Delta, Member, RoomMessage, Snapshot, View } from "./messages.ts";

export type RoomEvent =
  | { readonly event: "synced" }
  | { readonly event: "joined"; readonly member: Member }
  | { readonly event: "updated"; readonly member: Member }
  | { readonly event: "left"; readonly user_id: string; readonly cause?: string }
  | { readonly event: "count"; readonly count: number }
  | { readonly event: "typing"; readonly user_ids: readonly string[] };

/** The events of one kind. */
export type RoomEventOf<E extends RoomEvent["event"]> = Extract<RoomEvent, { readonly event: E }>;

export interface Step {
  readonly events: readonly RoomEvent[];
  /** Ask the server for a snapshot. */
  readonly needsSync?: true;
}

export type Position = readonly [epoch: string, seq: number];

const NOTHING: Step = { events: [] };
const GAP: Step = { events: [], needsSync: true };

export class RoomFold {
  count = 0;
  sessions: number | undefined;
  view: View | undefined;
  typing: readonly string[] = [];
  /** Where the list stands; `undefined` until there is one, and while there are only counts. */
  position: Position | undefined;
  isKnown = false;
  isStale = false;
  isSummary = false;
  isDegraded = false;
  members: ReadonlyMap<string, Member> = new Map();

  /** Where a resumed session may go on; `undefined` where it needs a snapshot. */
  get seen(): Position | undefined {
    // After a degraded snapshot the list may hold people whom no delta will ever name.
    return this.isStale || this.isDegraded ? undefined : this.position;
  }

  /** Take in the next message of the room. */
  apply(message: RoomMessage): Step {
    switch (message.type) {
      case "snapshot":
        return { events: this.#snapshot(message) };
      case "delta":
        return this.#delta(message);
      case "count":
        return { events: this.#counted(message) };
      default:
        return { events: this.#setTyping(message.user_ids) };
    }
  }

  /** The connection is gone. What is known of the members stays; whoever typed may have stopped meanwhile. */
  lose(): Step {
    return { events: this.#setTyping([]) };
  }

  #snapshot(message: Snapshot): RoomEvent[] {
    const { epoch, seq, mode } = message;
    if (this.position?.[0] === epoch && seq < this.position[1]) return [];
    const isSummary = mode === "summary";
    const startsAnew = !this.isKnown || isSummary !== this.isSummary;
    this.isKnown = true;
    this.isStale = false;
    this.isSummary = isSummary;
    this.isDegraded = message.degraded === true;
    this.view = message.view;
    this.position = isSummary ? undefined : [epoch, seq];
    const before = this.members;
    const told = new Map<string, Member>();
    const typing: string[] = [];
    for (const { typing: types, ...rest } of message.members) {
      if (types && !rest.self) typing.push(rest.user_id);
      told.set(rest.user_id, kept(before, rest));
    }
    if (this.isDegraded && !isSummary) {
      for (const [userId, member] of before) if (!told.has(userId)) told.set(userId, member);
    }
    this.members = told;
    const events: RoomEvent[] = startsAnew ? [{ event: "synced" }] : difference(before, told);
    return [...events, ...this.#setCount(message.count), ...this.#setTyping(typing)];
  }

  #delta(message: Delta): Step {
    if (this.isStale) return NOTHING;
    const { epoch, since, seq, events, count } = message;
    const isOurs = this.position?.[0] === epoch;
    const at = this.position?.[1] ?? 0;
    if (!(isOurs && at === since)) {
      if (isOurs && seq <= at) return NOTHING;
      this.isStale = true;
      return GAP;
    }
    // A kind of change that this version does not know: the snapshot tells what it came to.
    if (!events.every(isKnownChange)) {
      this.isStale = true;
      return GAP;
    }
    this.position = [epoch, seq];
    const members = new Map(this.members);
    const news = events.flatMap((change) => changed(members, change));
    if (news.length) this.members = members;
    return { events: [...news, ...this.#setCount(count)] };
  }

  /** A `count` comes only where members are not listed: what list there was is dropped, as one event. */
  #counted(message: Count): RoomEvent[] {
    const startsAnew = !this.isKnown || !this.isSummary;
    this.isKnown = true;
    this.isStale = false;
    this.isSummary = true;
    this.position = undefined;
    this.members = new Map();
    this.sessions = message.sessions;
    return [...(startsAnew ? [{ event: "synced" } as const] : []), ...this.#setCount(message.count)];
  }

  #setCount(told: number): RoomEvent[] {
    // A list that a degraded snapshot may not shorten can be longer than the server's count.
    const count = Math.max(told, this.members.size);
    if (count === this.count) return [];
    this.count = count;
    return [{ event: "count", count }];
  }

  #setTyping(user_ids: readonly string[]): RoomEvent[] {
    if (same(user_ids, this.typing)) return [];
    this.typing = user_ids;
    return [{ event: "typing", user_ids }];
  }
}

function isKnownChange(change: Change): boolean {
  return change.event === "leave" || ((change.event === "join" || change.event === "update") && !!change.member);
}

/** The member as told; the object that is known already where it says the same, so that nobody renders it again. */
function kept(before: ReadonlyMap<string, Member>, told: Omit<Member, "state"> & { state?: Member["state"] }): Member {
  const member: Member = { ...told, state: told.state ?? {} };
  const known = before.get(member.user_id);
  return known && same(known, member) ? known : member;
}

function changed(members: Map<string, Member>, change: Change): RoomEvent[] {
  if (change.event === "leave") {
    const { user_id, cause } = change;
    if (!members.delete(user_id)) return [];
    return [cause === undefined ? { event: "left", user_id } : { event: "left", user_id, cause }];
  }
  const known = members.get(change.member.user_id);
  const member = kept(members, change.member);
  members.set(member.user_id, member);
  if (!known) return [{ event: "joined", member }];
  return member === known ? [] : [{ event: "updated", member }];
}

function difference(before: ReadonlyMap<string, Member>, after: ReadonlyMap<string, Member>): RoomEvent[] {
  const events: RoomEvent[] = [];
  for (const user_id of before.keys()) if (!after.has(user_id)) events.push({ event: "left", user_id });
  for (const [userId, member] of after) {
    const known = before.get(userId);
    if (known !== member) events.push({ event: known ? "updated" : "joined", member });
  }
  return events;
}
