import { readFileSync } from "node:fs";

/** The cases of spec/vectors that every implementation passes. */
export function vectors<T>(name: string, key = "cases"): T[] {
  const text = readFileSync(new URL(`../../spec/vectors/${name}.json`, import.meta.url), "utf-8");
  return (JSON.parse(text) as Record<string, T[]>)[key] ?? [];
}
