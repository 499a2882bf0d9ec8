import type { Presence } from "../presence.ts";
import { announce, define, PresenceElement, sheet } from "./base.ts";

const MOST = 2;

/**
 * `<presence-typing room max-names for>`: who types, read out politely. With `for`, the id of a field, it says too that
 * somebody types there: the room is to be joined for that. The part is `text`.
 */
export class PresenceTypingElement extends PresenceElement {
  static readonly observedAttributes = ["room", "max-names", "for", "locale"];

  protected readonly styles = sheet(`
    :host { display: inline-block; min-block-size: 1lh; font-style: var(--presence-typing-style, italic) }
  `);

  protected follow(client: Presence): (() => void)[] {
    if (!this.room) return [];
    const room = client.room(this.room);
    return [room.watch().release, room.subscribe(this.plan), ...this.#listen(client, this.room)];
  }

  protected render(root: ShadowRoot, client: Presence | undefined): void {
    const room = this.room === undefined ? undefined : client?.room(this.room).getSnapshot();
    const typing = room?.typing ?? [];
    const most = Number(this.getAttribute("max-names") ?? MOST);
    const named = typing.slice(0, most).map((id) => room?.members.find(({ user_id }) => user_id === id)?.name ?? id);
    const rest = typing.length - named.length;
    if (rest > 0)
      named.push(this.words("label-others", rest > 1 ? "{count} others" : "{count} other", { count: rest }));
    const names = new Intl.ListFormat(this.locale).format(named);
    const one = this.words("label-one", "{names} is typing…", { names });
    const many = this.words("label-many", "{names} are typing…", { names });
    announce(root, typing.length === 0 ? "" : typing.length === 1 ? one : many);
  }

  #listen(client: Presence, room: string): (() => void)[] {
    const field = document.getElementById(this.getAttribute("for") ?? "");
    if (!field) return [];
    const start = () => client.room(room).typing();
    const stop = () => client.room(room).typing(false);
    field.addEventListener("input", start);
    field.addEventListener("blur", stop);
    return [() => field.removeEventListener("input", start), () => field.removeEventListener("blur", stop)];
  }
}

define("presence-typing", PresenceTypingElement);
