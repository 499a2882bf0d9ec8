/** The room: who is here, where their pointers are, and the way out and in again. */
import type { Lease, Member } from "hereabouts";
import { at, make } from "./page.ts";
import { client, room as id, pageOf, user } from "./who.ts";

const room = client.room(id);
const board = at("board");
const colours = ["#2f6fde", "#b4482f", "#2c8a57", "#8a4bb8", "#9a6a00", "#0f7f8c"];

interface Shown {
  readonly line: HTMLElement;
  readonly words: HTMLElement;
}
const lines = new Map<string, Shown>();
const pointers = new Map<string, HTMLElement>();

/** The same colour for the same person on every page. */
function colourOf(name: string): string {
  const sum = [...name].reduce((total, letter) => total + (letter.codePointAt(0) ?? 0), 0);
  return colours[sum % colours.length] as string;
}

function lineOf(name: string): Shown {
  const known = lines.get(name);
  if (known) return known;
  const words = make("small");
  const line = make("li", { "data-user": name }, make("presence-dot", { user: name, "show-label": "" }), " ", words);
  const shown = { line, words };
  lines.set(name, shown);
  return shown;
}

function showPeople(members: readonly Member[]): void {
  const names = members.map(({ user_id }) => user_id);
  for (const gone of [...lines.keys()].filter((name) => !names.includes(name))) {
    lines.get(gone)?.line.remove();
    lines.delete(gone);
  }
  for (const member of members) {
    const { line, words } = lineOf(member.user_id);
    if (!line.firstElementChild?.matches("b")) line.prepend(make("b"), " ");
    (line.firstElementChild as HTMLElement).textContent = member.name ?? member.user_id;
    line.dataset.status = member.status;
    const more = [member.text && `“${member.text}”`, (member.sessions ?? 1) > 1 && `${member.sessions} tabs`];
    words.textContent = [...more, member.self && "you"].filter(Boolean).join(" · ");
    if (!line.isConnected) at("people").append(line);
  }
}

function showPointers(others: readonly Member[]): void {
  const seen = new Set<string>();
  for (const { user_id, name, state } of others) {
    const { cursor } = state as { cursor?: readonly [number, number] };
    if (!cursor) continue;
    seen.add(user_id);
    const pointer = pointers.get(user_id) ?? make("span", { class: "pointer" });
    pointer.textContent = name ?? user_id;
    pointer.style.setProperty("--colour", colourOf(user_id));
    pointer.style.translate = `${cursor[0] * board.clientWidth}px ${cursor[1] * board.clientHeight}px`;
    if (!pointer.isConnected) board.append(pointer);
    pointers.set(user_id, pointer);
  }
  for (const [name, pointer] of pointers) {
    if (seen.has(name)) continue;
    pointer.remove();
    pointers.delete(name);
  }
}

function tellPointer({ clientX, clientY }: PointerEvent): void {
  const { left, top, width, height } = board.getBoundingClientRect();
  const within = (part: number) => Math.round(Math.min(1, Math.max(0, part)) * 1000) / 1000;
  room.update({ cursor: [within((clientX - left) / width), within((clientY - top) / height)] });
}

/** Join, and show what happens. */
export function showRoom(): void {
  let lease: Lease | undefined = room.join();
  room.subscribe(() => {
    const { members, others } = room.getSnapshot();
    showPeople(members);
    showPointers(others);
  });
  board.addEventListener("pointermove", tellPointer);
  board.addEventListener("pointerleave", () => room.update({ cursor: null }));
  at("leave").addEventListener("click", () => {
    if (lease) room.leave();
    lease = lease ? undefined : room.join();
    at("leave").textContent = lease ? "Leave the room" : "Join the room";
  });
  at("room").textContent = id;
  const other = user === "ada" ? "bob" : "ada";
  at<HTMLAnchorElement>("other").href = pageOf(other);
  at("other").textContent = `Open it as ${other}`;
  at<HTMLAnchorElement>("same").href = pageOf(user);
}
