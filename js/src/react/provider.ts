import { createElement, type ReactNode, useEffect } from "react";
import type { Patch } from "../messages.ts";
import type { Presence } from "../presence.ts";
import { ClientContext, RoomContext, usePresenceClient } from "./context.ts";
import { useLeases } from "./reading.ts";

/** Gives the client to all components in it, and connects it. The client is yours: it is not closed here. */
export function PresenceProvider({ client, children }: { client: Presence; children?: ReactNode }): ReactNode {
  useEffect(() => client.connect(), [client]);
  return createElement(ClientContext.Provider, { value: client }, children);
}

export interface RoomProviderProps {
  readonly room: string;
  /** The state to join with. A later one changes nothing: use `update`. */
  readonly initialState?: Patch;
  readonly children?: ReactNode;
}

/** Is in a room while it is mounted, and names the room to all components in it. */
export function RoomProvider({ room, initialState, children }: RoomProviderProps): ReactNode {
  const client = usePresenceClient();
  useLeases(() => [client.room(room).join(initialState)], [client, room]);
  return createElement(RoomContext.Provider, { value: room }, children);
}
