/**
 * What the elements have in common: they find their client, follow what they show, and write text, never markup.
 *
 * Where there is no DOM, on a server, this module may be loaded all the same; nothing is defined there.
 */
import type { Presence } from "../presence.ts";
import type { Store } from "../store.ts";

const HTMLElementOrNothing = (globalThis.HTMLElement ?? class {}) as typeof HTMLElement;

/** What `presence-provider` gives to the elements in it. */
export interface Provider extends HTMLElement {
  readonly clients: Store<Presence | undefined>;
}

/** The styles of an element, shared by all of its kind. They work under a strict content security policy. */
export function sheet(css: string): () => CSSStyleSheet {
  let made: CSSStyleSheet | undefined;
  return () => {
    if (!made) {
      made = new CSSStyleSheet();
      made.replaceSync(`:host([hidden]) { display: none } ${css}`);
    }
    return made;
  };
}

export abstract class PresenceElement extends HTMLElementOrNothing {
  /** A client of the element's own, where there is no provider around. */
  #own: Presence | undefined;
  #stops: (() => void)[] = [];
  #stopProvider: (() => void) | undefined;
  #provider: Provider | undefined;
  #isPlanned = false;

  /** The styles, made when the first element of its kind is shown. */
  protected abstract readonly styles: () => CSSStyleSheet;

  /** Begin to follow what is shown. Gives the functions that end it; each change is to call `plan`. */
  protected abstract follow(client: Presence): (() => void)[];

  /** Write what is to be seen. `client` is undefined while there is none. */
  protected abstract render(root: ShadowRoot, client: Presence | undefined): void;

  get client(): Presence | undefined {
    return this.#own ?? this.#provider?.clients.getSnapshot();
  }

  set client(client: Presence | undefined) {
    this.#own = client;
    if (this.isConnected) this.#bind();
  }

  connectedCallback(): void {
    if (!this.shadowRoot) this.attachShadow({ mode: "open" }).adoptedStyleSheets = [this.styles()];
    this.#provider = providerOf(this);
    this.#stopProvider = this.#provider?.clients.subscribe(() => this.#bind());
    this.#bind();
  }

  disconnectedCallback(): void {
    this.#stopProvider?.();
    this.#unbind();
  }

  attributeChangedCallback(): void {
    if (this.isConnected) this.#bind();
  }

  /** Render when what is being done is done. */
  protected readonly plan = (): void => {
    if (this.#isPlanned) return;
    this.#isPlanned = true;
    queueMicrotask(() => {
      this.#isPlanned = false;
      if (this.isConnected && this.shadowRoot) this.render(this.shadowRoot, this.client);
    });
  };

  /** The room that is named here, or by the provider around. */
  protected get room(): string | undefined {
    return this.getAttribute("room") ?? this.#provider?.getAttribute("room") ?? undefined;
  }

  /** The language of this element, for numbers, lists and times. */
  protected get locale(): string | undefined {
    return this.getAttribute("locale") ?? this.closest<HTMLElement>("[lang]")?.lang ?? undefined;
  }

  /** A wording: the attribute, or the default, with `{name}` replaced by the value of that name. */
  protected words(attribute: string, wording: string, values: Record<string, string | number> = {}): string {
    return (this.getAttribute(attribute) ?? wording).replace(/\{(\w+)\}/g, (whole, name: string) => {
      const value = values[name];
      return typeof value === "number" ? new Intl.NumberFormat(this.locale).format(value) : (value ?? whole);
    });
  }

  #bind(): void {
    this.#unbind();
    const { client } = this;
    if (client) this.#stops = this.follow(client);
    this.plan();
  }

  #unbind(): void {
    for (const stop of this.#stops.splice(0)) stop();
  }
}

/** The provider around an element, through shadow roots too. */
function providerOf(element: HTMLElement): Provider | undefined {
  for (let at: Element | undefined = element; at; ) {
    const found: Provider | null = at.closest<Provider>("presence-provider");
    if (found?.clients) return found;
    const root: Node = at.getRootNode();
    at = root instanceof ShadowRoot ? root.host : undefined;
  }
  return undefined;
}

/** An element with a part's name, text and attributes. */
export function part(name: string, text = "", attributes: Record<string, string> = {}, tag = "span"): HTMLElement {
  const made = document.createElement(tag);
  made.setAttribute("part", name);
  made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

/**
 * A region whose changes are read out politely: it stays, and only its text changes.
 */
export function announce(root: ShadowRoot, text: string): void {
  let region = root.querySelector("[role=status]");
  if (!region) {
    region = part("text", "", { role: "status", "aria-live": "polite" });
    root.append(region);
  }
  if (region.textContent !== text) region.textContent = text;
}

/** Define an element, where there are elements, and once. */
export function define(name: string, element: CustomElementConstructor): void {
  if (globalThis.customElements && !customElements.get(name)) customElements.define(name, element);
}
