import { describe, expect, test } from "vitest";
import { type RoomEvent, RoomFold } from "../src/fold.ts";
import type { Member, RoomMessage } from "../src/messages.ts";
import { vectors } from "./vectors.ts";

interface Case {
  name: string;
  steps: { message: RoomMessage | { type: "lost" }; events: RoomEvent[]; requests: unknown[] }[];
  members: Partial<Member>[];
  count: number;
  typing: string[];
  seen: [string, number] | null;
  is_stale: boolean;
}

/** In the vectors a key that is null may be absent, and so may an empty state. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || !value) return value;
  const kept = Object.entries(value).filter(
    ([key, field]) => field !== null && field !== undefined && !(key === "state" && Object.keys(field).length === 0),
  );
  return Object.fromEntries(kept.map(([key, field]) => [key, plain(field)]));
}

const byUser = (members: Iterable<Partial<Member>>) =>
  [...members].sort((one, other) => ((one.user_id ?? "") < (other.user_id ?? "") ? -1 : 1)).map(plain);

describe("the cases that every client passes", () => {
  test.each(vectors<Case>("client_fold"))("$name", (told) => {
    const fold = new RoomFold();
    for (const { message, events, requests } of told.steps) {
      const step = message.type === "lost" ? fold.lose() : fold.apply(structuredClone(message));
      expect(plain(step.events)).toMatchObject(plain(events) as object);
      expect(step.events.length).toBe(events.length);
      expect(step.needsSync === true).toBe(requests.length > 0);
    }
    expect(byUser(fold.members.values())).toMatchObject(byUser(told.members));
    expect(fold.count).toBe(told.count);
    expect(fold.typing).toEqual(told.typing);
    expect(fold.isStale).toBe(told.is_stale);
    expect(fold.seen ?? null).toEqual(told.seen);
  });
});

test("a member of whom nothing new is said stays the same object", () => {
  const [first] = vectors<Case>("client_fold");
  const message = first?.steps[0]?.message as RoomMessage & { type: "snapshot" };
  const fold = new RoomFold();
  fold.apply(structuredClone(message));
  const ada = fold.members.get("ada");
  fold.apply({ ...structuredClone(message), epoch: "e2" });
  expect(fold.members.get("ada")).toBe(ada);
});
