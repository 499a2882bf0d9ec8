// @vitest-environment happy-dom
import { act, cleanup, fireEvent, render, screen } from "@testing-library/react";
import { StrictMode, useState } from "react";
import { renderToString } from "react-dom/server";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createPresence, type Presence } from "../src/index.ts";
import * as hooks from "../src/react/index.ts";
import { createClient, createServer, type MemoryServer } from "../src/testing/index.ts";

const { PresenceProvider, RoomProvider } = hooks;

let server: MemoryServer;
let ada: Presence;
let bob: Presence;

beforeEach(() => {
  vi.stubGlobal("IS_REACT_ACT_ENVIRONMENT", true);
  server = createServer();
  ada = createClient(server, "ada");
  bob = createClient(server, "bob");
});
afterEach(() => {
  cleanup();
  ada.close();
  bob.close();
  vi.unstubAllGlobals();
});

const pass = (seconds: number) => act(() => server.advance(seconds));
const of = (user: string, type: string) => server.said(type).filter(({ user_id }) => user_id === user).length;

function Others() {
  const { others, stale } = hooks.usePresence("doc:1");
  return (
    <p>
      {others.map(({ name }) => name).join(",")}
      {stale ? " stale" : ""}
    </p>
  );
}

test("StrictMode, two components and a change of page are one join and one leave on the wire", async () => {
  function App() {
    const [page, turn] = useState(1);
    return (
      <>
        <button type="button" onClick={() => turn(page + 1)}>
          next
        </button>
        {page === 1 && (
          <>
            <Others />
            <Others />
          </>
        )}
        {page === 2 && <Others key="elsewhere" />}
      </>
    );
  }
  render(
    <StrictMode>
      <PresenceProvider client={ada}>
        <App />
      </PresenceProvider>
    </StrictMode>,
  );
  await pass(1);
  fireEvent.click(screen.getByText("next"));
  await pass(5);
  expect([of("ada", "join"), of("ada", "leave")]).toEqual([1, 0]);
  fireEvent.click(screen.getByText("next"));
  await pass(5);
  expect(server.frames.map(({ type }) => type)).toEqual(["hello", "join", "leave"]);
});

test("a heartbeat renders nothing, and neither does what a selector leaves out", async () => {
  const rendered = { all: 0, names: 0, self: 0 };
  function All() {
    hooks.usePresence("doc:1");
    rendered.all += 1;
    return null;
  }
  function Names() {
    const names = hooks.useOthers((others) => others.map(({ name }) => name));
    rendered.names += 1;
    return <p>{names.join()}</p>;
  }
  function Self() {
    hooks.useSelf();
    rendered.self += 1;
    return null;
  }
  bob.room("doc:1").join({ x: 0 });
  render(
    <PresenceProvider client={ada}>
      <RoomProvider room="doc:1">
        <All />
        <Names />
        <Self />
      </RoomProvider>
    </PresenceProvider>,
  );
  await pass(1);
  const before = { ...rendered };
  await pass(100);
  expect(of("ada", "beat")).toBeGreaterThan(3);
  expect(rendered).toEqual(before);
  bob.room("doc:1").update({ x: 1 });
  await pass(1);
  expect(rendered).toEqual({ ...before, all: before.all + 1 });
  expect(screen.getByText("bob")).toBeTruthy();
});

test("on a server it renders nobody, connects nothing and joins nothing", async () => {
  const html = renderToString(
    <PresenceProvider client={ada}>
      <Others />
    </PresenceProvider>,
  );
  await pass(1);
  expect(html).toBe("<p></p>");
  expect(server.frames).toEqual([]);
  expect(ada.connection.getSnapshot().state).toBe("idle");
});

test("who only looks is no member", async () => {
  function Looker() {
    const members = hooks.useMembers("doc:1");
    return <p>{`${members.length} of ${hooks.useCount("doc:1")}`}</p>;
  }
  bob.room("doc:1").join();
  render(
    <PresenceProvider client={ada}>
      <Looker />
    </PresenceProvider>,
  );
  await pass(1);
  expect(screen.getByText("1 of 1")).toBeTruthy();
  expect(server.membersOf("doc:1")).toEqual(["bob"]);
});

test("without a conversation nothing is joined, and choosing one is a join", async () => {
  const heard = vi.fn();
  function Chat({ id }: { id: string | null }) {
    const { others, update } = hooks.usePresence(id);
    const { start } = hooks.useTyping(id);
    hooks.usePresenceEvent(id, "joined", heard);
    start();
    return (
      <button type="button" onClick={() => update({ here: true })}>
        {others.length} of {hooks.useCount(id)} and {hooks.useMembers(id).length}
      </button>
    );
  }
  const chat = (id: string | null) => (
    <PresenceProvider client={ada}>
      <Chat id={id} />
    </PresenceProvider>
  );
  const { rerender } = render(chat(null));
  await pass(1);
  fireEvent.click(screen.getByText("0 of 0 and 0"));
  await pass(1);
  expect(["join", "watch", "update", "typing"].map((type) => of("ada", type))).toEqual([0, 0, 0, 0]);
  rerender(chat("chat:1"));
  await pass(1);
  expect(of("ada", "join")).toBe(1);
  rerender(chat(null));
  await pass(1);
  expect(of("ada", "leave")).toBe(1);
  expect(screen.getByText("0 of 0 and 0")).toBeTruthy();
});

