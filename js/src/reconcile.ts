/**
 * What to ask the server for, so that what it gives becomes what is wanted. Pure: a function of the two.
 *
 * The same function serves the first join, a change of mind, and the return after a lost connection.
 */

export interface WantedRoom {
  /** Whether the session is to be a member; then `state` is its own state. */
  readonly isJoined: boolean;
  readonly state: object;
  /** How it is to be looked at where it is not joined: with the list, or the count alone. */
  readonly mode?: Mode | undefined;
}

export type Mode = "roster" | "count";

export interface Wanted {
  readonly rooms: ReadonlyMap<string, WantedRoom>;
  readonly users: ReadonlySet<string>;
  readonly kinds: ReadonlySet<string>;
}

/** What was asked for on this connection, and on resumed sessions what the server restored. */
export class Told {
  joined = new Set<string>();
  watched = new Map<string, Mode>();
  users = new Set<string>();
  kinds = new Set<string>();
}

export type Request =
  | { readonly type: "join"; readonly room: string; readonly state: object }
  | { readonly type: "leave"; readonly room: string }
  | { readonly type: "watch"; readonly rooms: string[]; readonly mode: Mode }
  | { readonly type: "watch" | "unwatch"; readonly users: string[] }
  | { readonly type: "watch" | "unwatch"; readonly occupancy: string[] }
  | { readonly type: "unwatch"; readonly rooms: string[] };

/** The requests that lead from `told` to `wanted`; `told` is brought up to date. What is begun comes before what ends. */
export function reconcile(wanted: Wanted, told: Told): Request[] {
  const begins: Request[] = [];
  const ends: Request[] = [];
  const watch: Record<Mode, string[]> = { roster: [], count: [] };
  for (const [room, want] of wanted.rooms) {
    if (want.isJoined && !told.joined.has(room)) {
      told.joined.add(room);
      begins.push({ type: "join", room, state: want.state });
    }
    const mode = want.isJoined ? undefined : want.mode;
    if (mode && told.watched.get(room) !== mode) {
      told.watched.set(room, mode);
      watch[mode].push(room);
    }
  }
  for (const mode of ["roster", "count"] as const) {
    if (watch[mode].length) begins.push({ type: "watch", rooms: watch[mode], mode });
  }
  for (const room of [...told.joined]) {
    if (wanted.rooms.get(room)?.isJoined) continue;
    told.joined.delete(room);
    ends.push({ type: "leave", room });
  }
  const unwatched = [...told.watched.keys()].filter((room) => !isWatched(wanted.rooms.get(room)));
  for (const room of unwatched) told.watched.delete(room);
  if (unwatched.length) ends.push({ type: "unwatch", rooms: unwatched });
  move(wanted.users, told.users, (type, users) => (type === "watch" ? begins : ends).push({ type, users }));
  move(wanted.kinds, told.kinds, (type, occupancy) => (type === "watch" ? begins : ends).push({ type, occupancy }));
  return [...begins, ...ends];
}

function isWatched(want: WantedRoom | undefined): boolean {
  return !!want && !want.isJoined && want.mode !== undefined;
}

function move(
  wanted: ReadonlySet<string>,
  told: Set<string>,
  ask: (type: "watch" | "unwatch", names: string[]) => void,
): void {
  const more = [...wanted].filter((name) => !told.has(name));
  const less = [...told].filter((name) => !wanted.has(name));
  for (const name of more) told.add(name);
  for (const name of less) told.delete(name);
  if (more.length) ask("watch", more);
  if (less.length) ask("unwatch", less);
}
