/** Pitfalls that a client can see in itself, each with its remedy. Pure but for the time, which is given. */
import type { Presence } from "../presence.ts";
import type { Listeners } from "../store.ts";

/** A condition has to hold for so long: much is so for a moment. */
const AFTER_SECONDS = 5;

export interface Notice {
  readonly pitfall: "silent" | "ghost" | "two holdings" | "frozen" | "twice";
  readonly about: string;
  readonly text: string;
  readonly remedy: string;
}

type Inside = Presence["inside"];
type Place = Inside["interest"]["rooms"] extends Map<string, infer P> ? P : never;

/** Looks again and again, and tells what has been so for a while. */
export class Watcher {
  readonly #since = new Map<string, number>();
  #disconnectedAt: number | undefined;

  look(inside: Inside, nowSeconds: number): Notice[] {
    const { isConnected } = inside.connection;
    this.#disconnectedAt = isConnected ? undefined : (this.#disconnectedAt ?? nowSeconds);
    const found = [...pitfalls(inside), ...this.#ghosts(inside, nowSeconds)];
    const keys = new Set(found.map(keyOf));
    for (const key of this.#since.keys()) if (!keys.has(key)) this.#since.delete(key);
    return found.filter((notice) => {
      const key = keyOf(notice);
      const since = this.#since.get(key) ?? nowSeconds;
      this.#since.set(key, since);
      return nowSeconds - since >= AFTER_SECONDS;
    });
  }

  /** Without a connection nobody's going is heard of: after the longest lease and the grace, who is shown may be gone. */
  *#ghosts({ connection, interest }: Inside, nowSeconds: number): Iterable<Notice> {
    const { lease_hidden_seconds = 0, grace_seconds = 0 } = connection.welcome?.policy ?? {};
    const silentSeconds = nowSeconds - (this.#disconnectedAt ?? nowSeconds);
    if (silentSeconds <= lease_hidden_seconds + grace_seconds) return;
    for (const [about, { fold }] of interest.rooms) {
      if (!fold.members.size) continue;
      const text = `${fold.members.size} are shown, and nothing was heard for longer than anybody's lease and grace`;
      const remedy = "Show `stale`, or nobody. Is the server reachable? See the last close.";
      yield { pitfall: "ghost", about, text, remedy };
    }
  }
}

const keyOf = ({ pitfall, about, text }: Notice) => JSON.stringify([pitfall, about, text]);

function* pitfalls({ connection, interest }: Inside): Iterable<Notice> {
  for (const [name, place] of interest.rooms) {
    yield* silent(name, place, connection.isConnected);
    yield* frozen(name, place);
    yield* twice(name, place.changes, place.events);
  }
  for (const [name, user] of interest.users) {
    yield* unheard(name, user.watchers, user.listeners.size);
    yield* twice(name, user.listeners);
  }
  for (const [name, kind] of interest.kinds) {
    yield* unheard(name, kind.watchers, kind.listeners.size + interest.happened.size);
    yield* twice(name, kind.listeners);
    yield* twoHoldings(name, kind.getSnapshot().held);
  }
  yield* twice("the connection", connection.shown.listeners, connection.closes);
  yield* twice("holdings", interest.happened);
}

function* silent(about: string, place: Place, isConnected: boolean): Iterable<Notice> {
  const { wants, changes, events, fold, error } = place;
  const pitfall = "silent";
  if (error) {
    const remedy = "The token has to grant the room: see what it says of `rooms`, and the policy's default.";
    yield { pitfall, about, text: `the server says no: ${error.message}`, remedy };
  } else if (!(wants.join + wants.roster + wants.count)) {
    if (!(changes.size + events.size)) return;
    const remedy = "Call `join()` or `watch()`, and keep the lease: `subscribe` and `on` alone ask for nothing.";
    yield { pitfall, about, text: "somebody listens, and nobody has joined or watches", remedy };
  } else if (isConnected && !fold.isKnown) {
    const remedy = "Look for `error` and `degraded` among the events.";
    yield { pitfall, about, text: "it is asked for, and the server has told nothing of it", remedy };
  }
}

function* frozen(about: string, { wants, changes, events, fold }: Place): Iterable<Notice> {
  if (fold.isKnown && (fold.isStale || fold.isDegraded)) {
    const text = "a change was missed, or the server cannot see its store: what is shown is old";
    yield { pitfall: "frozen", about, text, remedy: "Show `stale`. Look for `degraded` and `sync` among the events." };
  }
  yield* unheard(about, fold.isKnown ? wants.roster + wants.count : 0, changes.size + events.size);
}

function* unheard(about: string, watchers: number, listeners: number): Iterable<Notice> {
  if (!watchers || listeners) return;
  const text = "it is watched, and nobody listens: what was read first stays as it is";
  yield {
    pitfall: "frozen",
    about,
    text,
    remedy: "Call `subscribe`, or use a hook or an element; read again when told.",
  };
}

function* twice(about: string, ...listeners: Pick<Listeners<never>, "all">[]): Iterable<Notice> {
  for (const { all } of listeners) {
    if (new Set([...all].map(({ origin }) => origin)).size === all.size) continue;
    const remedy = "Call the function that `subscribe` or `on` gave, in the effect's clean-up, before listening again.";
    yield { pitfall: "twice", about, text: "a function listens twice, and is called twice", remedy };
  }
}

function* twoHoldings(
  kind: string,
  held: readonly { readonly user_id?: string; readonly resource: string }[],
): Iterable<Notice> {
  const first = new Map<string, string>();
  for (const { user_id, resource } of held) {
    if (user_id === undefined) continue;
    const other = first.get(user_id);
    first.set(user_id, resource);
    if (other === undefined) continue;
    const remedy = "Let one `occupy` move the user, instead of occupying before releasing; see the kind's `per_user`.";
    yield { pitfall: "two holdings", about: kind, text: `${user_id} holds ${other} and ${resource}`, remedy };
  }
}
