import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { Refused, read } from "./api.ts";

export interface Polled<T> {
  value: T | undefined;
  problem: Refused | undefined;
  again: () => void;
}

/** Reads a call now and, with `seconds`, again so often while the page is visible. What came last stays until the next. */
export function usePoll<T>(path: string | null, values: Record<string, string | number> = {}, seconds = 0): Polled<T> {
  const [value, setValue] = useState<T>();
  const [problem, setProblem] = useState<Refused>();
  const [turn, setTurn] = useState(0);
  const asked = `${path}?${new URLSearchParams(Object.entries(values).map(([k, v]) => [k, String(v)]))}`;
  const given = useRef(values);
  given.current = values;
  const shown = useRef(asked);

  // `asked` stands for path and values, `turn` asks again.
  useEffect(() => {
    if (shown.current !== asked) {
      shown.current = asked;
      setValue(undefined);
      setProblem(undefined);
    }
    if (path === null) return;
    const stop = new AbortController();
    let timer = 0;
    const once = async () => {
      try {
        if (!document.hidden || seconds === 0) {
          setValue(await read<T>(path, given.current, stop.signal));
          setProblem(undefined);
        }
      } catch (error) {
        if (stop.signal.aborted) return;
        if (error instanceof Refused) setProblem(error);
        else throw error;
      }
      if (seconds > 0 && !stop.signal.aborted) timer = setTimeout(once, seconds * 1000);
    };
    void once();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [asked, seconds, turn]);

  return { value, problem, again: useCallback(() => setTurn((n) => n + 1), []) };
}
