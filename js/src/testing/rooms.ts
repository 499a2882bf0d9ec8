/** The rooms of the server in memory: who is in them, and what each change is for those who look. */
import { same } from "../equal.ts";
import type { Change, Member } from "../messages.ts";
import { type Membership, mergeMember } from "./merge.ts";

/** Somebody who looks at rooms. */
export interface Viewer {
  readonly userId: string;
  readonly isCounting: boolean;
  say(message: object): void;
}

export class MemoryRoom {
  readonly viewers = new Set<Viewer>();
  readonly memberships = new Map<string, Membership>();
  #typing = new Set<string>();
  #members = new Map<string, Member>();
  #seq = 0;

  constructor(
    readonly id: string,
    readonly epoch: string,
  ) {}

  get position(): readonly [string, number] {
    return [this.epoch, this.#seq];
  }

  get count(): number {
    return this.#members.size;
  }

  member(userId: string): Member | undefined {
    return this.#members.get(userId);
  }

  snapshot(viewer: Viewer): object {
    if (viewer.isCounting) return { type: "count", room: this.id, count: this.count };
    const members = [...this.#members.values()].map((member) => ({
      ...as(viewer, member),
      ...(this.#typing.has(member.user_id) && { typing: true }),
    }));
    const { id: room, epoch, count } = this;
    return { type: "snapshot", room, epoch, seq: this.#seq, mode: "roster", view: "full", count, members };
  }

  /** Tell the viewers what a user has become, if that is something else than before. */
  settle(userId: string, cause?: string): void {
    const own = [...this.memberships.values()].filter(({ user_id }) => user_id === userId);
    const before = this.#members.get(userId);
    const after = mergeMember(own);
    if (same(before, after)) return;
    if (after) this.#members.set(userId, after);
    else this.#members.delete(userId);
    const since = this.#seq;
    this.#seq += 1;
    for (const viewer of this.viewers) {
      const event = change(before, after && as(viewer, after), userId, cause);
      const { id: room, epoch, count } = this;
      if (viewer.isCounting) viewer.say({ type: "count", room, count });
      else viewer.say({ type: "delta", room, epoch, since, seq: this.#seq, events: [event], count });
    }
    if (!after) this.type(userId, false);
  }

  type(userId: string, on: boolean): void {
    if (this.#typing.has(userId) === on) return;
    this.#typing[on ? "add" : "delete"](userId);
    for (const viewer of this.viewers) {
      if (viewer.userId === userId || viewer.isCounting) continue;
      const user_ids = [...this.#typing].filter((typist) => typist !== viewer.userId);
      viewer.say({ type: "typing", room: this.id, user_ids });
    }
  }
}

function as(viewer: Viewer, member: Member): Member {
  return member.user_id === viewer.userId ? { ...member, self: true } : member;
}

function change(before: Member | undefined, after: Member | undefined, user_id: string, cause?: string): Change {
  if (!after) return { event: "leave", user_id, ...(cause && { cause }) };
  return { event: before ? "update" : "join", member: after };
}
