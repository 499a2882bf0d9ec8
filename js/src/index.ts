export type { ConnectionClosed, ConnectionSnapshot } from "./connection.ts";
export { Lost, Refused, SessionEnded } from "./errors.ts";
export type { RoomEvent, RoomEventOf } from "./fold.ts";
export type { Lease } from "./interest.ts";
export type {
  Card,
  Declared,
  Holding,
  HoldingEvent,
  Info,
  Json,
  Member,
  Patch,
  Policy,
  PresenceState,
  Register,
  Status,
  View,
} from "./messages.ts";
export type { RoomSnapshot } from "./place.ts";
export {
  createPresence,
  type Held,
  type Presence,
  type PresenceOptions,
  type Room,
  type Watchable,
} from "./presence.ts";
export type { Readable } from "./store.ts";
export type { HoldingsSnapshot } from "./watched.ts";
export type { World } from "./world.ts";
