// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, test } from "vitest";
import type { PresenceElement, PresenceProviderElement } from "../src/elements/index.ts";
import "../src/elements/index.ts";
import { age } from "../src/elements/times.ts";
import type { Presence } from "../src/index.ts";
import { createClient, createServer, type MemoryServer } from "../src/testing/index.ts";

let server: MemoryServer;
let ada: Presence;
let bob: Presence;

beforeEach(() => {
  server = createServer();
  ada = createClient(server, "ada");
  bob = createClient(server, "bob");
});
afterEach(async () => {
  document.body.replaceChildren();
  ada.close();
  bob.close();
  await server.advance(1);
});

/** Show elements within a provider of ada's client. */
async function show(html: string, attributes = ""): Promise<void> {
  document.body.innerHTML = `<presence-provider ${attributes} lang="en">${html}</presence-provider>`;
  const provider = document.body.firstElementChild as PresenceProviderElement;
  provider.client = ada;
  await server.advance(1);
}

const root = (name: string) => document.querySelector<PresenceElement>(name)?.shadowRoot as ShadowRoot;
const text = (name: string) => root(name).textContent;

test("a dot says the status as text too", async () => {
  bob.connect();
  await show(`<presence-dot user="bob"></presence-dot>`);
  expect(text("presence-dot")).toBe("online");
  expect(root("presence-dot").querySelector("[part=dot]")?.getAttribute("data-status")).toBe("online");
  await bob.setStatus("dnd", { text: "deep work" });
  await server.settle();
  expect(text("presence-dot")).toBe("do not disturb");
  expect(document.querySelector<HTMLElement>("presence-dot")?.title).toBe("do not disturb: deep work");
});

test("avatars are a list of people, with a count of the rest", async () => {
  const many = ["bob", "cat", "dan", "eve"].map((user) => createClient(server, user));
  for (const one of many) one.room("doc:1").join();
  await show(`<presence-avatars max="3"></presence-avatars>`, `room="doc:1"`);
  const list = root("presence-avatars").querySelector("ul");
  expect(list?.getAttribute("aria-label")).toBe("5 here");
  expect([...(list?.children ?? [])].map((item) => item.textContent)).toEqual(["B", "C", "D", "+2"]);
  document.querySelector("presence-avatars")?.setAttribute("hide-self", "");
  await server.settle();
  expect(root("presence-avatars").querySelector("ul")?.getAttribute("aria-label")).toBe("4 here");
  for (const one of many) one.close();
});

test("a name that looks like markup is text", async () => {
  const name = "<img src=x onerror=alert(1)>";
  const mallory = createClient(server, name);
  mallory.room("doc:1").join();
  await show(
    `<presence-avatars></presence-avatars><presence-typing></presence-typing><presence-occupancy resource="desk:1"></presence-occupancy>`,
    `room="doc:1"`,
  );
  mallory.room("doc:1").typing();
  await mallory.occupy("desk:1");
  await server.advance(0.1);
  expect(text("presence-typing")).toBe(`${name} is typing…`);
  expect(text("presence-occupancy")).toContain(name);
  for (const element of ["presence-avatars", "presence-typing", "presence-occupancy"]) {
    expect(root(element).querySelector("img")).toBeNull();
  }
  mallory.close();
});

test("who types is read out politely, and a field can say that one types oneself", async () => {
  const others = ["bob", "cat", "dan"].map((user) => createClient(server, user));
  for (const one of others) one.room("doc:1").join();
  await show(`<input id="field"><presence-typing for="field"></presence-typing>`, `room="doc:1"`);
  document.getElementById("field")?.dispatchEvent(new Event("input"));
  others[0]?.room("doc:1").typing();
  await server.advance(0.1);
  expect(others[0]?.room("doc:1").getSnapshot().typing).toEqual(["ada"]);
  expect(text("presence-typing")).toBe("bob is typing…");
  const region = root("presence-typing").querySelector("[role=status]");
  expect(region?.getAttribute("aria-live")).toBe("polite");
  others[1]?.room("doc:1").typing();
  others[2]?.room("doc:1").typing();
  await server.advance(0.1);
  expect(text("presence-typing")).toBe("bob, cat, and 1 other are typing…");
  expect(root("presence-typing").querySelector("[role=status]")).toBe(region);
  for (const one of others) one.close();
});

