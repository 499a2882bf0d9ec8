/** Light, dark, or as the system says; remembered by the browser. */
export type Theme = "auto" | "light" | "dark";

const KEY = "hereabouts-console-theme";
const THEMES: readonly Theme[] = ["auto", "light", "dark"];

export function theme(): Theme {
  const kept = localStorage.getItem(KEY);
  return THEMES.find((known) => known === kept) ?? "auto";
}

export function setTheme(next: Theme): void {
  localStorage.setItem(KEY, next);
  show();
}

/** The theme that follows, round and round. */
export const after = (now: Theme): Theme => THEMES[(THEMES.indexOf(now) + 1) % THEMES.length] ?? "auto";

export function show(): void {
  const now = theme();
  if (now === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = now;
  dispatchEvent(new Event("themechange"));
}
