import type { Holding } from "../messages.ts";
import type { Presence } from "../presence.ts";
import { announce, define, PresenceElement, sheet } from "./base.ts";

/**
 * `<presence-occupancy resource="account:7">`: whether somebody holds a resource, and who, as far as the server tells this
 * viewer. `state` reflects it for styling: `free`, `occupied`, `mine`, `unknown`. The part is `text`.
 */
export class PresenceOccupancyElement extends PresenceElement {
  static readonly observedAttributes = ["resource", "locale"];

  protected readonly styles = sheet(`
    :host { display: inline-block; padding: 0.1em 0.6em; border-radius: 1em; border: 1px solid currentColor }
    :host([quiet]) { display: none }
    :host([state=free]) { color: var(--presence-free, #147a3b) }
    :host([state=occupied]) { color: var(--presence-occupied, #b3261e) }
    :host([state=mine]) { color: var(--presence-mine, #1b5fae) }
    :host([state=unknown]) { color: var(--presence-offline, #5c6370) }
  `);

  protected follow(client: Presence): (() => void)[] {
    const kind = client.occupancy(this.#resource.split(":")[0] ?? "");
    return [kind.watch().release, kind.subscribe(this.plan)];
  }

  protected render(root: ShadowRoot, client: Presence | undefined): void {
    const shown = client?.occupancy(this.#resource.split(":")[0] ?? "").getSnapshot();
    const holding = shown?.held.find(({ resource }) => resource === this.#resource);
    const state = !shown?.isKnown ? "unknown" : !holding ? "free" : holding.self ? "mine" : "occupied";
    if (this.getAttribute("state") !== state) this.setAttribute("state", state);
    const text = this.#text(state, holding);
    // An empty wording shows nothing, the frame of the badge included.
    this.toggleAttribute("quiet", text === "");
    announce(root, text);
  }

  get #resource(): string {
    return this.getAttribute("resource") ?? "";
  }

  #text(state: string, holding: Holding | undefined): string {
    if (state === "unknown") return this.words("label-unknown", "…");
    if (state === "free") return this.words("label-free", "Free");
    if (state === "mine") return this.words("label-mine", "Yours");
    const name = holding?.name ?? holding?.user_id;
    if (name === undefined) return this.words("label-occupied", "Occupied");
    const since = holding?.since_at;
    const time = since === undefined ? "" : new Intl.DateTimeFormat(this.locale, { timeStyle: "short" }).format(since);
    return this.words("label-by", time ? "Occupied by {name} since {time}" : "Occupied by {name}", { name, time });
  }
}

define("presence-occupancy", PresenceOccupancyElement);
