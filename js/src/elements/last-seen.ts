import type { Presence } from "../presence.ts";
import { define, PresenceElement, part, sheet } from "./base.ts";
import { age } from "./times.ts";

/** A page that is looked at for days needs no timer for so long. */
const LONGEST_WAIT_SECONDS = 3600;

/**
 * `<presence-last-seen user="bob">`: how long ago somebody was last seen, kept up to date. The age is by the server's
 * clock. Words are `label-online` and `label-never`; the part is `time`.
 */
export class PresenceLastSeenElement extends PresenceElement {
  static readonly observedAttributes = ["user", "locale"];
  #timer: ReturnType<typeof setTimeout> | undefined;

  protected readonly styles = sheet(":host { display: inline-block }");

  protected follow(client: Presence): (() => void)[] {
    const user = client.user(this.getAttribute("user") ?? "");
    return [user.watch().release, user.subscribe(this.plan), () => clearTimeout(this.#timer)];
  }

  protected render(root: ShadowRoot, client: Presence | undefined): void {
    const card = client?.user(this.getAttribute("user") ?? "").getSnapshot();
    const seenAt = card?.last_seen_at;
    clearTimeout(this.#timer);
    if (!client || !card || (card.status === "offline" && !seenAt)) {
      root.replaceChildren(part("time", this.words("label-never", "–")));
    } else if (card.status !== "offline" || !seenAt) {
      root.replaceChildren(part("time", this.words("label-online", "online now")));
    } else {
      const { text, changesInSeconds } = age((client.serverNow() - seenAt) / 1000, this.locale);
      const at = new Date(seenAt);
      const title = new Intl.DateTimeFormat(this.locale, { dateStyle: "medium", timeStyle: "short" }).format(at);
      const words = this.words("label", "{ago}", { ago: text });
      root.replaceChildren(part("time", words, { datetime: at.toISOString(), title }, "time"));
      this.#timer = setTimeout(this.plan, Math.min(changesInSeconds, LONGEST_WAIT_SECONDS) * 1000);
    }
  }
}

define("presence-last-seen", PresenceLastSeenElement);
