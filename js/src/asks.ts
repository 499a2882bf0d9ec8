/** Which answer belongs to which request. */
import { Lost, Refused } from "./errors.ts";
import type { ClientMessage, ErrorMessage, Ok } from "./messages.ts";

interface Ask {
  readonly message: ClientMessage;
  readonly isKept: boolean;
  readonly resolve: (ok: Ok) => void;
  readonly reject: (error: Error) => void;
}

/** A request that is `kept` is asked again on the next connection; any other is `Lost` with its own. */
export class Asks {
  #last = 0;
  readonly #open = new Map<number, Ask>();

  constructor(private readonly say: (message: ClientMessage) => boolean) {}

  /** Ask the server. Rejects with `Refused`, `Lost`, or what the connection ended with. */
  ask(message: ClientMessage, isKept = false): Promise<Ok> {
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      if (message.type === "status") this.#replaceStatus();
      this.#open.set(id, { message: { ...message, id }, isKept, resolve, reject });
      if (!this.say({ ...message, id }) && !isKept) this.#settle(id)?.reject(new Lost("there is no connection"));
    });
  }

  /** An `ok` or an `error` came. Answers whether it was for a request. */
  answered(message: Ok | ErrorMessage): boolean {
    const ask = message.id === undefined ? undefined : this.#settle(message.id);
    if (message.type === "ok") ask?.resolve(message);
    else ask?.reject(new Refused(message));
    return ask !== undefined;
  }

  /** The connection is gone. */
  lose(): void {
    for (const [id, ask] of [...this.#open]) {
      if (!ask.isKept) this.#settle(id)?.reject(new Lost("the connection was lost"));
    }
  }

  /** There is a new connection: ask again what was kept. */
  repeat(): void {
    for (const ask of this.#open.values()) if (ask.isKept) this.say(ask.message);
  }

  /** There will be no connection. */
  end(error: Error): void {
    for (const id of [...this.#open.keys()]) this.#settle(id)?.reject(error);
  }

  /** Only the newest status is waited for: an older one, which it replaces, has been said as far as anybody cares. */
  #replaceStatus(): void {
    for (const [id, ask] of [...this.#open]) {
      if (ask.message.type === "status") this.#settle(id)?.resolve({ type: "ok", id });
    }
  }

  #settle(id: number): Ask | undefined {
    const ask = this.#open.get(id);
    this.#open.delete(id);
    return ask;
  }
}
