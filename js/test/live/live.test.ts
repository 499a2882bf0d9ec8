import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { createPresence, type Presence, type PresenceOptions } from "../../src/index.ts";
import { createPresenceServer } from "../../src/server/index.ts";
import { platform } from "../../src/world.ts";
import { API_KEY, LiveServer, until } from "./server.ts";

let server: LiveServer;
let clients: Presence[] = [];

beforeAll(async () => {
  server = await LiveServer.start();
}, 30_000);
afterAll(() => server.end());
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});

function as(user: string, more: Partial<PresenceOptions> = {}): Presence {
  const client = createPresence({ url: server.url, getToken: () => `dev:${user}`, ...more });
  clients = [...clients, client];
  return client;
}

/** The platform's world with every WebSocket that was made. */
function sockets() {
  const made: WebSocket[] = [];
  const socket = (url: string, protocol: string) => {
    const one = platform.socket(url, protocol);
    made.push(one);
    return one;
  };
  return { made, world: { ...platform, socket } };
}

test("join, update, type; a lost socket resumes and nobody has left", { timeout: 30_000 }, async () => {
  const { made, world } = sockets();
  const [ada, bob] = [as("ada", { world }), as("bob")];
  const [mine, his] = [ada.room("doc:1"), bob.room("doc:1")];
  const left: string[] = [];
  his.on("left", ({ user_id }) => left.push(user_id));
  await Promise.all([mine.join({ cursor: [0, 0] }).ready, his.join().ready]);
  await until(() => his.getSnapshot().count === 2);
  mine.update({ cursor: [3, 4] });
  await until(() => JSON.stringify(his.getSnapshot().others[0]?.state) === '{"cursor":[3,4]}');
  mine.typing();
  await until(() => his.getSnapshot().typing[0] === "ada");
  const before = ada.connection.getSnapshot().user;
  made[0]?.close();
  await until(() => made.length === 2 && ada.connection.getSnapshot().state === "connected");
  mine.update({ cursor: [5, 6] });
  await until(() => JSON.stringify(his.getSnapshot().others[0]?.state) === '{"cursor":[5,6]}');
  expect(ada.connection.getSnapshot()).toMatchObject({ transport: "websocket", user: before });
  expect(left).toEqual([]);
  ada.close();
  await until(() => his.getSnapshot().count === 1);
  expect(left).toEqual(["ada"]);
});

test("who looks and then joins, and leaves and goes on looking, misses nothing", { timeout: 30_000 }, async () => {
  const [ada, bob] = [as("ada"), as("bob")];
  const [mine, his] = [ada.room("doc:5"), bob.room("doc:5")];
  const page = () => his.getSnapshot().members.find(({ user_id }) => user_id === "ada")?.state.page;
  await mine.join({ page: 1 }).ready;
  const looks = his.watch();
  await looks.ready;
  const joins = his.join();
  await until(() => mine.getSnapshot().count === 2);
  mine.update({ page: 2 });
  await until(() => page() === 2);
  joins.release();
  await until(() => mine.getSnapshot().count === 1);
  mine.update({ page: 3 });
  await until(() => page() === 3);
  looks.release();
  await until(() => !his.getSnapshot().isKnown);
});

test("users, statuses and counts", { timeout: 30_000 }, async () => {
  const [ada, bob] = [as("ada"), as("bob")];
  await ada.user("bob").watch().ready;
  bob.connect();
  await until(() => ada.user("bob").getSnapshot()?.status === "online");
  await bob.setStatus("dnd", { text: "deep work" });
  await until(() => ada.user("bob").getSnapshot()?.text === "deep work");
  bob.room("doc:2").join();
  await ada.room("doc:2").watch("count").ready;
  await until(() => ada.room("doc:2").getSnapshot().count === 1);
  expect(await ada.lookUp(["nobody", "bob"])).toMatchObject([{ status: "offline" }, { status: "dnd" }]);
  expect(Math.abs(ada.serverNow() - Date.now())).toBeLessThan(2000);
});