test("a resource is free, occupied by somebody, or one's own", async () => {
  await show(`<presence-occupancy resource="desk:1" label-by="{name} sitzt hier"></presence-occupancy>`);
  const element = document.querySelector("presence-occupancy");
  expect([element?.getAttribute("state"), text("presence-occupancy")]).toEqual(["free", "Free"]);
  await bob.occupy("desk:1");
  await server.settle();
  expect([element?.getAttribute("state"), text("presence-occupancy")]).toEqual(["occupied", "bob sitzt hier"]);
  await bob.release("desk:1");
  element?.setAttribute("label-free", "");
  element?.setAttribute("resource", "desk:2");
  await server.settle();
  expect(element?.hasAttribute("quiet")).toBe(true);
  element?.setAttribute("resource", "desk:1");
  await ada.occupy("desk:1");
  await server.settle();
  expect([element?.getAttribute("state"), text("presence-occupancy")]).toEqual(["mine", "Yours"]);
});

test("last seen is by the server's clock, in the reader's language", async () => {
  bob.connect();
  await show(`<presence-last-seen user="bob"></presence-last-seen>`);
  expect(text("presence-last-seen")).toBe("online now");
  bob.close();
  await server.advance(7200);
  await show(`<presence-last-seen user="bob"></presence-last-seen>`);
  expect(text("presence-last-seen")).toBe("2 hours ago");
  expect(root("presence-last-seen").querySelector("time")?.getAttribute("datetime")).toMatch(/^\d{4}-.*Z$/);
  await show(`<presence-last-seen user="cat"></presence-last-seen>`);
  expect(text("presence-last-seen")).toBe("–");
  expect(age(3 * 3600 + 5, "en")).toEqual({ text: "3 hours ago", changesInSeconds: 3595 });
  expect(age(90, "ar").text).toBe(new Intl.RelativeTimeFormat("ar", { numeric: "auto" }).format(-1, "minute"));
  expect(age(5, "en").text).toBe("now");
  expect(age(-5, "en").text).toBe("now");
  expect(age(86_400, "en").text).toBe("yesterday");
});

test("a count says nobody's name, in the plural of the language", async () => {
  bob.room("doc:1").join();
  await show(`<presence-count room="doc:1" label-one="one person" label-other="{count} people"></presence-count>`);
  expect(text("presence-count")).toBe("one person");
  expect(server.said("watch")).toMatchObject([{ mode: "count", rooms: ["doc:1"] }]);
  expect(server.membersOf("doc:1")).toEqual(["bob"]);
});

test("an element that goes gives its interest back, one that is moved keeps it", async () => {
  await show(`<presence-dot user="bob"></presence-dot><div id="other"></div>`);
  const dot = document.querySelector("presence-dot") as Element;
  document.getElementById("other")?.append(dot);
  await server.advance(1);
  expect([server.said("watch").length, server.said("unwatch").length]).toEqual([1, 0]);
  dot.setAttribute("user", "cat");
  await server.advance(1);
  expect(server.said("unwatch").map(({ users }) => users)).toEqual([["bob"]]);
  dot.remove();
  await server.advance(1);
  expect(server.said("unwatch").map(({ users }) => users)).toEqual([["bob"], ["cat"]]);
});

test("without a provider an element shows nothing and fails at nothing", async () => {
  document.body.innerHTML = `<presence-dot user="bob"></presence-dot><presence-count room="x"></presence-count>`;
  await server.settle();
  expect(text("presence-dot")).toBe("offline");
  expect(text("presence-count")).toBe("");
});
