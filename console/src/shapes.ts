/** What the calls answer, as far as the console shows it. Names are the server's; times are ms since the epoch. */

export type Status = "online" | "idle" | "away" | "busy" | "dnd" | "offline";

export interface Stats {
  as_of_at: number;
  total: number;
  online: number;
  idle: number;
  away: number;
  busy: number;
  dnd: number;
  invisible: number;
  stale: number;
  sessions: number;
  connections: number;
  rooms: number;
  everywhere: { nodes: number; sessions: number; users: number };
}

export interface Health {
  as_of_at: number;
  node: string;
  checks: { name: string; found: string; is_ok: boolean }[];
  ghosts: number;
  joins: number;
  leaves: Record<string, number>;
  faults: number;
  journal_queued_rows: number;
  journal_lost_rows: number;
  longest_stall_seconds: number;
}

export interface NodeRow {
  node: string;
  state: "serving" | "draining" | "degraded" | "stalled" | "dead";
  started_at: number;
  alive_at: number;
  summary: { version: string; sessions: number; users: number; connections: number; cpus: number | null } | null;
}

export interface SessionRow {
  session_id: string;
  user_id: string;
  name: string | null;
  role: string | null;
  node: string;
  platform: string | null;
  phase: string | null;
  status: Status;
  invisible: boolean;
  visible: boolean;
  active: boolean;
  connected: boolean | null;
  stale: boolean | null;
  opened_at: number;
  last_seen_at: number;
  last_active_at: number | null;
  lease_expires_at: number | null;
  rooms: string[];
}

export interface RoomRow {
  room: string;
  count: number;
  sessions: number;
  viewers: number;
  mode: string;
}

export interface Timer {
  does: string;
  in_seconds: number;
  clock: string;
  clock_seconds: number;
  layer: string;
}

export interface Card {
  user_id: string;
  status: Status;
  last_seen_at?: number | null;
  last_active_at?: number | null;
  sessions?: number;
  text?: string;
}

export interface ViewExplained {
  viewer: string;
  role: string | null;
  signed_in: boolean;
  may_watch: boolean;
  related: boolean;
  view: string;
  layer: string;
  card: Card;
}

export interface Transition {
  at: number;
  before: Status;
  after: Status;
  cause: string | null;
}

export interface Cooldown {
  kind: string;
  id: string;
  until_at: number;
  reason: string | null;
}

export interface Explained {
  user_id: string;
  as_of_at: number;
  node: string;
  degraded: boolean;
  status: { status: Status; axis: string; rule: string; because: string[]; declared: Declared | null };
  sessions: { session: SessionRow; timers: Timer[]; policy: Record<string, string> }[];
  view: ViewExplained | null;
  transitions: Transition[];
  held_out: Cooldown[];
}

export interface Declared {
  status: string;
  at: number;
  text: string | null;
  until_at: number | null;
}

export interface Holding {
  resource: string;
  user_id?: string;
  name?: string;
  since_at?: number;
  last_active_at?: number;
  fencing?: number;
  stale?: boolean;
}

export interface AuditRow {
  id: number;
  at: number;
  actor: string;
  action: string;
  target: string;
  user_id: string | null;
  reason: string | null;
  origin: string | null;
  details: Record<string, unknown>;
}

export interface PolicyRow {
  layer: string;
  values: Record<string, unknown>;
  winners: Record<string, string>;
  ghost_seconds: number;
}

export interface PolicyAnswer {
  overlay: Record<string, unknown> | null;
  file: Record<string, unknown>;
  in_force: PolicyRow[];
  versions: { version: number; at: number; actor: string; reason: string | null; policy: unknown }[];
}

export interface Online {
  start_at: number;
  end_at: number;
  peak: number;
  mean: number;
}

export interface Attendance {
  user_id: string;
  seconds: number;
  most_seconds: number;
  days: { day: string; seconds: number; first_at: number; last_at: number; is_approximate: boolean }[];
}
