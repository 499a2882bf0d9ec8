// @vitest-environment happy-dom
import { afterEach, expect, test, vi } from "vitest";
import "../src/elements/index.ts";
import type { PresenceElement, PresenceProviderElement } from "../src/elements/index.ts";
import { createPresence, type World } from "../src/index.ts";
import { VirtualClock } from "../src/testing/index.ts";

afterEach(() => document.body.replaceChildren());

function off() {
  const clock = new VirtualClock();
  const forbidden = vi.fn(() => {
    throw new Error("presence is switched off: nothing is to be asked of a server");
  });
  const world: World = {
    now: () => clock.now(),
    wall: () => clock.wall(),
    after: (seconds, call) => clock.after(seconds, call),
    random: () => 0.5,
    socket: forbidden,
    fetch: forbidden,
  };
  return { clock, forbidden, client: createPresence({ url: "/none", getToken: forbidden, enabled: false, world }) };
}

test("switched off, every call works, nobody is here and nothing is connected", async () => {
  const { clock, forbidden, client } = off();
  const room = client.room("doc:1");
  const leases = [room.join({ colour: "red" }), client.room("doc:2").watch("count")];
  leases.push(client.user("bob").watch(), client.occupancy("desk").watch());
  await Promise.all(leases.map((lease) => lease.ready));
  room.update({ colour: "blue" });
  room.typing();
  await client.setStatus("dnd");
  expect((await client.occupy("desk:7")).fencing).toBe(0);
  await client.release("desk:7", 0);
  expect(await client.lookUp(["bob"])).toEqual([{ user_id: "bob", status: "offline" }]);
  expect(room.getSnapshot()).toMatchObject({ isKnown: true, members: [], count: 0, stale: false, error: undefined });
  expect(client.user("bob").getSnapshot()).toMatchObject({ status: "offline" });
  expect(client.occupancy("desk").getSnapshot()).toEqual({ isKnown: true, held: [] });
  await clock.advance(7 * 86_400);
  client.hurry();
  await clock.advance(60);
  const { isInterrupted, transport, error } = client.connection.getSnapshot();
  expect({ isInterrupted, transport, error }).toEqual({ isInterrupted: false, transport: undefined, error: undefined });
  for (const lease of leases) lease.release();
  client.close();
  await clock.advance(60);
  expect(forbidden).not.toHaveBeenCalled();
});

test("switched off, the elements show nobody", async () => {
  const { clock, client } = off();
  document.body.innerHTML = `<presence-provider room="doc:1" lang="en"><presence-count></presence-count>
    <presence-dot user="bob"></presence-dot><presence-occupancy resource="desk:7"></presence-occupancy></presence-provider>`;
  (document.body.firstElementChild as PresenceProviderElement).client = client;
  await clock.advance(1);
  const texts = [..."presence-count presence-dot presence-occupancy".split(" ")].map(
    (name) => document.querySelector<PresenceElement>(name)?.shadowRoot?.textContent,
  );
  expect(texts).toEqual(["0 here", "offline", "Free"]);
});

test("a lost connection is told with its code, and whether the client comes back", async () => {
  const { createClient, createServer } = await import("../src/testing/index.ts");
  const server = createServer();
  const ada = createClient(server, "ada");
  const told: unknown[] = [];
  const stop = ada.onClose((closed) => told.push(closed));
  ada.connect();
  await server.advance(1);
  server.cut(4202);
  await server.advance(1);
  server.clear("ada");
  await server.advance(1);
  expect(told).toEqual([
    { code: 4202, reason: "cut", comesBack: true },
    { code: 4003, reason: "cleared", comesBack: false },
  ]);
  stop();
});
