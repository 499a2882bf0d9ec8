// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Presence } from "../src/index.ts";
import { createClient, createServer, type MemoryServer } from "../src/testing/index.ts";

let server: MemoryServer;
let visibility = "visible";
let clients: Presence[] = [];

beforeEach(() => {
  server = createServer({ policy: { idle_after_seconds: 30 } });
  visibility = "visible";
  vi.spyOn(document, "visibilityState", "get").mockImplementation(() => visibility as DocumentVisibilityState);
  navigator.sendBeacon = (url, body) => {
    void server.world().fetch(String(url), { body: String(body) });
    return true;
  };
  sessionStorage.clear();
});
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});

function open(user: string): Presence {
  const client = createClient(server, user);
  clients = [...clients, client];
  client.room("doc:1").join();
  return client;
}

const see = (state: string) => {
  visibility = state;
  document.dispatchEvent(new Event("visibilitychange"));
};
const transition = (name: string, persisted: boolean) =>
  globalThis.dispatchEvent(Object.assign(new Event(name), { persisted }));
const status = (of: Presence, user: string) => of.user(user).getSnapshot()?.status;

test("a hidden page is away, and says so at once", async () => {
  const ada = open("ada");
  ada.user("ada").watch();
  await server.advance(1);
  expect(status(ada, "ada")).toBe("online");
  see("hidden");
  await server.settle();
  expect(server.said("beat")).toMatchObject([{ visible: false }]);
  expect(status(ada, "ada")).toBe("away");
  see("visible");
  await server.settle();
  expect(status(ada, "ada")).toBe("online");
});

test("without input one is idle, and the first key after it says otherwise at once", async () => {
  const ada = open("ada");
  ada.user("ada").watch();
  await server.advance(61);
  expect(status(ada, "ada")).toBe("idle");
  const before = server.said("beat").length;
  for (let key = 0; key < 5; key += 1) document.body.dispatchEvent(new KeyboardEvent("keydown", { bubbles: true }));
  await server.settle();
  expect(server.said("beat").slice(before)).toMatchObject([{ active: true }]);
  expect(status(ada, "ada")).toBe("online");
});

test("who is at work is not idle for a server that begins anew, and who is idle is not back", async () => {
  const ada = open("ada");
  ada.user("ada").watch();
  await server.advance(20);
  server.restart();
  await server.advance(2);
  expect(status(ada, "ada")).toBe("online");
  await server.advance(60);
  server.restart();
  await server.advance(2);
  expect(status(ada, "ada")).toBe("idle");
  document.body.dispatchEvent(new KeyboardEvent("keydown", { bubbles: true }));
  await server.settle();
  expect(status(ada, "ada")).toBe("online");
});

test("a page that goes hands its leave token in, to wait for the grace; a reload comes back within it", async () => {
  const first = open("ada");
  await server.advance(1);
  const joinedAt = first.room("doc:1").getSnapshot().self?.joined_at;
  transition("pagehide", false);
  await server.settle();
  expect(server.said("leave_token")).toMatchObject([{ after_seconds: 10 }]);
  await server.advance(2);
  const next = open("ada");
  await server.advance(20);
  expect(server.said("hello").at(-1)?.resume).toMatch(/^resume-/);
  expect(server.said("join").length).toBe(1);
  expect(next.room("doc:1").getSnapshot()).toMatchObject({ count: 1, self: { joined_at: joinedAt } });
});

test("a page that goes and does not come back has left when the grace is over", async () => {
  open("ada");
  await server.advance(1);
  transition("pagehide", false);
  await server.advance(9);
  expect(server.membersOf("doc:1")).toEqual(["ada"]);
  await server.advance(2);
  expect(server.membersOf("doc:1")).toEqual([]);
});

test("the secret is there for one page only: a duplicated tab finds none", async () => {
  open("ada");
  await server.advance(1);
  expect(sessionStorage.length).toBe(0);
  transition("pagehide", false);
  expect(sessionStorage.length).toBe(1);
  open("ada");
  expect(sessionStorage.length).toBe(0);
});

test("two clients of one page find their own secrets after a reload", async () => {
  const [ada, bob] = [open("ada"), open("bob")];
  await server.advance(1);
  const joinedAt = [ada, bob].map((client) => client.room("doc:1").getSnapshot().self?.joined_at);
  transition("pagehide", false);
  await server.advance(2);
  const next = [open("ada"), open("bob")];
  await server.advance(20);
  expect(server.said("join").length).toBe(2);
  expect(next.map((client) => client.room("doc:1").getSnapshot().self?.joined_at)).toEqual(joinedAt);
});

test("a page that comes back from the back-forward cache resumes at once", async () => {
  const ada = open("ada");
  await server.advance(1);
  transition("pagehide", true);
  await server.advance(5);
  expect(ada.room("doc:1").getSnapshot().stale).toBe(true);
  transition("pageshow", true);
  await server.settle();
  expect(ada.room("doc:1").getSnapshot().stale).toBe(false);
  expect(sessionStorage.length).toBe(0);
  await server.advance(20);
  expect(server.membersOf("doc:1")).toEqual(["ada"]);
});

test("a network that is back, or a page that is seen again, does not wait for the back-off", async () => {
  const ada = open("ada");
  await server.advance(1);
  server.isDown = true;
  server.cut();
  await server.advance(40);
  server.isDown = false;
  globalThis.dispatchEvent(new Event("online"));
  await server.settle();
  expect(ada.connection.getSnapshot().state).toBe("connected");
});

test("working in one tab keeps the person active in the other", async () => {
  const ada = open("ada");
  await server.advance(61);
  const channel = new BroadcastChannel("hereabouts:http://presence.test");
  channel.postMessage("bob");
  channel.postMessage("ada");
  await vi.waitFor(async () => {
    await server.settle();
    expect(server.said("beat").at(-1)).toMatchObject({ active: true });
  });
  expect(server.said("beat").filter(({ active }) => active).length).toBe(1);
  channel.close();
  ada.close();
});

test("a page that is signed out keeps no secret", async () => {
  const ada = open("ada");
  await server.advance(1);
  ada.close();
  transition("pagehide", false);
  expect(sessionStorage.length).toBe(0);
  expect(server.said("leave_token")).toEqual([]);
});
