import { expect, test } from "vitest";
import { BackOff, verdict } from "../src/returning.ts";
import { next, STATES } from "../src/states.ts";
import { renewInSeconds } from "../src/tokens.ts";

test.each([
  [undefined, "again"],
  [1000, "again"],
  [1006, "again"],
  [4000, "stop"],
  [4003, "stop"],
  [4100, "new_token"],
  [4101, "new_token"],
  [4200, "again"],
] as const)("a close with %s asks for: %s", (code, asked) => {
  expect(verdict(code)).toBe(asked);
});

test("the wait is anywhere below a bound that doubles up to 30 s", () => {
  const most = new BackOff(() => 1);
  expect(Array.from({ length: 9 }, () => most.nextSeconds())).toEqual([0.25, 0.5, 1, 2, 4, 8, 16, 30, 30]);
  expect(new BackOff(() => 0).nextSeconds()).toBe(0);
});

test("a connection that lived 10 s makes the next loss a first one; a shorter one does not", () => {
  const backOff = new BackOff(() => 1);
  backOff.nextSeconds();
  backOff.lost(9);
  expect(backOff.nextSeconds()).toBe(0.5);
  backOff.lost(10);
  expect(backOff.nextSeconds()).toBe(0.25);
});

test("every state that the table names has a row, and only closed needs to be opened again", () => {
  const named = new Set(Object.values(STATES).flatMap((row) => Object.values(row)));
  expect([...named].every((state) => state in STATES)).toBe(true);
  expect(next("closed", "retry")).toBeUndefined();
  expect(next("closed", "open")).toBe("connecting");
});

test("a token is replaced 30 s before it runs out, a short one in its last fifth", () => {
  const token = (exp: unknown) => `x.${btoa(JSON.stringify({ exp }))}.y`;
  expect(renewInSeconds(token(1000), 0)).toBe(970);
  expect(renewInSeconds(token(10), 0)).toBe(8);
  expect(renewInSeconds(token(10), 11_000)).toBe(1);
  expect(renewInSeconds(token("soon"), 0)).toBeUndefined();
  expect(renewInSeconds("dev:ada", 0)).toBeUndefined();
});
