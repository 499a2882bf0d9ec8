/** What this client is interested in, and the one place that asks the server for it. */
import type { Connection, User } from "./connection.ts";
import { same } from "./equal.ts";
import { Lost, Refused } from "./errors.ts";
import type { Card, HoldingEvent, Occupancy, RoomMessage, ServerMessage, Welcome } from "./messages.ts";
import { Place } from "./place.ts";
import { type Mode, type Request, reconcile, Told } from "./reconcile.ts";
import { Listeners } from "./store.ts";
import { Kind, Watched } from "./watched.ts";
import type { World } from "./world.ts";

/** A right to be in a room or to look at something, counted: what is asked for ends with the last lease. */
export interface Lease {
  /** Resolves when the server has answered; rejects with `Refused` or with what the connection ended with. */
  readonly ready: Promise<void>;
  /** Give it back. The server is told a moment later, so that who takes it again at once was never away. */
  release(): void;
}

const LINGER_SECONDS = 0.25;
const RETRY_SECONDS = 1;
/** A page that comes back has so long to join its rooms again. */
const RESTORED_SECONDS = 5;
const UPDATE_EVERY_SECONDS = 0.1;

export class Interest implements User {
  readonly rooms = new Map<string, Place>();
  readonly users = new Map<string, Watched<Card | undefined>>();
  readonly kinds = new Map<string, Kind>();
  /** What happens to holdings: of the kinds that are watched, and to the user's own always. */
  readonly happened = new Listeners<[HoldingEvent]>();
  connection!: Connection;
  #told = new Told();
  #isPlanned = false;
  #released: (() => void)[] | undefined;

  constructor(
    private readonly world: World,
    private readonly open: () => void,
  ) {}

  place(room: string): Place {
    return found(this.rooms, room, () => new Place());
  }

  user(id: string): Watched<Card | undefined> {
    return found(this.users, id, () => new Watched<Card | undefined>(undefined));
  }

  kind(name: string): Kind {
    return found(this.kinds, name, () => new Kind());
  }

  // Leases

  join(room: string, state: object): Lease {
    const place = this.place(room);
    const known = place.state as Record<string, unknown>;
    place.merge(Object.fromEntries(Object.entries(state).filter(([key, value]) => !same(known[key], value))));
    const lease = this.#lease(room, "join");
    this.flush(room);
    return lease;
  }

  watchRoom(room: string, mode: Mode): Lease {
    return this.#lease(room, mode);
  }

  watchUser(id: string): Lease {
    const user = this.user(id);
    return this.#watch(user, () => user.getSnapshot());
  }

  watchKind(name: string): Lease {
    const kind = this.kind(name);
    return this.#watch(kind, () => kind.getSnapshot().isKnown);
  }

