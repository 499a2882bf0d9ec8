import { expect, test } from "vitest";
import { reconcile, Told, type WantedRoom } from "../src/reconcile.ts";

const want = (rooms: Record<string, WantedRoom>, users: string[] = [], kinds: string[] = []) => ({
  rooms: new Map(Object.entries(rooms)),
  users: new Set(users),
  kinds: new Set(kinds),
});
const joined = { isJoined: true, state: { a: 1 } };
const looked = { isJoined: false, state: {}, mode: "roster" as const };

test("what is wanted is asked for once", () => {
  const told = new Told();
  const wanted = want({ r: joined, s: looked, t: { ...looked, mode: "count" } }, ["bob"], ["desk"]);
  expect(reconcile(wanted, told)).toEqual([
    { type: "join", room: "r", state: { a: 1 } },
    { type: "watch", rooms: ["s"], mode: "roster" },
    { type: "watch", rooms: ["t"], mode: "count" },
    { type: "watch", users: ["bob"] },
    { type: "watch", occupancy: ["desk"] },
  ]);
  expect(reconcile(wanted, told)).toEqual([]);
});

test("a room that is joined needs no watch of its own, and gets one before it is left", () => {
  const told = new Told();
  reconcile(want({ r: { ...joined, mode: "roster" } }), told);
  expect(reconcile(want({ r: looked }), told)).toEqual([
    { type: "watch", rooms: ["r"], mode: "roster" },
    { type: "leave", room: "r" },
  ]);
});

test("what is wanted no more is ended", () => {
  const told = new Told();
  reconcile(want({ r: joined, s: looked }, ["bob", "cat"], ["desk"]), told);
  expect(reconcile(want({}, ["cat"]), told)).toEqual([
    { type: "leave", room: "r" },
    { type: "unwatch", rooms: ["s"] },
    { type: "unwatch", users: ["bob"] },
    { type: "unwatch", occupancy: ["desk"] },
  ]);
});

test("after a resume only what the server did not restore is asked for", () => {
  const told = new Told();
  told.joined.add("r").add("old");
  expect(reconcile(want({ r: joined }, ["bob"]), told)).toEqual([
    { type: "watch", users: ["bob"] },
    { type: "leave", room: "old" },
  ]);
});
