/** A way that leads nowhere, where presence is switched off: all that is asked for is granted, and nobody is ever here. */
import type { Card, ClientMessage, ServerMessage } from "./messages.ts";
import type { Heard, Wire } from "./wire.ts";

const DAY = 86_400;
const NOBODY = { view: "full", epoch: "", seq: 0, members: [], count: 0, held: [] };

/** Whoever is asked about: offline. */
export const offline = (ids: readonly string[]): Card[] => ids.map((user_id) => ({ user_id, status: "offline" }));

/** The hello is welcome, without a session: there is nothing to resume, and nothing to leave. */
export function openNowhere({ message }: Heard): Wire {
  const say = (told: object) => queueMicrotask(() => message(told as ServerMessage));
  const policy = { beat_visible_seconds: DAY, beat_hidden_seconds: DAY };
  say({ type: "welcome", user: { id: "" }, policy, rooms: [] });
  return {
    transport: undefined,
    send: (asked) => {
      for (const told of answers(asked)) say(told);
    },
    close: () => undefined,
  };
}

/** What the server of nobody says. The fencing number 0 proves nothing to anybody. */
function answers({ type, id, resource, room, rooms, users, occupancy }: ClientMessage): object[] {
  if (type === "beat") return [{ type }];
  const list = (names: unknown, told: (name: string) => object) => ((names ?? []) as string[]).map(told);
  return [
    { type: "ok", id, resource, since_at: Date.now(), fencing: 0 },
    ...list(rooms ?? (room && [room]), (room) => ({ ...NOBODY, type: "snapshot", room })),
    ...list(occupancy, (kind) => ({ ...NOBODY, type: "occupancy", kind })),
    { type: "users", users: offline((users ?? []) as string[]) },
  ];
}
