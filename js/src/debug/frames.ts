/** What a client has said and heard lately, in words. Tokens, states and names are not kept: only what happened. */
import type { ClientMessage, ServerMessage } from "../messages.ts";

const KEPT = 50;
/** Where a message says what it is about, by its type or whatever its type is. */
const ABOUT = ["room", "rooms", "users", "occupancy", "resource", "kind", "code", "status", "reason"] as const;

export interface Recorded {
  readonly at: number;
  readonly isHeard: boolean;
  readonly text: string;
}

export class Frames {
  readonly events: Recorded[] = [];
  /** Between the last request or beat and its answer. */
  roundTripMs: number | undefined;
  readonly #asked = new Map<unknown, number>();

  /** A frame went by, at a time in milliseconds. */
  take(frame: ClientMessage | ServerMessage, isHeard: boolean, at: number): void {
    this.#measure(frame, isHeard, at);
    this.#note(inWords(frame), at, isHeard);
  }

  /** The connection is gone: what was asked for over it is not answered any more. */
  lose(text: string, at: number): void {
    this.#asked.clear();
    this.#note(text, at, true);
  }

  #note(text: string, at: number, isHeard: boolean): void {
    this.events.push({ at, isHeard, text });
    if (this.events.length > KEPT) this.events.shift();
  }

  #measure(frame: ClientMessage | ServerMessage, isHeard: boolean, at: number): void {
    const key = frame.type === "beat" ? "beat" : "id" in frame ? frame.id : undefined;
    if (key === undefined) return;
    const askedAt = this.#asked.get(key);
    if (!isHeard) this.#asked.set(key, at);
    else if (askedAt !== undefined) {
      this.roundTripMs = at - askedAt;
      this.#asked.delete(key);
    }
  }
}

function inWords(frame: ClientMessage | ServerMessage): string {
  const fields = frame as { readonly [field: string]: unknown };
  const about = ABOUT.flatMap((name) => (fields[name] === undefined ? [] : [short(fields[name])]));
  const seq = fields.seq === undefined ? [] : [`to ${fields.seq}`];
  const changes = Array.isArray(fields.events) ? fields.events.map(({ event }) => event).join(", ") : "";
  return [frame.type, ...about, ...seq, changes].filter(Boolean).join(" ");
}

/** Ids as they are, and how many where they are many or objects. */
function short(value: unknown): string {
  if (!Array.isArray(value)) return String(value);
  const ids = value.map((one) => (typeof one === "string" ? one : (one as { user_id?: string }).user_id));
  return ids.length > 3 ? `${ids.length} of them` : ids.join(", ");
}
