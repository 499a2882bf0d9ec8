/** Numbers, times and durations in words, by the browser's language. */

const WHEN = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", hour: "numeric", minute: "2-digit" });
const DATE = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const CLOCK = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const NUMBER = new Intl.NumberFormat();

export const number = (value: number): string => NUMBER.format(value);

/** A time; of today the clock alone, of this year without the year. */
export function when(at: number | null | undefined): string {
  if (at === null || at === undefined) return "–";
  const date = new Date(at);
  const now = new Date();
  if (date.toDateString() === now.toDateString()) return CLOCK.format(date);
  return (date.getFullYear() === now.getFullYear() ? WHEN : DATE).format(date);
}

/** A duration in its two largest units. */
export function duration(seconds: number): string {
  if (seconds < 10) return `${Math.round(seconds * 10) / 10} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return two(seconds, 60, "min", 1, "s");
  if (seconds < 48 * 3600) return two(seconds, 3600, "h", 60, "min");
  return two(seconds, 86_400, "d", 3600, "h");
}

function two(seconds: number, large: number, largeName: string, small: number, smallName: string): string {
  const rounded = Math.round(seconds / small) * small;
  const rest = Math.round((rounded % large) / small);
  return `${Math.floor(rounded / large)} ${largeName}${rest > 0 ? ` ${rest} ${smallName}` : ""}`;
}

/** How long ago, by the server's clock. */
export function ago(at: number | null | undefined, now: number): string {
  if (at === null || at === undefined) return "–";
  return at >= now - 1000 ? "now" : `${duration((now - at) / 1000)} ago`;
}

/** A value of the policy as one reads it. */
export function told(value: unknown): string {
  if (value === null) return "off";
  if (typeof value === "string") return value;
  return JSON.stringify(value);
}

export const plural = (count: number, one: string, many = `${one}s`): string =>
  `${number(count)} ${count === 1 ? one : many}`;
