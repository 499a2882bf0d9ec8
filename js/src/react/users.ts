import { useEffect, useMemo, useRef } from "react";
import type { ConnectionSnapshot } from "../connection.ts";
import type { Card, Declared, Holding } from "../messages.ts";
import type { Presence } from "../presence.ts";
import { type HoldingsSnapshot, NO_HOLDINGS } from "../watched.ts";
import { usePresenceClient } from "./context.ts";
import { itself, useLeases, useNewest, useSelected, useTogether } from "./reading.ts";

const NONE: readonly undefined[] = [];
const FIRST: ConnectionSnapshot = {
  state: "idle",
  isInterrupted: false,
  isDegraded: false,
  transport: undefined,
  user: undefined,
  error: undefined,
};

/** Watched while mounted; those that the server has told of. */
function useCards(ids: readonly string[]): readonly (Card | undefined)[] {
  const client = usePresenceClient();
  const keys = [client, JSON.stringify(ids)];
  const users = useTogether(
    ids.map((id) => client.user(id)),
    keys,
  );
  useLeases(() => ids.map((id) => client.user(id).watch()), keys);
  return useSelected(users, NONE, itself, Object.is);
}

const unknown = (user_id: string): Card => ({ user_id, status: "offline" });

/** A user's card, or the cards of several in the order given. Whoever is not known yet is offline. */
export function useUserStatus(id: string): Card;
export function useUserStatus(ids: readonly string[]): readonly Card[];
export function useUserStatus(of: string | readonly string[]): Card | readonly Card[] {
  const ids = typeof of === "string" ? [of] : of;
  const cards = useCards(ids);
  const key = JSON.stringify(ids);
  const told = useMemo(() => ids.map((id, at) => cards[at] ?? unknown(id)), [cards, key]);
  return typeof of === "string" ? (told[0] ?? unknown(of)) : told;
}

/** Who holds what of a kind, and the functions that hold and release: `occupy("desk:7")`. */
export function useOccupancy(kind: string): HoldingsSnapshot & {
  readonly mine: Holding | undefined;
  readonly occupy: Presence["occupy"];
  readonly release: Presence["release"];
} {
  const client = usePresenceClient();
  const store = useMemo(() => client.occupancy(kind), [client, kind]);
  useLeases(() => [store.watch()], [store]);
  const shown = useSelected(store, NO_HOLDINGS, itself, Object.is);
  return useMemo(
    () => ({
      ...shown,
      mine: shown.held.find((holding) => holding.self),
      occupy: (resource, how) => client.occupy(resource, how),
      release: (resource, fencing) => client.release(resource, fencing),
    }),
    [shown, client],
  );
}

/** Whether there is a connection. Show a banner for `isInterrupted`. */
export function useConnectionStatus(): ConnectionSnapshot {
  return useSelected(usePresenceClient().connection, FIRST, itself, Object.is);
}

/** The own card, with what was declared, and the function that declares. */
export function useMyStatus(): readonly [mine: Card | undefined, declare: Presence["setStatus"]] {
  const client = usePresenceClient();
  const id = useSelected(client.connection, FIRST, ({ user }) => user?.id, Object.is);
  const [mine] = useCards(id ? [id] : []);
  return useMemo(() => [mine, (status: Declared, more) => client.setStatus(status, more)], [mine, client]);
}

export interface ChildrenPresenceOptions {
  readonly childIds: readonly string[];
  readonly enabled?: boolean;
  /** Called when one of them comes or goes, not for how it is at first. */
  readonly onStatusChange?: (childId: string, isOnline: boolean) => void;
}

/** Which of these users are online. The name is that of the parents' page which it replaces. */
export function useChildrenPresence({ childIds, enabled = true, onStatusChange }: ChildrenPresenceOptions): {
  readonly isChildOnline: (childId: string) => boolean;
} {
  const cards = useCards(enabled ? childIds : []);
  const told = useNewest((id: string, isOnline: boolean) => onStatusChange?.(id, isOnline));
  const online = useMemo(
    () => new Map(cards.flatMap((card) => (card ? [[card.user_id, isOnline(card)] as const] : []))),
    [cards],
  );
  const before = useRef<ReadonlyMap<string, boolean>>(online);
  useEffect(() => {
    for (const [id, is] of online) if (before.current.has(id) && before.current.get(id) !== is) told(id, is);
    before.current = online;
  }, [online, told]);
  return useMemo(() => ({ isChildOnline: (id) => online.get(id) === true }), [online]);
}

function isOnline({ status }: Card): boolean {
  return status !== "offline";
}
