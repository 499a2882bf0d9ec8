import type { Presence } from "../presence.ts";
import { announce, define, PresenceElement, sheet } from "./base.ts";

/**
 * `<presence-count room>`: how many are in a room, read out politely; nobody is named and nobody's name is asked for. Words
 * are `label-zero`, `label-one`, `label-two`, `label-few`, `label-many` and `label-other`, as the language counts. The part is `text`.
 */
export class PresenceCountElement extends PresenceElement {
  static readonly observedAttributes = ["room", "locale"];

  protected readonly styles = sheet(":host { display: inline-block; font-variant-numeric: tabular-nums }");

  protected follow(client: Presence): (() => void)[] {
    if (!this.room) return [];
    const room = client.room(this.room);
    return [room.watch("count").release, room.subscribe(this.plan)];
  }

  protected render(root: ShadowRoot, client: Presence | undefined): void {
    const room = this.room === undefined ? undefined : client?.room(this.room).getSnapshot();
    const count = room?.count ?? 0;
    const rule = new Intl.PluralRules(this.locale).select(count);
    const other = this.getAttribute("label-other") ?? "{count} here";
    const isKnown = room?.isKnown === true;
    announce(root, isKnown ? this.words(`label-${rule}`, other, { count }) : "");
  }
}

define("presence-count", PresenceCountElement);
