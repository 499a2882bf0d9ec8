import { expect, test } from "vitest";
import { createPresence, Refused, SessionEnded } from "../src/index.ts";
import { createClient, createServer, type MemoryServer } from "../src/testing/index.ts";

const names = (members: readonly { user_id: string }[]) => members.map(({ user_id }) => user_id).sort();
const types = (server: MemoryServer) => server.frames.map(({ type }) => type);

test("nothing is connected before something is asked for", async () => {
  const server = createServer();
  const ada = createClient(server, "ada");
  await server.advance(60);
  expect(ada.connection.getSnapshot().state).toBe("idle");
  expect(server.frames).toEqual([]);
});

test("two people in a room see each other", async () => {
  const server = createServer();
  const [ada, bob] = [createClient(server, "ada"), createClient(server, "bob")];
  const lease = ada.room("doc:1").join({ colour: "red" });
  await lease.ready;
  bob.room("doc:1").join();
  await server.advance(1);
  const seen = ada.room("doc:1").getSnapshot();
  expect(names(seen.members)).toEqual(["ada", "bob"]);
  expect(names(seen.others)).toEqual(["bob"]);
  expect(seen.self).toMatchObject({ user_id: "ada", state: { colour: "red" } });
  expect(seen).toMatchObject({ count: 2, isKnown: true, stale: false });
});

test("a snapshot is the same object until something else is to be shown, and a beat shows nothing", async () => {
  const server = createServer();
  const ada = createClient(server, "ada");
  const room = ada.room("doc:1");
  let told = 0;
  room.join();
  await server.advance(1);
  room.subscribe(() => (told += 1));
  ada.connection.subscribe(() => (told += 1));
  const before = room.getSnapshot();
  ada.noteInput();
  await server.advance(120);
  expect(server.said("beat").length).toBeGreaterThanOrEqual(6);
  expect(room.getSnapshot()).toBe(before);
  expect(told).toBe(0);
});

test("any number of leases are one join, and the last one to go is one leave, a moment later", async () => {
  const server = createServer();
  const ada = createClient(server, "ada");
  const first = ada.room("doc:1").join();
  const second = ada.room("doc:1").join();
  await server.advance(1);
  first.release();
  first.release();
  await server.advance(1);
  second.release();
  const third = ada.room("doc:1").join();
  await server.advance(1);
  expect(types(server)).toEqual(["hello", "join"]);
  third.release();
  await server.advance(0.2);
  expect(server.membersOf("doc:1")).toEqual(["ada"]);
  await server.advance(0.1);
  expect(types(server)).toEqual(["hello", "join", "leave"]);
});

test("an explicit leave wins over every lease, until somebody joins again", async () => {
  const server = createServer();
  const ada = createClient(server, "ada");
  const lease = ada.room("doc:1").join();
  await server.advance(1);
  ada.room("doc:1").leave();
  await server.advance(1);
  expect(server.membersOf("doc:1")).toEqual([]);
  lease.release();
  ada.room("doc:1").join();
  await server.advance(1);
  expect(server.membersOf("doc:1")).toEqual(["ada"]);
});

test("updates are merged and sent at most every 100 ms, the newest always", async () => {
  const server = createServer();
  const ada = createClient(server, "ada");
  const room = ada.room("doc:1");
  room.join();
  await server.advance(1);
  for (let x = 0; x < 10; x += 1) room.update({ x, ...(x === 3 && { y: 1 }) });
  await server.advance(1);
  expect(server.said("update").map(({ state }) => state)).toEqual([{ x: 0 }, { x: 9, y: 1 }]);
  expect(room.getSnapshot().self?.state).toEqual({ x: 9, y: 1 });
});

test("offline only the newest state is kept, what is known is stale, and a resume is no leave", async () => {
  const server = createServer();
  const [ada, bob] = [createClient(server, "ada"), createClient(server, "bob")];
  const left: string[] = [];
  bob.room("doc:1").on("left", ({ user_id }) => left.push(user_id));
  bob.room("doc:1").join();
  const room = ada.room("doc:1");
  room.join({ x: 0 });
  await server.advance(1);
  server.isDown = true;
  server.cut();
  await server.settle();
  expect(room.getSnapshot()).toMatchObject({ stale: true, count: 2 });
  expect(ada.connection.getSnapshot()).toMatchObject({ state: "reconnecting", isInterrupted: false });
  room.update({ x: 1 });
  room.update({ x: 2, y: null });
  await server.advance(5.5);
  expect(ada.connection.getSnapshot().isInterrupted).toBe(true);
  server.isDown = false;
  await server.advance(3);
  expect(room.getSnapshot()).toMatchObject({ stale: false, count: 2, self: { state: { x: 2 } } });
  expect(server.said("update").map(({ state }) => state)).toEqual([{ x: 2, y: null }]);
  expect(server.said("hello").at(-1)).toMatchObject({
    resume: expect.any(String),
    seen: { "doc:1": ["e1", expect.any(Number)] },
  });
  expect(server.said("join").length).toBe(2);
  expect(left).toEqual([]);
});

