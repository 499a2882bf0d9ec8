/** Accounts, each with one holder, as an admin and as an agent see them at the same time. */
import { Refused } from "hereabouts";
import { at, button, make } from "./page.ts";
import { client, clientOf, user } from "./who.ts";

const NAMES = ["north", "south", "harbour"];

function row(name: string): HTMLElement {
  const resource = `account:${name}`;
  const badge = (role: string) => make("td", {}, make("presence-occupancy", { resource, class: `as-${role}` }));
  const told = make("span", { role: "status", class: "told" });
  const act = button("Take", async () => {
    const isMine = client
      .occupancy("account")
      .getSnapshot()
      .held.some((held) => held.self && held.resource === resource);
    try {
      await (isMine ? client.release(resource) : client.occupy(resource));
      told.textContent = "";
    } catch (error) {
      told.textContent = error instanceof Refused && error.code === "occupied" ? "taken" : String(error);
    }
  });
  client.occupancy("account").subscribe(() => {
    const holding = client
      .occupancy("account")
      .getSnapshot()
      .held.find((held) => held.resource === resource);
    act.textContent = holding?.self ? "Give back" : "Take";
    if (!holding) told.textContent = "";
  });
  const head = make("th", { scope: "row" }, name);
  return make("tr", { "data-account": name }, head, badge("admin"), badge("agent"), make("td", {}, act, " ", told));
}

/** Two viewers of the same holdings, beside the client that takes and gives back. */
export function showAccounts(): void {
  client.occupancy("account").watch();
  at("accounts").append(...NAMES.map(row));
  for (const role of ["admin", "agent"]) {
    const viewer = clientOf(`${user}-as-${role}:${role}`);
    for (const badge of document.querySelectorAll(`.as-${role}`)) Object.assign(badge, { client: viewer });
  }
}
