/** Defines `<presence-debug>`, for development: what the client knows, what went by, and what looks like a mistake. */
import { announce, define, PresenceElement, part, sheet } from "../elements/base.ts";
import type { Presence } from "../presence.ts";
import { Frames } from "./frames.ts";
import { type Notice, Watcher } from "./notices.ts";

export type { Notice } from "./notices.ts";

const LOOK_EVERY_MS = 1000;

/**
 * `<presence-debug>` inside a `presence-provider`, or with its `client` set. It joins and watches nothing itself. The parts are
 * `facts`, `notices`, `rooms`, `holdings` and `events`; the property `notices` is what looks wrong.
 */
export class PresenceDebugElement extends PresenceElement {
  notices: readonly Notice[] = [];
  #frames = new Frames();
  #watcher = new Watcher();

  protected readonly styles = sheet(`
    :host { display: block; color-scheme: light dark; font: 0.8rem/1.4 ui-monospace, monospace; padding: 0.6em;
      color: light-dark(#16202c, #e8edf2); background: light-dark(#f7f8fa, #14181d); border: 1px solid currentColor }
    h2 { font-size: 1em; margin: 0.8em 0 0.2em } p, ul, ol, dl { margin: 0; padding: 0; list-style: none }
    dl { display: grid; grid-template-columns: max-content 1fr; gap: 0 1em } dd { margin: 0 }
    dd, td, li { overflow-wrap: anywhere } th, td { text-align: start; padding-inline-end: 1em }
    [part=notices] li { color: light-dark(#8f1d14, #ffb4a8); margin-block-end: 0.3em }
    [part=events] { max-block-size: 16em; overflow: auto }
  `);

  protected follow(client: Presence): (() => void)[] {
    const { connection } = client.inside;
    this.#frames = new Frames();
    this.#watcher = new Watcher();
    const timer = setInterval(() => this.#look(client), LOOK_EVERY_MS);
    this.#look(client);
    return [
      () => clearInterval(timer),
      connection.shown.subscribe(this.plan),
      connection.closes.add(({ code, reason }) => this.#frames.lose(`closed ${code ?? ""} ${reason}`, Date.now())),
      connection.frames.add((frame, isHeard) => {
        this.#frames.take(frame, isHeard, Date.now());
        this.plan();
      }),
    ];
  }

  protected render(root: ShadowRoot, client: Presence | undefined): void {
    if (!root.querySelector("section")) root.append(...SECTIONS.map(section));
    const fill = (name: string, content: readonly HTMLElement[]) =>
      root.querySelector(`[part=${name}]`)?.replaceChildren(...content);
    const count = this.notices.length;
    announce(root, client ? (count ? `notices: ${count}` : "nothing looks wrong") : "there is no client");
    if (!client) return;
    fill("facts", this.#facts(client));
    fill(
      "notices",
      lines(this.notices.map((notice) => `${notice.pitfall}: ${notice.about}: ${notice.text}. ${notice.remedy}`)),
    );
    fill("rooms", rooms(client));
    fill("holdings", lines(holdings(client)));
    fill("events", lines(this.#happened()));
  }

  #look(client: Presence): void {
    this.notices = this.#watcher.look(client.inside, performance.now() / 1000);
    this.plan();
  }

  #facts(client: Presence): HTMLElement[] {
    const { welcome, lastClose } = client.inside.connection;
    const { state, transport, isDegraded } = client.connection.getSnapshot();
    const { roundTripMs } = this.#frames;
    const close = lastClose && `${lastClose.code ?? "no code"} ${lastClose.reason}`;
    const facts = {
      state: [state, transport ?? "no transport", isDegraded && "degraded"].filter(Boolean).join(", "),
      "last close": close ? `${close} (${lastClose.comesBack ? "comes back" : "stays away"})` : "none",
      "round trip": roundTripMs === undefined ? "not measured yet" : `${roundTripMs} ms`,
      session: welcome ? `${welcome.session_id}, incarnation ${welcome.incarnation}` : "none",
      user: welcome ? [welcome.user.id, welcome.user.role].filter(Boolean).join(", ") : "nobody yet",
    };
    return Object.entries(facts).flatMap(([name, value]) => [
      part("name", name, {}, "dt"),
      part("value", value, {}, "dd"),
    ]);
  }

  #happened(): string[] {
    const time = new Intl.DateTimeFormat(this.locale, { timeStyle: "medium" });
    const told = this.#frames.events.map(
      ({ at, isHeard, text }) => `${time.format(at)} ${isHeard ? "←" : "→"} ${text}`,
    );
    return told.reverse();
  }
}

/** Made once, and filled again: a list that is scrolled, or has the focus, stays as it is. */
const SECTIONS = [
  ["Connection", "facts", "dl"],
  ["Notices", "notices", "ul"],
  ["Streams", "rooms", "table"],
  ["Held by this user, of the kinds that are watched", "holdings", "ul"],
  ["Last events, newest first", "events", "ul"],
] as const;

function section([title, name, tag]: (typeof SECTIONS)[number]): HTMLElement {
  const made = part("section", "", {}, "section");
  // Who uses a keyboard has to be able to scroll it.
  const attributes: { [name: string]: string } = name === "events" ? { tabindex: "0" } : {};
  made.append(part("title", title, {}, "h2"), part(name, "", { "aria-label": title, ...attributes }, tag));
  return made;
}

function lines(texts: readonly string[]): HTMLElement[] {
  return texts.map((text) => part("line", text, {}, "li"));
}

function row(tag: "th" | "td", cells: readonly string[]): HTMLElement {
  const made = part("row", "", {}, "tr");
  made.append(...cells.map((cell) => part("cell", cell, {}, tag)));
  return made;
}

function rooms(client: Presence): HTMLElement[] {
  const rows = [...client.inside.interest.rooms].map(([name, place]) => {
    const { fold } = place;
    const [epoch = "none", seq = "none"] = fold.position ?? [];
    const mode = [place.isJoined && "joined", place.mode, fold.isSummary && "summary"].filter(Boolean).join(", ");
    const is = [fold.isKnown ? "known" : "unknown", fold.isStale && "stale", fold.isDegraded && "degraded"];
    return row("td", [name, epoch, `${seq}`, mode || "none", `${fold.count}`, is.filter(Boolean).join(", ")]);
  });
  return [row("th", ["room", "epoch", "seq", "mode", "here", "is"]), ...rows];
}

function holdings(client: Presence): string[] {
  const held = [...client.inside.interest.kinds.values()].flatMap((kind) => kind.getSnapshot().held);
  return held.filter(({ self }) => self).map(({ resource, fencing }) => `${resource}, fencing ${fencing}`);
}

define("presence-debug", PresenceDebugElement);
