/** The client: one connection for all that a page shows of presence. */
import { Connection, type ConnectionClosed, type ConnectionSnapshot, type Ways } from "./connection.ts";
import { Refused } from "./errors.ts";
import type { RoomEvent, RoomEventOf } from "./fold.ts";
import { Interest, type Lease } from "./interest.ts";
import type { Card, Declared, HoldingEvent, Ok, Patch } from "./messages.ts";
import { offline } from "./off.ts";
import { hasPage, Page } from "./page.ts";
import { EMPTY_ROOM, type RoomSnapshot } from "./place.ts";
import type { Readable } from "./store.ts";
import { Typist } from "./typist.ts";
import { type HoldingsSnapshot, NO_HOLDINGS } from "./watched.ts";
import { baseOf } from "./wire.ts";
import { platform as platformWorld, type World } from "./world.ts";

export interface PresenceOptions {
  /** Where the server is: absolute, or a path of the page's own origin. */
  readonly url: string;
  /** Gives a user token. Asked again before it runs out, and after the server has refused it. */
  readonly getToken: () => string | Promise<string>;
  /** A name that the server's policy knows, for example `web` or `ios`. */
  readonly platform?: string;
  /** `auto` (the default) goes over to HTTP where WebSockets are blocked. */
  readonly transport?: "auto" | "websocket" | "http";
  /** `false` switches presence off: every call works, nobody is ever here, nothing is connected. */
  readonly enabled?: boolean;
  /** Clocks and sockets other than the platform's: for tests. */
  readonly world?: World;
}

/** What became of an `occupy`: `fencing` is the number that proves this holding to others. */
export interface Held {
  readonly resource: string;
  readonly since_at: number;
  readonly fencing: number;
  readonly moved_from?: string;
}

/** Something of which one can be told, and which is watched while somebody holds a lease. */
export interface Watchable<T> extends Readable<T> {
  watch(): Lease;
}

/** A room. A cheap name for it: any number of them share one membership. */
export interface Room extends Readable<RoomSnapshot> {
  readonly id: string;
  /** Be a member, with this state, until the lease is released. */
  join(state?: Patch): Lease;
  /** See who is there, or how many, without being a member. */
  watch(mode?: "roster" | "count"): Lease;
  /** Merge keys into the own state; `null` takes a key away. At most ten are sent a second, the newest always. */
  update(patch: Patch): void;
  /** Call with each key that is struck, and with `false` when the text is sent. It stops by itself. */
  typing(on?: boolean): void;
  /** Leave now, whoever else holds a lease. Nobody is back before the next `join`. */
  leave(): void;
  /** Call with each change. Gives the function that ends it. */
  on<E extends RoomEvent["event"]>(event: E, listener: (event: RoomEventOf<E>) => void): () => void;
}

export class Presence {
  /** Whether there is a connection, and what it ended with. */
  readonly connection: Readable<ConnectionSnapshot>;
  readonly #interest: Interest;
  readonly #connection: Connection;
  readonly #world: World;
  readonly #ways: Ways;
  readonly #getToken: PresenceOptions["getToken"];
  readonly #typists = new Map<string, Typist>();
  #page: Page | undefined;

  constructor(options: PresenceOptions) {
    const { url, getToken, platform, enabled = true, world = platformWorld } = options;
    this.#world = world;
    this.#getToken = getToken;
    this.#interest = new Interest(world, () => this.connect());
    // Read when it is first needed: on a server there is no page that a path could belong to.
    let base: string | undefined;
    const ways: Ways = {
      world,
      getToken,
      platform,
      transport: enabled ? (options.transport ?? "auto") : "off",
      get base() {
        base ??= baseOf(url);
        return base;
      },
    };
    this.#ways = ways;
    this.#connection = new Connection(ways, this.#interest);
    this.#interest.connection = this.#connection;
    this.connection = this.#connection.shown;
  }

