import { expect, test } from "vitest";
import { Refused } from "../src/index.ts";
import { BadSignature, createPresenceServer, forwardRoute, tokenRoute, verifyWebhook } from "../src/server/index.ts";
import { KEY, webhook } from "./webhook.ts";

const NOW = 1_800_000_000;

/** A server that answers each call with the next of these, and keeps what it was asked. */
function answering(...answers: [status: number, body: object | null][]) {
  const asked: { path: string; method: string; key: string | null; body: string }[] = [];
  const send = async (url: RequestInfo | URL, init?: RequestInit) => {
    const request = new Request(url, init);
    const path = new URL(request.url).pathname;
    const body = await request.text();
    asked.push({ path, method: request.method, key: request.headers.get("x-api-key"), body });
    const [status, answer] = answers.shift() ?? [500, {}];
    return new Response(answer && JSON.stringify(answer), { status });
  };
  return { asked, send, server: createPresenceServer({ url: "https://here.test/", apiKey: "hk_1", fetch: send }) };
}

test("a server mints, reads and sweeps with its key", async () => {
  const swept = { dry_run: true, sessions: 3, lost: 0, removed: {}, ghosts: 0, audited: false };
  const { asked, server } = answering(
    [200, { token: "t", expires_at: 5 }],
    [200, { users: [{ user_id: "ada", status: "online" }] }],
    [200, { room: "doc:a/b", count: 2 }],
    [200, { held: [] }],
    [200, swept],
    [403, { code: "forbidden", detail: "the key does not grant this" }],
  );
  expect(await server.mintToken({ user_id: "ada", rooms: { "doc:*": ["join"] } })).toEqual({
    token: "t",
    expires_at: 5,
  });
  expect(await server.users(["ada"])).toMatchObject([{ status: "online" }]);
  expect(await server.count("doc:a/b")).toBe(2);
  expect(await server.holdings("desk")).toEqual([]);
  expect(await server.sweep({ dry_run: true })).toEqual(swept);
  await expect(server.sweep()).rejects.toMatchObject({ code: "forbidden" });
  expect(asked.map(({ method, path }) => `${method} ${path}`)).toEqual([
    "POST /v1/tokens",
    "POST /v1/users/query",
    "GET /v1/rooms/doc%3Aa%2Fb/count",
    "GET /v1/occupancy/desk",
    "POST /v1/admin/sweep",
    "POST /v1/admin/sweep",
  ]);
  expect(new Set(asked.map(({ key }) => key))).toEqual(new Set(["hk_1"]));
});

test("in every doubt a push is sent", async () => {
  const { server } = answering([200, { notify: false, reason: "here" }], [503, {}]);
  expect([await server.shouldNotify("ada"), await server.shouldNotify("ada")]).toEqual([false, true]);
  await expect(server.count("x")).rejects.toBeInstanceOf(Refused);
});

test("a route gives tokens to who is signed in, and to nobody else", async () => {
  const { asked, server } = answering([200, { token: "t" }]);
  const route = tokenRoute(server, (request) => {
    const user_id = request.headers.get("cookie");
    return user_id ? { user_id } : undefined;
  });
  expect((await route(new Request("https://app.test/token"))).status).toBe(401);
  const given = await route(new Request("https://app.test/token", { headers: { cookie: "ada" } }));
  expect([await given.text(), given.headers.get("cache-control")]).toEqual(["t", "no-store"]);
  expect(asked.map(({ body }) => JSON.parse(body))).toEqual([{ user_id: "ada" }]);
});

test("a route passes beats and leaves on, without the key, and nothing else", async () => {
  const { asked, send, server } = answering([200, { session_id: "s" }], [204, null]);
  const route = forwardRoute(server, send);
  const post = (path: string, body: string) =>
    route(new Request(`https://app.test/api/${path}`, { method: "POST", body }));
  expect(await (await post("presence/heartbeat", "{}")).json()).toEqual({ session_id: "s" });
  expect((await post("presence/leave", '{"leave_token":"l"}')).status).toBe(204);
  expect((await post("admin/clear", "{}")).status).toBe(404);
  expect((await route(new Request("https://app.test/api/presence/leave"))).status).toBe(404);
  expect(asked).toMatchObject([
    { path: "/v1/heartbeat", key: null, body: "{}" },
    { path: "/v1/leave", key: null, body: '{"leave_token":"l"}' },
  ]);
});

test("a genuine webhook is read; one changed, strange, old or without headers is refused", async () => {
  const event = JSON.stringify({ id: "evt_1", seq: 1, type: "user.online", data: { user_id: "ada" } });
  const secret = `whsec_${KEY}`;
  expect(await verifyWebhook(webhook(event, { sentAt: NOW }), secret, NOW + 299)).toMatchObject({
    type: "user.online",
  });
  const bad = [
    webhook(event, { sentAt: NOW, signed: "{}" }),
    webhook(event, { sentAt: NOW, key: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" }),
    webhook(event, { sentAt: NOW - 301 }),
    webhook(event, { sentAt: Number.NaN }),
    new Request("https://app.test/hooks", { method: "POST", body: event }),
  ];
  for (const one of bad) await expect(verifyWebhook(one, secret, NOW)).rejects.toBeInstanceOf(BadSignature);
  await expect(verifyWebhook(webhook(event, { sentAt: NOW }), "secret", NOW)).rejects.toThrow("whsec_");
});

test("the vector of the specification", async () => {
  const headers = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
  };
  const request = new Request("https://app.test/", { method: "POST", headers, body: '{"test": 2432232314}' });
  expect(await verifyWebhook(request, `whsec_${KEY}`, 1_614_265_330)).toEqual({ test: 2_432_232_314 });
});
