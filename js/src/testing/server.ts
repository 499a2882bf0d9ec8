/**
 * A presence server in memory, with time that passes when it is told to: for tests of applications, and of this client.
 *
 * It speaks the protocol over sockets in memory: sessions with lease, grace, resume and leave token, rooms, state, typing,
 * statuses, watched users, occupancy. It knows no tokens but `dev:USER` and `dev:USER:ROLE`, grants everything, shows
 * everybody the view `full`, and sends each change at once.
 */
import type { ClientMessage, Json, Policy } from "../messages.ts";
import type { World } from "../world.ts";
import { settle, VirtualClock } from "./clock.ts";
import { MemoryHoldings } from "./holdings.ts";
import { MemorySocket, type ServerLine, Speaker } from "./line.ts";
import { type Declaration, mergeStatus, type Outcome, patch } from "./merge.ts";
import { MemoryRoom, type Viewer } from "./rooms.ts";
import { MemorySession } from "./session.ts";

const POLICY: Policy = {
  beat_visible_seconds: 20,
  beat_hidden_seconds: 60,
  lease_visible_seconds: 60,
  lease_hidden_seconds: 150,
  grace_seconds: 10,
  idle_after_seconds: null,
  typing_refresh_seconds: 3,
};

export interface ServerOptions {
  readonly clock?: VirtualClock;
  readonly policy?: Partial<Policy>;
}

/** A frame that a client sent, or the body of its beacon as `leave_token`. */
export interface Frame extends ClientMessage {
  readonly user_id: string | undefined;
}

