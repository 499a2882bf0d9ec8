/** React Native: the application's state stands for the page. */
import type { Presence } from "../presence.ts";

/** An application that is put away for less than this never left: a glance at a message, a permission dialogue. */
const AWAY_SECONDS = 15;

/** `AppState` of `react-native`, as far as it is used. */
export interface AppStateLike {
  readonly currentState: string | null;
  addEventListener(type: "change", listener: (state: string) => void): { remove(): void };
}

/**
 * Follow the application's state: `followAppState(presence, AppState)`. Behind other applications it is hidden, after 15
 * seconds the connection is let go, and in front again it comes back at once. Gives the function that ends it.
 */
export function followAppState(presence: Presence, appState: AppStateLike): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const follow = (state: string | null) => {
    clearTimeout(timer);
    const isActive = state === null || state === "active" || state === "unknown";
    presence.setVisible(isActive);
    if (isActive) {
      presence.noteInput();
      presence.hurry();
    } else timer = setTimeout(() => presence.suspend(), AWAY_SECONDS * 1000);
  };
  follow(appState.currentState);
  const subscription = appState.addEventListener("change", follow);
  return () => {
    clearTimeout(timer);
    subscription.remove();
  };
}

export * from "../index.ts";
