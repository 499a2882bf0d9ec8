/** A page on the core alone. What it shows and what it heard is in the document; the rest is done through `here`. */
import { become, room as id, makeClient, user } from "./settings.ts";

const client = makeClient();
const room = client.room(id);

const at = (name: string) => document.querySelector(`#${name}`) as HTMLElement;

function item(text: string, data: Record<string, string>): HTMLElement {
  const made = document.createElement("li");
  made.textContent = text;
  Object.assign(made.dataset, data);
  return made;
}

function show(): void {
  const { members, typing } = room.getSnapshot();
  const people = members.map(({ user_id, name, status, state }) =>
    item(`${name ?? user_id} ${JSON.stringify(state)}`, { user: user_id, status }),
  );
  at("people").replaceChildren(...people);
  at("typing").textContent = typing.join(" ");
}

function showConnection(): void {
  const { state, transport, isInterrupted } = client.connection.getSnapshot();
  Object.assign(at("connection").dataset, { state, transport: transport ?? "", interrupted: String(isInterrupted) });
}

room.on("joined", ({ member }) => at("heard").append(item(`${member.user_id} joined`, {})));
room.on("left", ({ user_id }) => at("heard").append(item(`${user_id} left`, {})));
room.subscribe(show);
client.connection.subscribe(showConnection);
at("message").addEventListener("input", () => room.typing());
at("message").addEventListener("blur", () => room.typing(false));
addEventListener("pageshow", ({ persisted }) => Object.assign(document.body.dataset, { persisted: String(persisted) }));

if (!new URLSearchParams(location.search).has("quiet")) room.join({ page: 1 });
showConnection();

/** Sign out, and in again as somebody else. */
function switchTo(another: string): void {
  client.close();
  become(another);
  client.connect();
}

const here = { client, room, switchTo, user: () => user };
Object.assign(globalThis, { here });
export type Here = typeof here;