export class MemoryServer {
  readonly clock: VirtualClock;
  /** All that clients said, in order. */
  readonly frames: Frame[] = [];
  /** Whether connections are refused, as by a server that is down. */
  isDown = false;
  readonly #policy: Policy;
  readonly #sessions = new Map<string, MemorySession>();
  readonly #rooms = new Map<string, MemoryRoom>();
  readonly #declared = new Map<string, Declaration>();
  readonly #cards = new Map<string, string>();
  readonly #seenAt = new Map<string, number>();
  readonly #holdings = new MemoryHoldings(
    () => this.clock.wall(),
    () => this.#sessions.values(),
  );
  #numbers = 0;
  #epoch = 1;

  constructor({ clock = new VirtualClock(), policy }: ServerOptions = {}) {
    this.clock = clock;
    this.#policy = { ...POLICY, ...policy };
  }

  /** What to give `createPresence` as `world`: this server and this clock instead of the platform's. */
  world(): World {
    const { clock } = this;
    return {
      now: () => clock.now(),
      wall: () => clock.wall(),
      after: (seconds, call) => clock.after(seconds, call),
      random: () => 0.5,
      socket: () => this.#accept() as unknown as WebSocket,
      fetch: (url, init) => this.#answer(new URL(url).pathname, String(init?.body ?? "")),
    };
  }

  /** Let so much time pass. */
  advance(seconds: number): Promise<void> {
    return this.clock.advance(seconds);
  }

  /** Let everything that was said arrive. */
  settle(): Promise<void> {
    return settle();
  }

  /** Cut every connection, as a network that is gone: the sessions are lost. */
  cut(code = 1006): void {
    for (const session of this.#sessions.values()) this.#drop(session, code, "cut");
  }

  /** Begin anew, with no memory of sessions and rooms: connections are cut. */
  restart(): void {
    this.cut();
    for (const session of this.#sessions.values()) session.stopTimer?.();
    this.#sessions.clear();
    this.#rooms.clear();
    this.#epoch += 1;
  }

  /** End a user's sessions, as an admin does. */
  clear(userId: string): void {
    for (const session of [...this.#sessions.values()])
      if (session.userId === userId) this.#end(session, 4003, "cleared");
  }

  /** The user ids in a room, as others see it. */
  membersOf(room: string): string[] {
    return [...(this.#rooms.get(room)?.memberships.values() ?? [])]
      .map(({ user_id }) => user_id)
      .filter((id, at, all) => all.indexOf(id) === at);
  }

  /** The frames of a type that clients sent. */
  said(type: string): Frame[] {
    return this.frames.filter((frame) => frame.type === type);
  }

  // Connections

  #accept(): MemorySocket {
    let session: MemorySession | undefined;
    const line: ServerLine = {
      heard: (message) => {
        this.frames.push({ ...message, user_id: session?.userId });
        if (message.type === "hello") session = this.#hello(message, speaker);
        else if (session?.line === speaker) this.#heard(session, message);
      },
      gone: () => session?.line === speaker && this.#closed(session, 1001),
    };
    const socket = new MemorySocket(line);
    const speaker = new Speaker(socket);
    if (this.isDown) speaker.close(1006, "");
    else speaker.open();
    return socket;
  }

  #hello({ token, resume, seen, visible, active }: ClientMessage, line: Speaker): MemorySession | undefined {
    const [kind, userId, role] = String(token).split(":");
    if (kind !== "dev" || !userId) {
      line.say({ type: "error", code: "unauthenticated", message: "the token is not good" });
      line.close(4100, "unauthenticated");
      return undefined;
    }
    const known = this.#sessions.get(String(resume));
    const isResumed = known !== undefined && known.userId === userId;
    const session = isResumed ? known : this.#open(userId, role, visible !== false, active !== false);
    if (isResumed) {
      if (session.line) {
        session.line.say({ type: "ended", code: "superseded", reason: "resumed elsewhere" });
        session.line.close(4001, "superseded");
      }
      session.incarnation += 1;
      session.life.frame(this.#seconds, visible !== false);
    }
    session.line = line;
    this.#welcome(session, isResumed, (seen ?? {}) as Record<string, [string, number]>);
    return session;
  }

  #open(userId: string, role: string | undefined, isVisible: boolean, isActive: boolean): MemorySession {
    const { lease_visible_seconds: visible, lease_hidden_seconds: hidden, grace_seconds: grace } = this.#policy;
    const now = { seconds: this.#seconds, at: this.clock.wall() };
    this.#numbers += 1;
    const session = new MemorySession(
      this.#numbers,
      userId,
      role,
      { visible, hidden, grace },
      now,
      isVisible,
      isActive,
    );
    this.#sessions.set(session.resume, session);
    return session;
  }

  #welcome(session: MemorySession, resumed: boolean, seen: Record<string, [string, number]>): void {
    const { id: session_id, incarnation, resume, leaveToken: leave_token, userId: id, role } = session;
    session.line?.say({
      type: "welcome",
      protocol: 1,
      session_id,
      incarnation,
      resumed,
      resume,
      leave_token,
      user: { id, name: id, ...(role && { role }) },
      tenant: "default",
      server_time_at: this.clock.wall(),
      policy: this.#policy,
      limits: {},
      rooms: [...session.joined],
    });
    for (const [name, viewer] of session.viewers) {
      if (!session.joined.has(name)) this.#room(name).viewers.delete(viewer);
    }
    session.users.clear();
    session.kinds.clear();
    for (const name of session.joined) {
      const room = this.#room(name);
      const [epoch, seq] = seen[name] ?? [];
      this.#look(session, name, false, epoch === room.epoch && seq === room.position[1]);
    }
    this.#settle(session);
  }

  get #seconds(): number {
    return this.clock.now() / 1000;
  }

  #drop(session: MemorySession, code: number, reason: string): void {
    const { line } = session;
    session.line = undefined;
    line?.close(code, reason);
    if (line) this.#closed(session, code);
  }

  #closed(session: MemorySession, code: number): void {
    session.line = undefined;
    session.life.close(this.#seconds, code);
    this.#settle(session);
  }

  #end(session: MemorySession, code: number, cause: string): void {
    session.life.end(cause);
    session.line?.say({ type: "ended", code: cause, reason: cause });
    session.line?.close(code, cause);
    session.line = undefined;
    this.#settle(session);
  }

  // What clients ask for

  #heard(session: MemorySession, message: ClientMessage): void {
    const { type, id } = message;
    session.life.frame(this.#seconds, type === "beat" ? message.visible !== false : undefined);
    session.seenAt = this.clock.wall();
    this.#seenAt.set(session.userId, session.seenAt);
    if (type === "beat" && message.active) session.activeAt = this.clock.wall();
    const refusal = type === "bye" ? undefined : this.#do(session, message);
    if (refusal && id !== undefined) session.line?.say({ type: "error", id, ...refusal });
    if (type === "bye") this.#end(session, 4000, "leave");
    else this.#settle(session);
  }

  /** Do what a message asks for, and answer it. Gives the refusal. */
  #do(session: MemorySession, message: ClientMessage): { code: string; message: string } | undefined {
    const { type, id, room } = message;
    const name = String(room);
    const ok = (more: object = {}) => {
      if (id !== undefined) session.line?.say({ type: "ok", id, ...more });
    };
    if ((type === "update" || type === "typing") && !session.joined.has(name)) {
      return { code: "not_joined", message: `${name} is not joined` };
    }
    switch (type) {
      case "beat":
        session.line?.say({ type: "beat", server_time_at: this.clock.wall() });
        break;
      case "join":
        this.#join(session, name, message.state as Record<string, Json>, ok);
        break;
      case "update":
        this.#write(session, name, message.state as Record<string, Json>);
        ok();
        break;
      case "leave":
        this.#part(session, name, "leave");
        ok();
        break;
      case "typing":
        this.#room(name).type(session.userId, message.on === true);
        break;
      case "status":
        this.#declared.set(session.userId, message as unknown as Declaration);
        ok();
        break;
      case "sync":
        ok();
        this.#look(session, name, session.viewers.get(name)?.isCounting === true, false);
        break;
      case "watch":
      case "unwatch":
        ok();
        this.#watch(session, message);
        break;
      case "refresh":
        ok({ rooms: [...session.viewers.keys()] });
        break;
      case "occupy":
        return this.#holdings.occupy(session, message, ok);
      case "release":
        return this.#holdings.release(session, String(message.resource), ok);
      default:
        return { code: "unsupported", message: `${type} is not known here` };
    }
    return undefined;
  }

  #room(name: string): MemoryRoom {
    let room = this.#rooms.get(name);
    if (!room) {
      room = new MemoryRoom(name, `e${this.#epoch}`);
      this.#rooms.set(name, room);
    }
    return room;
  }

  #join(session: MemorySession, name: string, state: Record<string, Json>, ok: (more: object) => unknown): void {
    session.joined.add(name);
    this.#write(session, name, state);
    this.#settle(session);
    ok({ member: { ...this.#room(name).member(session.userId), self: true } });
    this.#look(session, name, false, false);
  }

  #write(session: MemorySession, name: string, given: Record<string, Json>): void {
    const { memberships } = this.#room(name);
    const at = this.clock.wall();
    const known = memberships.get(session.id);
    memberships.set(session.id, {
      session_id: session.id,
      user_id: session.userId,
      name: session.userId,
      joined_at: known?.joined_at ?? at,
      state: patch(known?.state ?? new Map(), given, at),
      status: known?.status ?? "online",
      last_active_at: known?.last_active_at ?? null,
      outcome_seq: 0,
    });
  }

  #part(session: MemorySession, name: string, cause: string): void {
    session.joined.delete(name);
    this.#unlook(session, name);
    const room = this.#room(name);
    room.memberships.delete(session.id);
    room.settle(session.userId, cause);
  }

  #look(session: MemorySession, name: string, isCounting: boolean, isSeen: boolean): void {
    this.#unlook(session, name);
    const viewer: Viewer = session.viewer(isCounting);
    const room = this.#room(name);
    session.viewers.set(name, viewer);
    room.viewers.add(viewer);
    if (!isSeen) viewer.say(room.snapshot(viewer));
  }

  #unlook(session: MemorySession, name: string): void {
    const viewer = session.viewers.get(name);
    if (viewer) this.#room(name).viewers.delete(viewer);
    session.viewers.delete(name);
  }

  #watch(session: MemorySession, { type, rooms, users, occupancy, mode }: ClientMessage): void {
    const isOn = type === "watch";
    for (const name of (rooms ?? []) as string[]) {
      if (isOn) this.#look(session, name, mode === "count", false);
      else if (!session.joined.has(name)) this.#unlook(session, name);
    }
    for (const user of (users ?? []) as string[]) session.users[isOn ? "add" : "delete"](user);
    for (const kind of (occupancy ?? []) as string[]) session.kinds[isOn ? "add" : "delete"](kind);
    if (!isOn) return;
    const cards = ((users ?? []) as string[]).map((user) => this.#card(user, session.userId));
    if (cards.length) session.line?.say({ type: "users", users: cards });
    for (const kind of (occupancy ?? []) as string[]) session.line?.say(this.#holdings.snapshot(kind, session.userId));
  }

  // What follows from a change

  #settle(session: MemorySession): void {
    const { life } = session;
    if (!life.counts) {
      for (const name of [...session.joined]) this.#part(session, name, life.cause ?? "closed");
    }
    session.stopTimer?.();
    if (life.phase === "over") this.#sessions.delete(session.resume);
    else if (Number.isFinite(life.dueAt)) {
      session.stopTimer = this.clock.after(life.dueAt - this.#seconds, () => {
        life.wait(this.#seconds);
        this.#settle(session);
      });
    }
    this.#tellOf(session.userId);
  }

  #tellOf(userId: string): void {
    const { status, text } = this.#outcome(userId);
    for (const room of this.#rooms.values()) {
      for (const [id, membership] of room.memberships) {
        if (membership.user_id !== userId) continue;
        const { text: _, ...rest } = membership;
        room.memberships.set(id, { ...rest, status, ...(text && { text }) });
      }
      room.settle(userId);
    }
    const card = JSON.stringify({ ...this.#card(userId, ""), last_seen_at: undefined });
    if (card === this.#cards.get(userId)) return;
    this.#cards.set(userId, card);
    for (const { users, line, userId: viewer } of this.#sessions.values()) {
      if (users.has(userId)) line?.say({ type: "users", users: [this.#card(userId, viewer)] });
    }
  }

  #outcome(userId: string): Outcome {
    const idleAfter = (this.#policy.idle_after_seconds ?? Number.POSITIVE_INFINITY) * 1000;
    const own = [...this.#sessions.values()].filter((session) => session.userId === userId && session.life.counts);
    const attention = own.map(({ life, activeAt, seenAt }) => ({
      visible: life.isVisible,
      active: activeAt !== null && this.clock.wall() - activeAt < idleAfter,
      last_seen_at: seenAt,
      last_active_at: activeAt,
    }));
    return mergeStatus(attention, this.#declared.get(userId));
  }

  #card(user_id: string, viewer: string): object {
    const { declared, ...outcome } = this.#outcome(user_id);
    const times = { last_seen_at: this.#seenAt.get(user_id) ?? null, last_active_at: null };
    return { user_id, ...times, ...outcome, ...(viewer === user_id && { declared, self: true }) };
  }

  // HTTP

  async #answer(path: string, body: string): Promise<Response> {
    if (this.isDown) throw new TypeError("the server is down");
    if (path.endsWith("/v1/leave")) {
      const { leave_token, after_seconds } = JSON.parse(body) as { leave_token: string; after_seconds?: number };
      this.frames.push({ type: "leave_token", leave_token, after_seconds, user_id: undefined });
      const session = [...this.#sessions.values()].find(({ leaveToken }) => leaveToken === leave_token);
      session?.life.beacon(this.#seconds, after_seconds);
      if (session) this.#settle(session);
      return new Response(null, { status: 204 });
    }
    if (path.endsWith("/v1/users/query")) {
      const { ids } = JSON.parse(body) as { ids: string[] };
      return Response.json({
        as_of_at: this.clock.wall(),
        degraded: false,
        users: ids.map((id) => this.#card(id, "")),
      });
    }
    return Response.json({ code: "not_found", detail: `there is no ${path} here` }, { status: 404 });
  }
}
