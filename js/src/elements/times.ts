/** How long ago something was, in words. */

const UNITS = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["week", 604_800],
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
] as const;

export interface Age {
  readonly text: string;
  /** After so many seconds it is another text. */
  readonly changesInSeconds: number;
}

/** An age in the words of a language. Below a minute it is "now". */
export function age(seconds: number, locale: string | undefined): Age {
  const words = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });
  const old = Math.max(0, seconds);
  const [unit, length] = UNITS.find(([, size]) => old >= size) ?? (["second", 60] as const);
  const count = Math.floor(old / length);
  return { text: words.format(count ? -count : 0, unit), changesInSeconds: (count + 1) * length - old };
}