test("who was another before sees nothing of what the other saw, not for one frame", async () => {
  const server = createServer();
  let user = "ada";
  const client = createClient(server, "ada", { getToken: () => `dev:${user}` });
  client.room("doc:1").join();
  client.user("cat").watch();
  await server.advance(1);
  const seen: (string | undefined)[] = [];
  client.room("doc:1").subscribe(() => seen.push(client.room("doc:1").getSnapshot().self?.user_id));
  user = "bob";
  server.cut(4100);
  await server.advance(5);
  const from = seen.indexOf("bob");
  expect(from).toBeGreaterThan(0);
  expect(seen.slice(seen.lastIndexOf("ada") + 1)).toContain(undefined);
  expect(seen.slice(from)).not.toContain("ada");
  expect(client.connection.getSnapshot().user?.id).toBe("bob");
});

test("a server that forgot everything gets all of it again", async () => {
  const server = createServer();
  const ada = createClient(server, "ada");
  ada.room("doc:1").join({ x: 1 });
  ada.room("doc:1").update({ y: 2 });
  ada.room("doc:2").watch("count");
  ada.user("bob").watch();
  await server.advance(1);
  server.restart();
  await server.advance(1);
  expect(ada.room("doc:1").getSnapshot()).toMatchObject({ stale: false, self: { state: { x: 1, y: 2 } } });
  expect(server.said("watch").length).toBe(4);
});

test("a socket that answers no beat is let go within five seconds", async () => {
  const server = createServer();
  const world = server.world();
  let isDeaf = false;
  const socket = (url: string, protocol: string) => {
    const made = world.socket(url, protocol);
    const send = made.send.bind(made);
    made.send = (text) => isDeaf || send(text as string);
    return made;
  };
  const ada = createClient(server, "ada", { world: { ...world, socket } });
  ada.room("doc:1").join();
  await server.advance(1);
  isDeaf = true;
  await server.advance(20);
  isDeaf = false;
  await server.advance(5);
  expect(server.said("hello").length).toBe(2);
  expect(server.membersOf("doc:1")).toEqual(["ada"]);
});

test("who types is told, as often as needed, and stops by itself", async () => {
  const server = createServer();
  const [ada, bob] = [createClient(server, "ada"), createClient(server, "bob")];
  bob.room("doc:1").join();
  ada.room("doc:1").join();
  await server.advance(1);
  for (let key = 0; key < 8; key += 1) {
    ada.room("doc:1").typing();
    await server.advance(0.5);
  }
  expect(bob.room("doc:1").getSnapshot().typing).toEqual(["ada"]);
  expect(server.said("typing").length).toBe(2);
  await server.advance(4);
  expect(bob.room("doc:1").getSnapshot().typing).toEqual([]);
});

test("users are watched while somebody looks, all in one frame", async () => {
  const server = createServer();
  const [ada, bob] = [createClient(server, "ada"), createClient(server, "bob")];
  const leases = ["bob", "cat", "bob"].map((id) => ada.user(id).watch());
  await leases[0]?.ready;
  expect(ada.user("bob").getSnapshot()).toMatchObject({ status: "offline" });
  bob.connect();
  await server.advance(1);
  expect(ada.user("bob").getSnapshot()).toMatchObject({ status: "online" });
  expect(server.said("watch").map(({ users }) => users)).toEqual([["bob", "cat"]]);
  for (const lease of leases) lease.release();
  await server.advance(1);
  expect(server.said("unwatch").map(({ users }) => users)).toEqual([["bob", "cat"]]);
  expect(ada.user("bob").getSnapshot()).toBeUndefined();
  expect(await ada.lookUp(["bob"])).toMatchObject([{ user_id: "bob", status: "online" }]);
});

test("a resource has one holder, and everybody who looks sees who", async () => {
  const server = createServer();
  const [ada, bob] = [createClient(server, "ada"), createClient(server, "bob")];
  bob.occupancy("desk").watch();
  await server.advance(1);
  expect(bob.occupancy("desk").getSnapshot()).toEqual({ held: [], isKnown: true });
  expect(await ada.occupy("desk:1")).toMatchObject({ resource: "desk:1", fencing: expect.any(Number) });
  await expect(bob.occupy("desk:1")).rejects.toMatchObject({ name: "Refused", code: "occupied" });
  expect(await ada.occupy("desk:2")).toMatchObject({ moved_from: "desk:1" });
  await server.settle();
  expect(bob.occupancy("desk").getSnapshot().held).toMatchObject([{ resource: "desk:2", user_id: "ada" }]);
  const heard: unknown[] = [];
  ada.onHolding((event) => heard.push(event));
  await bob.occupy("desk:2", { takeOver: true });
  await server.settle();
  expect(heard).toMatchObject([{ event: "released", resource: "desk:2", cause: "taken_over", self: true }]);
  expect(bob.occupancy("desk").getSnapshot().held).toMatchObject([{ resource: "desk:2", self: true }]);
  await bob.release("desk:2");
  await server.settle();
  expect(bob.occupancy("desk").getSnapshot().held).toEqual([]);
});

