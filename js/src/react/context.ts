import { createContext, useContext } from "react";
import type { Presence } from "../presence.ts";

export const ClientContext = createContext<Presence | undefined>(undefined);
export const RoomContext = createContext<string | undefined>(undefined);

/** The client that the provider gives. */
export function usePresenceClient(): Presence {
  const client = useContext(ClientContext);
  if (!client) throw new Error("there is no client: put this inside <PresenceProvider client={…}>");
  return client;
}

/** The room that is named, or the one of the provider around; `null` is none. */
export function useRoomId(room: string | null | undefined): string | null {
  const around = useContext(RoomContext);
  const id = room === undefined ? around : room;
  if (id === undefined) throw new Error("there is no room: name one, or put this inside <RoomProvider room={…}>");
  return id;
}