test("typing props say it, and others see it", async () => {
  function Field() {
    const { typing, inputProps } = hooks.useTyping();
    return (
      <>
        <input aria-label="message" {...inputProps} />
        <p>typing: {typing.join()}</p>
      </>
    );
  }
  bob.room("doc:1").join();
  render(
    <PresenceProvider client={ada}>
      <RoomProvider room="doc:1">
        <Field />
      </RoomProvider>
    </PresenceProvider>,
  );
  await pass(1);
  fireEvent.input(screen.getByLabelText("message"), { target: { value: "h" } });
  bob.room("doc:1").typing();
  await pass(0.1);
  expect(bob.room("doc:1").getSnapshot().typing).toEqual(["ada"]);
  expect(screen.getByText("typing: bob")).toBeTruthy();
  fireEvent.blur(screen.getByLabelText("message"));
  await pass(0.1);
  expect(bob.room("doc:1").getSnapshot().typing).toEqual([]);
});

test("statuses of one, of many, and one's own", async () => {
  const told: string[] = [];
  function Statuses() {
    const one = hooks.useUserStatus("bob");
    const many = hooks.useUserStatus(["cat", "bob"]);
    const [mine, declare] = hooks.useMyStatus();
    const { isChildOnline } = hooks.useChildrenPresence({
      childIds: ["bob", "cat"],
      onStatusChange: (id, isOnline) => told.push(`${id} ${isOnline}`),
    });
    return (
      <button type="button" onClick={() => void declare("dnd")}>
        {`${mine?.declared} ${one.status} ${many.map(({ status }) => status)} ${isChildOnline("bob")}`}
      </button>
    );
  }
  render(
    <PresenceProvider client={ada}>
      <Statuses />
    </PresenceProvider>,
  );
  await pass(1);
  fireEvent.click(screen.getByText("available offline offline,offline false"));
  bob.connect();
  await pass(1);
  expect(screen.getByText("dnd online offline,online true")).toBeTruthy();
  expect(told).toEqual(["bob true"]);
});

test("switched off, every hook shows nobody and fails at nothing", async () => {
  const off = createPresence({
    url: "/none",
    getToken: () => Promise.reject(new Error("no token is to be asked for")),
    enabled: false,
    world: server.world(),
  });
  function Page() {
    const { others, stale, error } = hooks.usePresence("doc:1");
    const { status } = hooks.useUserStatus("bob");
    const { held, isKnown } = hooks.useOccupancy("desk");
    const [mine] = hooks.useMyStatus();
    const { isInterrupted } = hooks.useConnectionStatus();
    return (
      <p>{JSON.stringify([others, stale, error, status, held, isKnown, mine, isInterrupted, hooks.useCount("x")])}</p>
    );
  }
  render(
    <PresenceProvider client={off}>
      <Page />
    </PresenceProvider>,
  );
  await pass(60);
  expect(screen.getByText(JSON.stringify([[], false, null, "offline", [], true, null, false, 0]))).toBeTruthy();
  expect(server.frames).toEqual([]);
});

test("holdings, and what one holds oneself", async () => {
  function Desk() {
    const { held, mine, occupy } = hooks.useOccupancy("desk");
    return (
      <button type="button" onClick={() => void occupy("desk:1")}>
        {`${held.length} ${mine?.resource}`}
      </button>
    );
  }
  render(
    <PresenceProvider client={ada}>
      <Desk />
    </PresenceProvider>,
  );
  await pass(1);
  fireEvent.click(screen.getByText("0 undefined"));
  await pass(1);
  expect(screen.getByText("1 desk:1")).toBeTruthy();
});

test("events come without rendering, and the connection is told", async () => {
  const events: string[] = [];
  function Watcher() {
    hooks.usePresenceEvent("doc:1", "joined", ({ member }) => events.push(member.user_id));
    const { activeUsers, isConnected } = hooks.usePresenceManager({ room: "doc:1", autoJoin: true });
    const { state, isInterrupted } = hooks.useConnectionStatus();
    return <p>{`${activeUsers().length} ${isConnected()} ${state} ${isInterrupted}`}</p>;
  }
  render(
    <PresenceProvider client={ada}>
      <Watcher />
    </PresenceProvider>,
  );
  await pass(1);
  bob.room("doc:1").join();
  await pass(1);
  expect(events).toEqual(["bob"]);
  expect(screen.getByText("2 true connected false")).toBeTruthy();
  server.isDown = true;
  server.cut();
  await pass(6);
  expect(screen.getByText("2 false reconnecting true")).toBeTruthy();
});

test("a hook outside a provider says what is missing", () => {
  const quiet = vi.spyOn(console, "error").mockImplementation(() => undefined);
  expect(() => render(<Others />)).toThrow("PresenceProvider");
  quiet.mockRestore();
});
