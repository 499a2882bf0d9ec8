// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { PresenceDebugElement } from "../src/debug/index.ts";
import "../src/debug/index.ts";
import { Watcher } from "../src/debug/notices.ts";
import type { Presence } from "../src/index.ts";
import { createClient, createServer, type MemoryServer } from "../src/testing/index.ts";

let server: MemoryServer;
let ada: Presence;

beforeEach(() => {
  server = createServer();
  ada = createClient(server, "ada");
});
afterEach(async () => {
  document.body.replaceChildren();
  ada.close();
  await server.advance(1);
});

/** What is noticed now and stays so for six seconds of the server's time. */
async function noticed(client = ada): Promise<string[]> {
  const watcher = new Watcher();
  const look = () => watcher.look(client.inside, server.clock.now() / 1000);
  expect(look()).toEqual([]);
  await server.advance(6);
  return look().map(({ pitfall, about }) => `${pitfall}: ${about}`);
}

test("the view shows connection, session, streams, holdings and what went by, and no secret", async () => {
  document.body.innerHTML = "<presence-debug></presence-debug>";
  const view = document.querySelector("presence-debug") as PresenceDebugElement;
  const text = () => view.shadowRoot?.textContent ?? "";
  await server.settle();
  expect(text()).toContain("there is no client");
  view.client = ada;
  ada.room("doc:1").join({ colour: "crimson" });
  ada.occupancy("desk").watch();
  await server.advance(1);
  await ada.occupy("desk:7");
  server.cut(4202);
  await server.advance(30);
  const { session_id, resume, leave_token } = ada.inside.connection.welcome ?? {};
  for (const shown of [
    "connected, websocket",
    "4202 cut (comes back)",
    session_id,
    "doc:1",
    "joined",
    "desk:7, fencing",
  ]) {
    expect(text()).toContain(shown);
  }
  for (const went of [
    "→ join doc:1",
    "← occupancy desk",
    "← closed 4202 cut",
    "→ beat",
    " ms",
    "nothing looks wrong",
  ]) {
    expect(text()).toContain(went);
  }
  for (const secret of [resume, leave_token, "dev:ada", "crimson"]) expect(text()).not.toContain(secret);
});

test("no more than fifty events are kept, and the list that is scrolled stays the same", async () => {
  document.body.innerHTML = "<presence-debug></presence-debug>";
  const view = document.querySelector("presence-debug") as PresenceDebugElement;
  view.client = ada;
  ada.room("doc:1").join();
  await server.advance(1);
  const list = view.shadowRoot?.querySelector("[part=events]");
  for (let page = 0; page < 60; page += 1) {
    ada.room("doc:1").update({ page });
    await server.advance(1);
  }
  expect(view.shadowRoot?.querySelector("[part=events]")).toBe(list);
  expect(list?.children.length).toBe(50);
});

test("who does all as it is to be is told of nothing", async () => {
  const room = ada.room("doc:1");
  room.join();
  room.subscribe(() => undefined);
  const bob = ada.user("bob");
  bob.watch();
  bob.subscribe(() => undefined);
  await server.advance(1);
  expect(await noticed()).toEqual([]);
});

test("subscribed but silent: nobody has joined, or the server says no", async () => {
  ada.connect();
  await server.advance(1);
  ada.room("doc:1").subscribe(() => undefined);
  expect(await noticed()).toEqual(["silent: doc:1"]);
});

test("first snapshot but no changes: it is watched, and nobody listens", async () => {
  ada.room("doc:1").watch();
  ada.user("bob").watch();
  ada.occupancy("desk").watch();
  await server.advance(1);
  expect(await noticed()).toEqual(["frozen: doc:1", "frozen: bob", "frozen: desk"]);
});

test("a function that listens twice is noticed, through `on` too", async () => {
  const room = ada.room("doc:1");
  room.join();
  const [changed, joined] = [vi.fn(), vi.fn()];
  room.subscribe(changed);
  room.on("joined", joined);
  const stop = room.on("joined", joined);
  expect(await noticed()).toEqual(["twice: doc:1"]);
  stop();
  expect(await noticed()).toEqual([]);
});

test("two holdings of one user at once", async () => {
  const bob = createClient(server, "bob");
  const desks = ada.occupancy("desk");
  desks.watch();
  desks.subscribe(() => undefined);
  await bob.occupy("desk:1");
  await server.advance(1);
  expect(await noticed()).toEqual([]);
  const held = ["desk:1", "desk:2"].map((resource) => ({ resource, user_id: "bob" }));
  ada.inside.interest.kinds.get("desk")?.take({ type: "occupancy", kind: "desk", epoch: "e", seq: 9, held });
  expect(await noticed()).toEqual(["two holdings: desk"]);
  bob.close();
});

test("somebody shown beyond every bound is a ghost", async () => {
  const room = ada.room("doc:1");
  room.join();
  room.subscribe(() => undefined);
  await server.advance(1);
  server.isDown = true;
  server.cut();
  const watcher = new Watcher();
  const look = () => watcher.look(ada.inside, server.clock.now() / 1000).map(({ pitfall }) => pitfall);
  for (const seconds of [1, 150, 8]) {
    await server.advance(seconds);
    expect(look()).toEqual([]);
  }
  await server.advance(3);
  look();
  await server.advance(6);
  expect(look()).toEqual(["ghost"]);
  server.isDown = false;
  await server.advance(40);
  expect(look()).toEqual([]);
});
