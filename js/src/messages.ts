/** What the server says, as types. The data keeps the server's names. Source: spec/protocol.md. */

/** Widened by declaration merging: `interface Register { state: {...}; info: {...} }` types every room and hook. */
// biome-ignore lint/suspicious/noEmptyInterface: users merge their types into it.
export interface Register {}

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };

/** The state that a session attaches to itself in a room. */
export type PresenceState = Register extends { state: infer S } ? S : { readonly [key: string]: Json | undefined };
/** What the token says of a user. */
export type Info = Register extends { info: infer I } ? I : { readonly [key: string]: Json | undefined };
/** Keys to merge into the state; `null` takes a key away. */
export type Patch = { readonly [K in keyof PresenceState]?: PresenceState[K] | null };

export type Status = "online" | "idle" | "away" | "busy" | "dnd" | "offline";
export type Declared = "available" | "busy" | "dnd" | "away" | "invisible";
export type View = "full" | "status" | "existence" | "none";

/** A user in a room, over all sessions, as far as the viewer may see. Times are server time in milliseconds. */
export interface Member {
  readonly user_id: string;
  readonly name?: string;
  readonly info?: Info;
  readonly status: Status;
  readonly text?: string;
  readonly joined_at?: number;
  readonly last_active_at?: number | null;
  readonly sessions?: number;
  readonly state: Partial<PresenceState>;
  readonly self?: true;
}

/** What is told of a user outside rooms. A time that the view leaves out is absent; one that there is not is null. */
export interface Card {
  readonly user_id: string;
  readonly status: Status;
  readonly text?: string;
  readonly emoji?: string;
  readonly last_seen_at?: number | null;
  readonly last_active_at?: number | null;
  readonly sessions?: number;
  readonly declared?: Declared;
  readonly self?: true;
}

/** Somebody's hold on a resource. A viewer with the view `existence` gets `resource` and `occupied`, no more. */
export interface Holding {
  readonly resource: string;
  readonly user_id?: string;
  readonly name?: string;
  readonly since_at?: number;
  readonly last_active_at?: number | null;
  readonly fencing?: number;
  readonly stale?: boolean;
  readonly occupied?: true;
  readonly self?: true;
}

export interface Policy {
  readonly beat_visible_seconds: number;
  readonly beat_hidden_seconds: number;
  readonly lease_visible_seconds: number;
  readonly lease_hidden_seconds: number;
  readonly grace_seconds: number;
  readonly idle_after_seconds: number | null;
  readonly typing_refresh_seconds: number;
}

export interface Welcome {
  readonly type: "welcome";
  readonly session_id: string;
  readonly incarnation: number;
  readonly resumed: boolean;
  readonly resume: string;
  readonly leave_token: string;
  readonly user: { readonly id: string; readonly name?: string; readonly role?: string };
  readonly tenant: string;
  readonly server_time_at: number;
  readonly policy: Policy;
  readonly limits: Readonly<Record<string, number>>;
  readonly rooms: readonly string[];
}

export interface Ok {
  readonly type: "ok";
  readonly id: number;
  readonly member?: Member;
  readonly expires_at?: number;
  readonly rooms?: readonly string[];
  readonly resource?: string;
  readonly since_at?: number;
  readonly fencing?: number;
  readonly moved_from?: string;
}

export interface ErrorMessage {
  readonly type: "error";
  readonly id?: number;
  readonly code: string;
  readonly message: string;
  readonly retry_after_seconds?: number;
  readonly limit?: string;
  readonly holder?: Holding;
}

export interface Snapshot {
  readonly type: "snapshot";
  readonly room: string;
  readonly epoch: string;
  readonly seq: number;
  readonly mode: "roster" | "summary";
  readonly view: View;
  readonly count: number;
  readonly members: readonly (Member & { readonly typing?: boolean })[];
  readonly degraded?: boolean;
}

export type Change =
  | { readonly event: "join" | "update"; readonly member: Member }
  | { readonly event: "leave"; readonly user_id: string; readonly cause?: string };

export interface Delta {
  readonly type: "delta";
  readonly room: string;
  readonly epoch: string;
  readonly since: number;
  readonly seq: number;
  readonly events: readonly Change[];
  readonly count: number;
}

export interface Count {
  readonly type: "count";
  readonly room: string;
  readonly count: number;
  readonly sessions?: number;
}

export interface TypingNow {
  readonly type: "typing";
  readonly room: string;
  readonly user_ids: readonly string[];
}

/** What happened to a resource. `replaces` gave way to its holder, `from` is what its holder gave up for it. */
export interface HoldingEvent extends Holding {
  readonly event: "occupied" | "released" | "moved" | "updated";
  readonly from?: string;
  readonly replaces?: string;
  readonly cause?: string;
}

export interface Occupancy {
  readonly type: "occupancy";
  readonly kind: string;
  /** Absent in a notice to a user about a holding of one's own. */
  readonly epoch?: string;
  readonly seq?: number;
  readonly since?: number;
  readonly held?: readonly Holding[];
  readonly events?: readonly HoldingEvent[];
}

export type RoomMessage = Snapshot | Delta | Count | TypingNow;

export type ServerMessage =
  | Welcome
  | Ok
  | ErrorMessage
  | RoomMessage
  | Occupancy
  | { readonly type: "users"; readonly users: readonly Card[] }
  | { readonly type: "policy"; readonly policy: Policy }
  | { readonly type: "beat"; readonly server_time_at: number }
  | { readonly type: "degraded"; readonly since_at: number }
  | { readonly type: "restored" }
  | { readonly type: "reconnect"; readonly after_seconds: number; readonly reason: string }
  | { readonly type: "ended"; readonly code: string; readonly reason: string };

/** What a client sends: a `type`, and the fields of spec/messages.json. */
export type ClientMessage = { readonly type: string; readonly id?: number; readonly [field: string]: unknown };
