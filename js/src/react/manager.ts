import { useEffect, useMemo } from "react";
import type { Member } from "../messages.ts";
import { EMPTY_ROOM } from "../place.ts";
import { usePresenceClient } from "./context.ts";
import { itself, useSelected } from "./reading.ts";
import { useConnectionStatus } from "./users.ts";

export interface PresenceManagerOptions {
  /** Ignored: who one is, the token says. */
  readonly currentUser?: unknown;
  /** Whether to be in the room while mounted; otherwise `joinPresence` and `leavePresence` do it. */
  readonly autoJoin?: boolean;
  readonly room?: string;
}

export interface PresenceManagerResult {
  readonly activeUsers: () => readonly Member[];
  readonly isConnected: () => boolean;
  readonly stats: () => { readonly online: number };
  readonly joinPresence: () => void;
  readonly leavePresence: () => void;
  /** Nothing to do: the server forgets nobody's leave. */
  readonly triggerCleanup: () => void;
}

const nothing = () => undefined;

/** Everybody who is online, by the names of the hook that it replaces. In new code use `usePresence`. */
export function usePresenceManager({
  autoJoin = true,
  room = "app",
}: PresenceManagerOptions = {}): PresenceManagerResult {
  const client = usePresenceClient();
  const here = useMemo(() => client.room(room), [client, room]);
  useEffect(() => {
    if (!autoJoin) return;
    const lease = here.join();
    return lease.release;
  }, [here, autoJoin]);
  const shown = useSelected(here, EMPTY_ROOM, itself, Object.is);
  const { state } = useConnectionStatus();
  return useMemo(
    () => ({
      activeUsers: () => shown.members,
      isConnected: () => state === "connected",
      stats: () => ({ online: shown.count }),
      joinPresence: () => void here.join(),
      leavePresence: here.leave,
      triggerCleanup: nothing,
    }),
    [shown, state, here],
  );
}
