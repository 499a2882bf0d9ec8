/** How the sessions of a user become one. Pure. Source: spec/vectors/merge_rule.json, state_merge.json, roster_fold.json. */
import type { Declared, Json, Member, Status } from "../messages.ts";

/** A session's own state: each key with the server time of its writing. */
export type Written = ReadonlyMap<string, readonly [value: Json, at: number]>;

/** Merge what a session gave into its own state; `null` takes a key away. */
export function patch(state: Written, given: Readonly<Record<string, Json>>, at: number): Written {
  const after = new Map(state);
  for (const [key, value] of Object.entries(given)) {
    if (value === null) after.delete(key);
    else after.set(key, [value, at]);
  }
  return after;
}

/** Of each key the newest value over the sessions; ties go to the greater session id. */
export function mergeStates(states: ReadonlyMap<string, Written>): Record<string, Json> {
  const newest = new Map<string, readonly [Json, number]>();
  for (const id of [...states.keys()].sort()) {
    for (const [key, written] of states.get(id) ?? []) {
      const other = newest.get(key);
      if (!other || written[1] >= other[1]) newest.set(key, written);
    }
  }
  return Object.fromEntries([...newest].map(([key, [value]]) => [key, value]));
}

export interface Attention {
  readonly visible: boolean;
  readonly active: boolean;
  readonly last_seen_at: number | null;
  readonly last_active_at: number | null;
}

export interface Declaration {
  readonly status: Declared;
  readonly text?: string;
  readonly emoji?: string;
  readonly public_seen_at?: number;
  readonly public_active_at?: number;
}

export interface Outcome {
  readonly status: Status;
  readonly declared: Declared;
  readonly text?: string;
  readonly emoji?: string;
  readonly last_seen_at?: number;
  readonly last_active_at?: number;
  readonly sessions: number;
}

/** What may be told of a user with these live sessions and this declaration. */
export function mergeStatus(sessions: readonly Attention[], declaration: Declaration | undefined): Outcome {
  const declared = declaration?.status ?? "available";
  const { length } = sessions;
  if (declaration && declared === "invisible") {
    const { public_seen_at: seen, public_active_at: active } = declaration;
    return { status: "offline", declared, sessions: length, ...times(seen ?? null, active ?? null) };
  }
  const newest = times(
    latest(sessions.map((session) => session.last_seen_at)),
    latest(sessions.map((session) => session.last_active_at)),
  );
  if (!length) return { status: "offline", declared, sessions: 0, ...newest };
  const words = {
    ...(declaration?.text && { text: declaration.text }),
    ...(declaration?.emoji && { emoji: declaration.emoji }),
  };
  const status = declared === "available" ? attention(sessions) : declared;
  return { status: status as Status, declared, ...words, ...newest, sessions: length };
}

function attention(sessions: readonly Attention[]): Status {
  const seen = sessions.filter(({ visible }) => visible);
  if (seen.some(({ active }) => active)) return "online";
  return seen.length ? "idle" : "away";
}

/** A session's membership of one room. */
export interface Membership {
  readonly session_id: string;
  readonly user_id: string;
  readonly joined_at: number;
  readonly name?: string;
  readonly info?: Member["info"];
  readonly state: Written;
  readonly status: Status;
  readonly text?: string;
  readonly last_active_at: number | null;
  /** The place of `status` in the user's history: the highest is the newest. */
  readonly outcome_seq: number;
}

/** The member that a user's memberships of a room come to; `undefined` without any. */
export function mergeMember(memberships: readonly Membership[]): Member | undefined {
  const byJoining = [...memberships].sort((one, other) => one.joined_at - other.joined_at);
  const first = byJoining[0];
  const last = byJoining.at(-1);
  if (!first || !last) return undefined;
  const told = memberships.reduce((best, other) => (other.outcome_seq > best.outcome_seq ? other : best), last);
  const active = latest(memberships.map((membership) => membership.last_active_at));
  return {
    user_id: first.user_id,
    ...(last.name !== undefined && { name: last.name }),
    ...(last.info !== undefined && { info: last.info }),
    status: told.status,
    ...(told.text !== undefined && { text: told.text }),
    joined_at: first.joined_at,
    ...(active !== null && { last_active_at: active }),
    sessions: memberships.length,
    state: mergeStates(new Map(memberships.map(({ session_id, state }) => [session_id, state]))),
  };
}

function latest(times: readonly (number | null)[]): number | null {
  const known = times.filter((time) => time !== null);
  return known.length ? Math.max(...known) : null;
}

function times(seen: number | null, active: number | null): Pick<Outcome, "last_seen_at" | "last_active_at"> {
  return { ...(seen !== null && { last_seen_at: seen }), ...(active !== null && { last_active_at: active }) };
}
