import { useEffect, useMemo, useRef } from "react";
import type { RoomEvent, RoomEventOf } from "../fold.ts";
import type { Member, Patch } from "../messages.ts";
import { EMPTY_ROOM, type RoomSnapshot } from "../place.ts";
import type { Room } from "../presence.ts";
import { usePresenceClient, useRoomId } from "./context.ts";
import { type Equal, itself, shallow, useLeases, useNewest, useSelected } from "./reading.ts";

/** A room by its id; `null` is no room, where nobody is and nothing happens; without one, that of the provider around. */
export type RoomId = string | null;

const nothing = () => {};
const noLease = () => ({ ready: Promise.resolve(), release: nothing });
const NOWHERE: Room = {
  id: "",
  join: noLease,
  watch: noLease,
  update: nothing,
  typing: nothing,
  leave: nothing,
  on: () => nothing,
  subscribe: () => nothing,
  getSnapshot: () => EMPTY_ROOM,
};

/** The same object from one rendering to the next. */
export function useRoom(room?: RoomId): Room {
  const client = usePresenceClient();
  const id = useRoomId(room);
  return useMemo(() => (id === null ? NOWHERE : client.room(id)), [client, id]);
}

function useRoomPart<S>(room: Room, select: (room: RoomSnapshot) => S, isEqual: Equal<S> = Object.is): S {
  return useSelected(room, EMPTY_ROOM, select, isEqual);
}

/** What `usePresence` gives: the room as it is shown, and what can be done in it. */
export interface PresenceInRoom extends RoomSnapshot {
  readonly update: Room["update"];
  readonly leave: Room["leave"];
}

/** Be in a room while this is mounted. Any number of components may: they are one membership. */
export function usePresence(room?: RoomId, initialState?: Patch): PresenceInRoom {
  const here = useRoom(room);
  useLeases(() => [here.join(initialState)], [here]);
  const shown = useRoomPart(here, itself);
  return useMemo(() => ({ ...shown, update: here.update, leave: here.leave }), [shown, here]);
}

const othersOf = ({ others }: RoomSnapshot) => others;

/** The others in the room of the provider around. With a selector, rendered again when what it selects changes. */
export function useOthers(): readonly Member[];
export function useOthers<S>(select: (others: readonly Member[]) => S, isEqual?: Equal<S>): S;
export function useOthers<S>(select?: (others: readonly Member[]) => S, isEqual: Equal<S> = shallow): unknown {
  const selected = (room: RoomSnapshot) => (select ? select(room.others) : othersOf(room));
  return useRoomPart(useRoom(), useSameSelector(selected, select), isEqual as Equal<unknown>);
}

/** The own entry in the room of the provider around, and the function that updates its state. */
export function useSelf(): readonly [self: Member | undefined, update: Room["update"]] {
  const room = useRoom();
  const self = useRoomPart(room, ({ self }) => self);
  return useMemo(() => [self, room.update], [self, room]);
}

/** Who is in a room, without being in it. */
export function useMembers(room?: RoomId): readonly Member[];
export function useMembers<S>(
  room: RoomId | undefined,
  select: (members: readonly Member[]) => S,
  isEqual?: Equal<S>,
): S;
export function useMembers<S>(
  room?: RoomId,
  select?: (members: readonly Member[]) => S,
  isEqual: Equal<S> = shallow,
): unknown {
  const here = useRoom(room);
  useLeases(() => [here.watch()], [here]);
  const selected = ({ members }: RoomSnapshot) => (select ? select(members) : members);
  return useRoomPart(here, useSameSelector(selected, select), isEqual as Equal<unknown>);
}

/** How many are in a room, without being in it or knowing who. */
export function useCount(room?: RoomId): number {
  const here = useRoom(room);
  useLeases(() => [here.watch("count")], [here]);
  return useRoomPart(here, ({ count }) => count);
}

/** Call with each change of a room, without rendering. The room is one that is joined or watched. */
export function usePresenceEvent<E extends RoomEvent["event"]>(
  room: RoomId | undefined,
  event: E,
  listener: (event: RoomEventOf<E>) => void,
): void {
  const here = useRoom(room);
  const newest = useNewest(listener);
  useEffect(() => here.on(event, newest), [here, event, newest]);
}

/** Props for the field in which people type. */
export interface TypingInputProps {
  readonly onInput: () => void;
  readonly onBlur: () => void;
}

/** Who types, and props that say that one types oneself: `<textarea {...inputProps} />`. Call `stop` on sending. */
export function useTyping(room?: RoomId): {
  readonly typing: readonly string[];
  readonly inputProps: TypingInputProps;
  readonly start: () => void;
  readonly stop: () => void;
} {
  const here = useRoom(room);
  const typing = useRoomPart(here, ({ typing }) => typing);
  return useMemo(() => {
    const start = () => here.typing();
    const stop = () => here.typing(false);
    return { typing, inputProps: { onInput: start, onBlur: stop }, start, stop };
  }, [typing, here]);
}

/** A selector that stays the same while the one that was given does. */
function useSameSelector<T, S>(selector: (value: T) => S, given: unknown): (value: T) => S {
  const last = useRef({ given, selector });
  if (last.current.given !== given) last.current = { given, selector };
  return last.current.selector;
}