  #watch(watched: Watched<Card | undefined> | Kind, isReady: () => unknown): Lease {
    watched.watchers += 1;
    return this.#take(
      isReady,
      (told) => watched.subscribe(told),
      () => {
        watched.watchers -= 1;
      },
    );
  }

  /** End the membership now, whoever holds a lease. */
  leave(room: string): void {
    const place = this.place(room);
    place.generation += 1;
    place.wants.join = 0;
    this.plan();
  }

  #lease(room: string, want: "join" | Mode): Lease {
    const place = this.place(room);
    const { wants, generation } = place;
    if (!place.isJoined && !place.mode) place.refuse(undefined);
    wants[want] += 1;
    const isReady = () => {
      if (place.error) throw place.error;
      return place.fold.isKnown && (want !== "join" || this.#told.joined.has(room));
    };
    return this.#take(
      isReady,
      (told) => place.changes.add(told),
      () => {
        if (want !== "join" || generation === place.generation) wants[want] -= 1;
      },
    );
  }

  #take(isReady: () => unknown, listen: (told: () => void) => () => void, giveBack: () => void): Lease {
    const { connection } = this;
    this.plan();
    if (connection.isIdle) this.open();
    let isHeld = true;
    const ready = new Promise<void>((resolve, reject) => {
      const look = () => {
        try {
          const { state, error } = connection.shown.getSnapshot();
          if (state === "closed") throw error ?? new Lost("this client is closed");
          if (!isReady()) return;
          resolve();
        } catch (refused) {
          reject(refused);
        }
        for (const stop of stops) stop();
      };
      const stops = [listen(look), connection.shown.subscribe(look)];
      look();
    });
    ready.catch(() => undefined);
    return {
      ready,
      release: () => {
        if (!isHeld) return;
        isHeld = false;
        this.#giveBackSoon(giveBack);
      },
    };
  }

  /** What is released together is given back together, a moment later. */
  #giveBackSoon(giveBack: () => void): void {
    if (!this.#released) {
      const released: (() => void)[] = [];
      this.#released = released;
      queueMicrotask(() => {
        this.#released = undefined;
      });
      this.world.after(LINGER_SECONDS, () => {
        for (const give of released) give();
        this.plan();
      });
    }
    this.#released.push(giveBack);
  }

  // Asking

  /** Bring the server to what is wanted, when what is being done is done. */
  plan(): void {
    if (this.#isPlanned) return;
    this.#isPlanned = true;
    queueMicrotask(() => {
      this.#isPlanned = false;
      this.#forget();
      if (!this.connection.isConnected) return;
      const wanted = { rooms: this.rooms, users: watchedOf(this.users), kinds: watchedOf(this.kinds) };
      for (const request of reconcile(wanted, this.#told)) this.#ask(request);
    });
  }

  #ask(request: Request): void {
    const rooms = "rooms" in request ? request.rooms : "room" in request ? [request.room] : [];
    if (request.type === "join") this.place(request.room).patch = {};
    this.connection.asks.ask(request).then(
      () => {
        for (const room of rooms) this.rooms.get(room)?.changes.tell();
      },
      (error) => this.#refused(request, rooms, error),
    );
  }

  #refused(request: Request, rooms: string[], error: unknown): void {
    if (!(error instanceof Refused) || request.type === "leave" || request.type === "unwatch") return;
    if (!error.isPassing && rooms.length > 1 && "mode" in request) {
      // One of many is at fault: each is asked for alone.
      for (const room of rooms) this.#ask({ ...request, rooms: [room] });
      return;
    }
    for (const room of rooms) {
      this.#told.joined.delete(room);
      this.#told.watched.delete(room);
      if (!error.isPassing) this.rooms.get(room)?.refuse(error);
    }
    if (error.isPassing || rooms.length) {
      if ("users" in request) for (const user of request.users) this.#told.users.delete(user);
      if ("occupancy" in request) for (const kind of request.occupancy) this.#told.kinds.delete(kind);
      this.world.after(error.retryAfterSeconds ?? RETRY_SECONDS, () => this.plan());
    }
  }

  /** Send what the own state has become, at most every 100 ms. What was not confirmed is sent again. */
  flush(room: string): void {
    const place = this.rooms.get(room);
    const isTold = this.connection.isConnected && this.#told.joined.has(room);
    if (!place || place.isCooling || !isTold || !Object.keys(place.patch).length) return;
    const { patch } = place;
    place.patch = {};
    place.isCooling = true;
    this.world.after(UPDATE_EVERY_SECONDS, () => {
      place.isCooling = false;
      this.flush(room);
    });
    this.connection.asks.ask({ type: "update", room, state: patch }).catch((error: unknown) => {
      if (error instanceof Lost) place.unsent(patch);
      else if (error instanceof Refused && error.code === "not_joined") {
        this.#told.joined.delete(room);
        this.plan();
      } else if (error instanceof Refused) place.complain(error);
    });
  }

  #sync(room: string): void {
    this.connection.asks.ask({ type: "sync", room }).catch((error: unknown) => {
      if (!(error instanceof Refused) || !error.isPassing) return;
      this.world.after(error.retryAfterSeconds ?? RETRY_SECONDS, () => this.#sync(room));
    });
  }

  #forget(): void {
    for (const [room, place] of this.rooms) {
      if (place.isJoined || place.mode) continue;
      if (place.isIdle) this.rooms.delete(room);
      if (place.fold.isKnown && !place.error) place.reset();
      if (!place.wants.join) place.state = place.patch = {};
    }
    for (const [id, user] of this.users) {
      if (user.watchers) continue;
      user.set(undefined);
      if (user.isIdle) this.users.delete(id);
    }
    for (const [name, kind] of this.kinds) {
      if (kind.watchers) continue;
      kind.forget();
      if (kind.isIdle) this.kinds.delete(name);
    }
  }

  // What the connection tells

  seen(): Record<string, readonly [string, number]> {
    const known = [...this.rooms].flatMap(([room, { isJoined, fold }]) =>
      isJoined && fold.seen ? [[room, fold.seen] as const] : [],
    );
    return Object.fromEntries(known);
  }

  welcomed(welcome: Welcome, isSameUser: boolean): void {
    this.#told = new Told();
    for (const room of welcome.rooms) {
      this.#told.joined.add(room);
      // Restored, and not asked for yet: a page that was reloaded has a moment to join it again.
      if (!this.rooms.get(room)?.isJoined) this.#hold(room);
    }
    if (!isSameUser) this.forgetAll();
    for (const [room, place] of this.rooms) {
      place.setStale(false);
      this.flush(room);
    }
    this.plan();
  }

  /** What is known was another's: nobody is shown any of it. */
  forgetAll(): void {
    for (const place of this.rooms.values()) place.reset();
    for (const user of this.users.values()) user.set(undefined);
    for (const kind of this.kinds.values()) kind.forget();
  }

  granted(rooms: readonly string[]): void {
    for (const [room, place] of this.rooms) {
      if (!place.fold.isKnown || rooms.includes(room)) continue;
      place.refuse(new Refused({ code: "forbidden", message: "the new token does not grant the room" }));
    }
    this.plan();
  }

  lost(): void {
    for (const place of this.rooms.values()) place.setStale(true);
  }

  said(message: ServerMessage): void {
    switch (message.type) {
      case "snapshot":
      case "delta":
      case "count":
      case "typing":
        this.#roomSaid(message);
        break;
      case "users":
        for (const card of message.users) this.users.get(card.user_id)?.set(Object.freeze(card));
        break;
      case "occupancy":
        this.#occupancySaid(message);
    }
  }

  #roomSaid(message: RoomMessage): void {
    if (this.rooms.get(message.room)?.take(message)) this.#sync(message.room);
  }

  #occupancySaid(message: Occupancy): void {
    if (this.kinds.get(message.kind)?.take(message)) this.#ask({ type: "watch", occupancy: [message.kind] });
    for (const event of message.events ?? []) this.happened.tell(event);
  }

  #hold(room: string): void {
    const place = this.place(room);
    const { generation } = place;
    place.wants.join += 1;
    this.world.after(RESTORED_SECONDS, () => {
      if (generation === place.generation) place.wants.join -= 1;
      this.plan();
    });
  }

  /** The own state in a room, as it is to be. */
  update(room: string, patch: object): void {
    const place = this.place(room);
    if (!place.wants.join) throw new Error(`${room} is not joined: join it before its state is updated`);
    place.merge(patch);
    this.flush(room);
  }
}

function found<T>(map: Map<string, T>, key: string, make: () => T): T {
  const value = map.get(key) ?? make();
  map.set(key, value);
  return value;
}

function watchedOf(map: ReadonlyMap<string, { watchers: number }>): Set<string> {
  return new Set([...map].flatMap(([name, { watchers }]) => (watchers ? [name] : [])));
}
