import type { Card, Status } from "../messages.ts";
import type { Presence } from "../presence.ts";
import { define, PresenceElement, part, sheet } from "./base.ts";
import { age } from "./times.ts";

/**
 * `<presence-dot user="bob">`: a dot in the colour of the status, with the status as text beside it (`show-label`) or for
 * screen readers. `label-online` and so on are the words; parts are `dot` and `label`.
 */
export class PresenceDotElement extends PresenceElement {
  static readonly observedAttributes = ["user", "show-label", "locale"];

  protected readonly styles = sheet(`
    :host { display: inline-flex; align-items: center; gap: 0.4em }
    [part=dot] {
      inline-size: var(--presence-dot-size, 0.65em); block-size: var(--presence-dot-size, 0.65em);
      border-radius: 50%; border: 1px solid transparent; box-sizing: border-box;
      background: var(--presence-offline, #8a8f98)
    }
    [data-status=online] { background: var(--presence-online, #1a9c4b) }
    [data-status=idle], [data-status=away] { background: var(--presence-away, #c98a00) }
    [data-status=busy], [data-status=dnd] { background: var(--presence-busy, #d0342c) }
    [data-status=idle], [data-status=offline] { background-clip: padding-box; border-color: currentColor }
    .quiet { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%) }
    @media (prefers-reduced-motion: no-preference) { [part=dot] { transition: background-color 0.2s } }
    @media (forced-colors: active) { [part=dot] { border-color: CanvasText } }
  `);

  protected follow(client: Presence): (() => void)[] {
    const user = client.user(this.getAttribute("user") ?? "");
    return [user.watch().release, user.subscribe(this.plan)];
  }

  protected render(root: ShadowRoot, client: Presence | undefined): void {
    const card = client?.user(this.getAttribute("user") ?? "").getSnapshot();
    const status: Status = card?.status ?? "offline";
    const word = this.words(`label-${status}`, WORDS[status]);
    const label = part("label", word);
    if (!this.hasAttribute("show-label")) label.className = "quiet";
    root.replaceChildren(part("dot", "", { "data-status": status, "aria-hidden": "true" }), label);
    this.title = this.#title(card, word, client);
  }

  #title(card: Card | undefined, word: string, client: Presence | undefined): string {
    const seenAt = card?.last_seen_at;
    const words = card?.text ? `${word}: ${card.text}` : word;
    if (card?.status !== "offline" || !seenAt || !client) return words;
    return `${words} (${age((client.serverNow() - seenAt) / 1000, this.locale).text})`;
  }
}

const WORDS: Record<Status, string> = {
  online: "online",
  idle: "idle",
  away: "away",
  busy: "busy",
  dnd: "do not disturb",
  offline: "offline",
};

define("presence-dot", PresenceDotElement);
