/** Stores in components: rendered again when what was selected changes, and at no other time. */
import { useCallback, useEffect, useMemo, useRef, useSyncExternalStore } from "react";
import type { Lease } from "../interest.ts";
import type { Readable } from "../store.ts";

export type Equal<S> = (one: S, other: S) => boolean;

/** The selected part of a store. `atFirst` is what a server renders, and a browser before it has taken over. */
export function useSelected<T, S>(store: Readable<T>, atFirst: T, select: (value: T) => S, isEqual: Equal<S>): S {
  const last = useRef<{ value: T; select: (value: T) => S; selected: S }>(undefined);
  const read = (value: T): S => {
    const known = last.current;
    if (known && Object.is(known.value, value) && known.select === select) return known.selected;
    const selected = select(value);
    const kept = known && isEqual(known.selected, selected) ? known.selected : selected;
    last.current = { value, select, selected: kept };
    return kept;
  };
  return useSyncExternalStore(
    store.subscribe,
    () => read(store.getSnapshot()),
    () => read(atFirst),
  );
}

export const itself = <T>(value: T): T => value;

/** Whether two lists hold the same things, or two objects the same fields. */
export function shallow<S>(one: S, other: S): boolean {
  if (Object.is(one, other)) return true;
  if (typeof one !== "object" || typeof other !== "object" || !one || !other) return false;
  const keys = Object.keys(one) as (keyof S)[];
  return keys.length === Object.keys(other).length && keys.every((key) => Object.is(one[key], other[key]));
}

/** Hold what `take` gives while the component is mounted. Taken again where `keys` change. */
export function useLeases(take: () => readonly Lease[], keys: readonly unknown[]): void {
  useEffect(() => {
    const leases = take();
    return () => {
      for (const lease of leases) lease.release();
    };
  }, keys);
}

/** Several stores as one, whose value is the list of theirs. */
export function useTogether<T>(stores: readonly Readable<T>[], keys: readonly unknown[]): Readable<readonly T[]> {
  return useMemo(() => {
    let last: readonly T[] = [];
    return {
      subscribe: (listener) => {
        const stops = stores.map((store) => store.subscribe(listener));
        return () => {
          for (const stop of stops) stop();
        };
      },
      getSnapshot: () => {
        const now = stores.map((store) => store.getSnapshot());
        if (!shallow(now, last)) last = now;
        return last;
      },
    };
  }, keys);
}

/** A function that stays the same and calls the newest. */
export function useNewest<A extends unknown[], R>(call: (...given: A) => R): (...given: A) => R {
  const newest = useRef(call);
  useEffect(() => {
    newest.current = call;
  });
  return useCallback((...given: A) => newest.current(...given), []);
}
