import { createPresence, type Presence } from "../presence.ts";
import { Store } from "../store.ts";
import { define, type Provider } from "./base.ts";

/** An element that is moved within the page is gone for less than this. */
const MOVED_MS = 250;

const HTMLElementOrNothing = (globalThis.HTMLElement ?? class {}) as typeof HTMLElement;

/**
 * `<presence-provider url token-url room>`: the client of all elements in it. `token-url` answers with a token as text, or
 * as JSON with `token`. With `room` it joins that room. Set the property `client` to give a client of your own.
 */
export class PresenceProviderElement extends HTMLElementOrNothing implements Provider {
  static readonly observedAttributes = ["url", "token-url", "room"];
  readonly clients = new Store<Presence | undefined>(undefined);
  #made: Presence | undefined;
  #leave: (() => void) | undefined;

  get client(): Presence | undefined {
    return this.clients.getSnapshot();
  }

  set client(client: Presence | undefined) {
    this.#made?.close();
    this.#made = undefined;
    this.clients.set(client);
    this.#join();
  }

  connectedCallback(): void {
    this.style.display ||= "contents";
    this.#make();
    this.#join();
  }

  disconnectedCallback(): void {
    this.#leave?.();
    this.#leave = undefined;
    setTimeout(() => {
      if (this.isConnected || !this.#made) return;
      this.#made.close();
      this.#made = undefined;
      this.clients.set(undefined);
    }, MOVED_MS);
  }

  attributeChangedCallback(name: string): void {
    if (!this.isConnected) return;
    if (name !== "room" && (this.#made || !this.client)) {
      this.client = undefined;
      this.#make();
    }
    this.#join();
  }

  #make(): void {
    const url = this.getAttribute("url");
    const tokenUrl = this.getAttribute("token-url");
    if (this.client || url === null || tokenUrl === null) return;
    this.#made = createPresence({ url, getToken: () => tokenFrom(tokenUrl) });
    this.clients.set(this.#made);
    this.#made.connect();
  }

  #join(): void {
    const room = this.getAttribute("room");
    const before = this.#leave;
    const lease = this.isConnected && room ? this.client?.room(room).join() : undefined;
    this.#leave = lease?.release;
    before?.();
  }
}

async function tokenFrom(url: string): Promise<string> {
  const answer = await fetch(url, { credentials: "same-origin" });
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}: it is to answer with a token`);
  const text = (await answer.text()).trim();
  return text.startsWith("{") ? (JSON.parse(text) as { token: string }).token : text;
}

define("presence-provider", PresenceProviderElement);