test("a status that is declared offline waits, and only the newest is said", async () => {
  const server = createServer();
  const ada = createClient(server, "ada");
  server.isDown = true;
  ada.connect();
  const first = ada.setStatus("busy");
  const second = ada.setStatus("dnd", { text: "deep work" });
  await server.advance(1);
  server.isDown = false;
  await server.advance(10);
  await Promise.all([first, second]);
  expect(server.said("status")).toMatchObject([{ status: "dnd", text: "deep work" }]);
});

test("closing is a leave at once, and connecting again is a new session with what is still wanted", async () => {
  const server = createServer();
  let user = "ada";
  const presence = createPresence({
    url: "http://x.test",
    transport: "websocket",
    getToken: () => `dev:${user}`,
    world: server.world(),
  });
  presence.room("doc:1").join();
  await server.advance(1);
  presence.close();
  await server.settle();
  expect(server.membersOf("doc:1")).toEqual([]);
  expect(presence.room("doc:1").getSnapshot()).toMatchObject({ isKnown: false, members: [] });
  user = "bob";
  presence.connect();
  await server.advance(1);
  expect(server.membersOf("doc:1")).toEqual(["bob"]);
  expect(presence.room("doc:1").getSnapshot().self?.user_id).toBe("bob");
});

test("who is cleared by an admin does not come back, and is told why", async () => {
  const server = createServer();
  const ada = createClient(server, "ada");
  ada.room("doc:1").join();
  await server.advance(1);
  server.clear("ada");
  await server.advance(60);
  expect(ada.connection.getSnapshot()).toMatchObject({ state: "closed", error: { name: "SessionEnded", code: 4003 } });
  expect(server.said("hello").length).toBe(1);
  await expect(ada.room("doc:2").join().ready).rejects.toBeInstanceOf(SessionEnded);
});

test("a token that is refused is asked for again", async () => {
  const server = createServer();
  const tokens = ["stale", "dev:ada"];
  const ada = createClient(server, "ada", { getToken: () => tokens.shift() ?? "none" });
  await Promise.race([ada.room("doc:1").join().ready, server.advance(5)]);
  expect(ada.connection.getSnapshot().state).toBe("connected");
  expect(tokens).toEqual([]);
});

test("a token that runs out is renewed before, without a new connection", async () => {
  const server = createServer();
  const token = () => `dev:ada.${btoa(JSON.stringify({ exp: server.clock.wall() / 1000 + 100 }))}.x`;
  const ada = createClient(server, "ada", { getToken: token });
  ada.room("doc:1").join();
  await server.advance(200);
  expect(server.said("refresh").length).toBe(2);
  expect(server.said("hello").length).toBe(1);
});

test("a room that is refused says so, and is asked for again by who takes it anew", async () => {
  const server = createServer();
  const world = server.world();
  let isRefusing = true;
  const socket = (url: string, protocol: string) => {
    const made = world.socket(url, protocol);
    const send = made.send.bind(made);
    made.send = (text) => {
      const { type, id } = JSON.parse(text as string);
      if (type !== "join" || !isRefusing) send(text as string);
      else {
        const data = JSON.stringify({ type: "error", id, code: "forbidden", message: "no" });
        queueMicrotask(() => made.onmessage?.({ data } as MessageEvent));
      }
    };
    return made;
  };
  const ada = createClient(server, "ada", { world: { ...world, socket } });
  const lease = ada.room("doc:1").join();
  await expect(lease.ready).rejects.toBeInstanceOf(Refused);
  expect(ada.room("doc:1").getSnapshot().error?.code).toBe("forbidden");
  isRefusing = false;
  lease.release();
  await server.advance(1);
  await ada.room("doc:1").join().ready;
  expect(ada.room("doc:1").getSnapshot()).toMatchObject({ error: undefined, count: 1 });
});

test("the server's time is known, whatever the own clock says", async () => {
  const server = createServer();
  const ada = createClient(server, "ada", { world: { ...server.world(), wall: () => server.clock.wall() - 90_000 } });
  ada.connect();
  await server.advance(1);
  expect(ada.serverNow()).toBe(server.clock.wall());
});