  /** Connect, and stay connected. The first lease does the same; nothing happens where there is a connection. */
  connect(): void {
    if (hasPage() && !this.#isOff) this.#page ??= new Page(this.#connection, this.#world, this.#ways.base);
    this.#connection.open();
  }

  /** Sign out: the session ends now, for everybody to see. `connect` begins a new one, with whatever is still wanted. */
  close(): void {
    this.#connection.close();
    this.#page?.stop();
    this.#page = undefined;
    this.#interest.forgetAll();
  }

  /** A room by its id. */
  room(id: string): Room {
    const interest = this.#interest;
    return {
      id,
      subscribe: (listener) => interest.place(id).changes.add(listener),
      getSnapshot: () => interest.rooms.get(id)?.getSnapshot() ?? EMPTY_ROOM,
      join: (state = {}) => interest.join(id, state),
      watch: (mode = "roster") => interest.watchRoom(id, mode),
      update: (patch) => interest.update(id, patch),
      typing: (on = true) => this.#typist(id).type(on),
      leave: () => interest.leave(id),
      on: (name, listener) =>
        interest.place(id).events.add((event) => {
          if (event.event === name) listener(event as never);
        }, listener),
    };
  }

  /** A user's card, outside rooms. */
  user(id: string): Watchable<Card | undefined> {
    const interest = this.#interest;
    return {
      subscribe: (listener) => interest.user(id).subscribe(listener),
      getSnapshot: () => interest.users.get(id)?.getSnapshot(),
      watch: () => interest.watchUser(id),
    };
  }

  /** Who holds what of a kind of resource. */
  occupancy(kind: string): Watchable<HoldingsSnapshot> {
    const interest = this.#interest;
    return {
      subscribe: (listener) => interest.kind(kind).subscribe(listener),
      getSnapshot: () => interest.kinds.get(kind)?.getSnapshot() ?? NO_HOLDINGS,
      watch: () => interest.watchKind(kind),
    };
  }

  /** Hold a resource, `kind:name`. Rejects with `Refused`, code `occupied`, where somebody else does. */
  async occupy(resource: string, { takeOver = false } = {}): Promise<Held> {
    const on_conflict = takeOver ? "take_over" : "reject";
    const { type: _, id: __, ...held } = await this.#ask({ type: "occupy", resource, on_conflict });
    return held as Held;
  }

  /** Give a resource back. With an old `fencing` number it is refused with `lease_lost`. */
  async release(resource: string, fencing?: number): Promise<void> {
    await this.#ask({ type: "release", resource, ...(fencing !== undefined && { fencing }) });
  }

  /**
   * Call with what happens to holdings: of the kinds that are watched, and to one's own always, so that who has to give
   * way hears `released` with the cause `taken_over`. Gives the function that ends it.
   */
  onHolding(listener: (event: HoldingEvent) => void): () => void {
    return this.#interest.happened.add(listener);
  }

  /** Call with each end of a connection that was not asked for: for your logs. Gives the function that ends it. */
  onClose(listener: (closed: ConnectionClosed) => void): () => void {
    return this.#connection.closes.add(listener);
  }

  /** Declare a status, for the user over all sessions, until it is replaced or `until_at` has come. */
  async setStatus(status: Declared, more: { text?: string; emoji?: string; until_at?: number } = {}): Promise<void> {
    await this.#ask({ type: "status", status, ...more });
  }

  /** The cards of many users at once, in the order asked, without watching them. At most 500. */
  async lookUp(ids: readonly string[]): Promise<readonly Card[]> {
    if (this.#isOff) return offline(ids);
    const response = await this.#world.fetch(`${this.#ways.base}/v1/users/query`, {
      method: "POST",
      headers: { authorization: `Bearer ${await this.#getToken()}`, "content-type": "application/json" },
      body: JSON.stringify({ ids }),
    });
    const answer = await response.json();
    if (!response.ok) throw new Refused({ ...answer, message: answer.detail ?? answer.title });
    return (answer as { users: Card[] }).users;
  }

  /** The server's time in milliseconds, for ages of what the server tells: never compare with the own clock. */
  serverNow(): number {
    return this.#connection.serverNow();
  }

  /** There was human input. A page is listened to by itself. */
  noteInput(): void {
    this.#connection.noteInput();
  }

  /** Somebody can see the application, or nobody can. A page is listened to by itself. */
  setVisible(isVisible: boolean): void {
    this.#connection.setVisible(isVisible);
  }

  /** Let go of the connection and keep the session, until `hurry`: the application is put away. */
  suspend(): void {
    this.#connection.suspend();
  }

  /** Come back at once after `suspend` or a loss; where there is a connection, see whether it is alive. */
  hurry(): void {
    this.#connection.hurry();
  }

  /** What is within, to look at and not to touch: `hereabouts/debug` does. It may change with any version. */
  get inside(): { readonly connection: Connection; readonly interest: Interest } {
    return { connection: this.#connection, interest: this.#interest };
  }

  get #isOff(): boolean {
    return this.#ways.transport === "off";
  }

  #ask(message: { type: string; [field: string]: unknown }): Promise<Ok> {
    if (this.#connection.isIdle) this.connect();
    return this.#connection.asks.ask(message, true);
  }

  #typist(room: string): Typist {
    let typist = this.#typists.get(room);
    if (!typist) {
      typist = new Typist(
        this.#world,
        () => this.#connection.welcome?.policy.typing_refresh_seconds,
        (on) => this.#connection.say({ type: "typing", room, on }),
      );
      this.#typists.set(room, typist);
    }
    return typist;
  }
}

/** A client of the presence server at `url`. Nothing is connected before something is asked of it. */
export function createPresence(options: PresenceOptions): Presence {
  return new Presence(options);
}