test("a resource is held and given back, and an admin sees by whom", { timeout: 30_000 }, async () => {
  const [ada, bob, eve] = [as("ada"), as("bob"), as("eve:admin")];
  await Promise.all([ada, eve].map((client) => client.occupancy("desk").watch().ready));
  await bob.occupy("desk:1");
  await until(() => eve.occupancy("desk").getSnapshot().held[0]?.user_id === "bob");
  await until(() => ada.occupancy("desk").getSnapshot().held.length === 1);
  expect(ada.occupancy("desk").getSnapshot().held).toEqual([{ resource: "desk:1", occupied: true }]);
  await expect(ada.occupy("desk:1")).rejects.toMatchObject({ code: "occupied" });
  await eve.occupy("desk:1", { takeOver: true });
  await until(() => eve.occupancy("desk").getSnapshot().held[0]?.self);
  await eve.release("desk:1");
  await until(() => ada.occupancy("desk").getSnapshot().held.length === 0);
});

test("where WebSockets are blocked it works by HTTP", { timeout: 30_000 }, async () => {
  const blocked = { ...platform, random: () => 0, socket: () => platform.socket("ws://127.0.0.1:9/", "none") };
  const [ada, bob] = [as("ada", { world: blocked }), as("bob")];
  await bob.room("doc:3").join().ready;
  await ada.room("doc:3").join().ready;
  await until(() => bob.room("doc:3").getSnapshot().count === 2);
  expect(ada.connection.getSnapshot()).toMatchObject({ state: "connected", transport: "http" });
  expect(ada.room("doc:3").getSnapshot().count).toBe(2);
  ada.room("doc:3").typing();
  await until(() => bob.room("doc:3").getSnapshot().typing[0] === "ada");
  await ada.occupancy("desk").watch().ready;
  const { fencing } = await ada.occupy("desk:3");
  await until(() => ada.occupancy("desk").getSnapshot().held[0]?.self);
  await ada.release("desk:3", fencing);
  await until(() => ada.occupancy("desk").getSnapshot().held.length === 0);
  await expect(ada.setStatus("busy")).rejects.toMatchObject({ code: "unsupported" });
  bob.room("doc:3").leave();
  await until(() => ada.room("doc:3").getSnapshot().count === 1);
  ada.close();
  await until(async () => (await bob.lookUp(["ada"]))[0]?.status === "offline");
});

test("a server of one's own mints a token, asks, and sweeps", { timeout: 30_000 }, async () => {
  const own = createPresenceServer({ url: server.url, apiKey: API_KEY });
  const { token } = await own.mintToken({ user_id: "zoe", name: "Zoë", rooms: { "doc:*": ["join", "watch"] } });
  const zoe = as("zoe", { getToken: () => token });
  await zoe.room("doc:6/a").join().ready;
  expect(zoe.room("doc:6/a").getSnapshot().self).toMatchObject({ user_id: "zoe", name: "Zoë" });
  expect(await own.count("doc:6/a")).toBe(1);
  expect(await own.users(["zoe", "nobody"])).toMatchObject([{ status: "online" }, { status: "offline" }]);
  expect(await own.shouldNotify("nobody")).toBe(true);
  await zoe.occupy("desk:6");
  expect(await own.holdings("desk")).toMatchObject([{ resource: "desk:6", user_id: "zoe" }]);
  expect(await own.sweep({ dry_run: true })).toMatchObject({ dry_run: true, ghosts: 0 });
  const wrong = createPresenceServer({ url: server.url, apiKey: "hk_wrong" });
  await expect(wrong.sweep()).rejects.toMatchObject({ code: "unauthenticated" });
});

test("a server that is killed and comes back has everybody again", { timeout: 30_000 }, async () => {
  const ada = as("ada", { transport: "websocket", world: { ...platform, random: () => 0.1 } });
  const room = ada.room("doc:4");
  await room.join({ page: 1 }).ready;
  await server.kill();
  await until(() => room.getSnapshot().stale);
  room.update({ page: 2 });
  await server.run();
  // It is stale for a while longer where the server cannot know yet who else comes back.
  await until(() => room.getSnapshot().self?.state.page === 2, 20);
});
