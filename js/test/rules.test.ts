import { describe, expect, test } from "vitest";
import type { Json, Member } from "../src/messages.ts";
import { Life } from "../src/testing/life.ts";
import {
  type Attention,
  type Declaration,
  type Membership,
  mergeMember,
  mergeStates,
  mergeStatus,
  type Outcome,
  patch,
  type Written,
} from "../src/testing/merge.ts";
import { vectors } from "./vectors.ts";

type Told = Record<string, [Json, number]>;
const written = (told: Told = {}): Written => new Map(Object.entries(told));

describe("the merge rule", () => {
  type Case = { name: string; sessions: Attention[]; declared: Declaration | null; outcome: Outcome };
  test.each(vectors<Case>("merge_rule"))("$name", ({ sessions, declared, outcome }) => {
    expect(mergeStatus(sessions, declared ?? undefined)).toEqual(outcome);
    expect(mergeStatus([...sessions].reverse(), declared ?? undefined)).toEqual(outcome);
  });
});

describe("state", () => {
  type Patch = { name: string; state: Told; given: Record<string, Json>; at: number; after: Told };
  test.each(vectors<Patch>("state_merge", "patches"))("$name", ({ state, given, at, after }) => {
    expect(patch(written(state), given, at)).toEqual(written(after));
  });
  type Merge = { name: string; sessions: Record<string, Told>; merged: Record<string, Json> };
  test.each(vectors<Merge>("state_merge", "merges"))("$name", ({ sessions, merged }) => {
    const states = Object.entries(sessions).map(([id, told]) => [id, written(told)] as const);
    expect(mergeStates(new Map(states))).toEqual(merged);
    expect(mergeStates(new Map([...states].reverse()))).toEqual(merged);
  });
});

describe("a room's feed folds into its members", () => {
  type Put = Partial<Omit<Membership, "state">> & { session_id: string; state?: Told };
  type Case = {
    name: string;
    entries: { put?: Put; remove?: { session_id: string; user_id: string } }[];
    changes: string[];
    members: Member[];
    sessions: number;
  };
  test.each(vectors<Case>("roster_fold"))("$name", ({ entries, changes, members, sessions }) => {
    const stand = new Map<string, Membership>();
    const member = (user: string | undefined) =>
      mergeMember([...stand.values()].filter(({ user_id }) => user_id === user));
    const done = entries.map(({ put, remove }) => {
      const user = put?.user_id ?? remove?.user_id;
      const before = member(user);
      const empty = { status: "online", outcome_seq: 0, last_active_at: null };
      if (put) stand.set(put.session_id, { ...empty, ...put, state: written(put.state) } as Membership);
      else stand.delete(remove?.session_id ?? "");
      const after = member(user);
      if (JSON.stringify(before) === JSON.stringify(after)) return "none";
      return before && after ? "update" : after ? "join" : "leave";
    });
    expect(done).toEqual(changes);
    const users = [...new Set([...stand.values()].map(({ user_id }) => user_id))];
    expect(users.map(member)).toEqual(expect.arrayContaining(members));
    expect([users.length, stand.size]).toEqual([members.length, sessions]);
  });
});

describe("the deadlines of a session", () => {
  type Step = { at: number; do: string; visible?: boolean; code?: number; old?: boolean; after_seconds?: number };
  type Then = { at: number; phase: string; counts: boolean; cause?: string };
  type Case = { name: string; grace_seconds?: number; steps: Step[]; then: Then[] };
  const happen = (life: Life, step: Step) => {
    if (step.do === "beat" || step.do === "resume") life.frame(step.at, step.visible);
    else if (step.do === "close" && !step.old) life.close(step.at, step.code ?? 1006);
    else if (step.do === "beacon") life.beacon(step.at, step.after_seconds);
    else if (step.do === "bye") life.end();
  };
  test.each(vectors<Case>("deadlines"))("$name", ({ grace_seconds = 10, steps, then }) => {
    const life = new Life({ visible: 60, hidden: 150, grace: grace_seconds }, 0);
    const all = [...steps, ...then].sort((one, other) => one.at - other.at || ("phase" in one ? 1 : -1));
    for (const one of all) {
      life.wait(one.at + 1e-9);
      if ("do" in one) happen(life, one);
      else {
        const { phase, counts, cause } = life;
        expect({ at: one.at, phase, counts, ...(cause && { cause }) }).toEqual(one);
      }
    }
  });
});
