import type { Member } from "../messages.ts";
import type { Presence } from "../presence.ts";
import { define, PresenceElement, part, sheet } from "./base.ts";

const MOST = 5;

/**
 * `<presence-avatars room max hide-self>`: who is in a room, as a row of pictures or initials, with a "+3" for the rest. The
 * picture is `info.avatar` of the token, where it is an https address. Parts are `list`, `avatar`, `picture` and `more`.
 */
export class PresenceAvatarsElement extends PresenceElement {
  static readonly observedAttributes = ["room", "max", "hide-self", "locale"];

  protected readonly styles = sheet(`
    :host { display: inline-block }
    [part=list] { display: flex; margin: 0; padding: 0; list-style: none }
    li {
      display: grid; place-items: center; overflow: hidden; box-sizing: border-box; font-size: 0.8em; font-weight: 600;
      inline-size: var(--presence-avatar-size, 2.4em); block-size: var(--presence-avatar-size, 2.4em);
      border-radius: 50%; border: 2px solid var(--presence-avatar-border, Canvas);
      background: var(--presence-avatar-background, #3d5a80); color: var(--presence-avatar-color, #fff)
    }
    li + li { margin-inline-start: var(--presence-avatar-overlap, -0.6em) }
    li[data-status=idle], li[data-status=away], li[data-status=offline] { filter: grayscale(1) }
    img { inline-size: 100%; block-size: 100%; object-fit: cover }
    [part=more] { background: var(--presence-more-background, #5c6370) }
    @media (prefers-reduced-motion: no-preference) { li { transition: filter 0.2s } }
  `);

  protected follow(client: Presence): (() => void)[] {
    if (!this.room) return [];
    const room = client.room(this.room);
    return [room.watch().release, room.subscribe(this.plan)];
  }

  protected render(root: ShadowRoot, client: Presence | undefined): void {
    const room = this.room === undefined ? undefined : client?.room(this.room).getSnapshot();
    const members = (this.hasAttribute("hide-self") ? room?.others : room?.members) ?? [];
    const hidden = this.hasAttribute("hide-self") && room?.self ? 1 : 0;
    const count = Math.max((room?.count ?? 0) - hidden, members.length);
    const shown = members.slice(0, Number(this.getAttribute("max") ?? MOST));
    const list = part("list", "", { role: "list", "aria-label": this.words("label", "{count} here", { count }) }, "ul");
    list.append(...shown.map((member) => this.#avatar(member)));
    const rest = count - shown.length;
    if (rest > 0) {
      const names = members.slice(shown.length).map(nameOf);
      const title = new Intl.ListFormat(this.locale).format(names);
      list.append(part("more", this.words("label-more", "+{count}", { count: rest }), { title }, "li"));
    }
    root.replaceChildren(list);
  }

  #avatar(member: Member): HTMLElement {
    const name = nameOf(member);
    const title = this.words("label-member", "{name} ({status})", { name, status: member.status });
    const item = part("avatar", "", { title, "data-status": member.status }, "li");
    const picture = (member.info as { avatar?: unknown } | undefined)?.avatar;
    if (typeof picture === "string" && picture.startsWith("https:")) {
      item.append(part("picture", "", { src: picture, alt: title }, "img"));
    } else {
      const initials = part("initials", initialsOf(name, this.locale), { role: "img", "aria-label": title });
      item.append(initials);
    }
    return item;
  }
}

function nameOf({ name, user_id }: Member): string {
  return name ?? user_id;
}

/** The first letter of the first word and of the last, as people write letters, not as computers do. */
function initialsOf(name: string, locale: string | undefined): string {
  const words = name.trim().split(/\s+/);
  const letters = words.length > 1 ? [words[0], words.at(-1)] : words;
  const graphemes = new Intl.Segmenter(locale);
  const first = (word = "") => graphemes.segment(word)[Symbol.iterator]().next().value?.segment ?? "";
  return letters.map(first).join("").toLocaleUpperCase(locale);
}

define("presence-avatars", PresenceAvatarsElement);
