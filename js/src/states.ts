/** The life of the connection as a table: what each event makes of each state. What is not in the table changes nothing. */

/**
 * `idle`: nobody has asked for a connection yet. `waiting`: lost, the next attempt is planned. `suspended`: the page is
 * put away, in the back-forward cache or behind another app. `closed`: ended, by us or by the server.
 */
export type State = "idle" | "connecting" | "connected" | "waiting" | "suspended" | "closed";

/** `open`: somebody wants a connection; `retry`: the wait is over; `end`: no coming back. */
export type Happening = "open" | "welcome" | "lost" | "retry" | "suspend" | "resume" | "end";

export const STATES: Record<State, Partial<Record<Happening, State>>> = {
  idle: { open: "connecting", end: "closed" },
  connecting: { welcome: "connected", lost: "waiting", suspend: "suspended", end: "closed" },
  connected: { lost: "waiting", suspend: "suspended", end: "closed" },
  waiting: { retry: "connecting", suspend: "suspended", end: "closed" },
  suspended: { resume: "connecting", end: "closed" },
  closed: { open: "connecting" },
};

/** The state after something happened; `undefined` where it means nothing in this state. */
export function next(state: State, happening: Happening): State | undefined {
  return STATES[state][happening];
}
