/** A value that is replaced, never changed, and those who are told when it is: what `useSyncExternalStore` asks for. */
export interface Readable<T> {
  /** Call `listener` after each change. Gives the function that ends it. */
  readonly subscribe: (listener: () => void) => () => void;
  /** The value now: the same object until it says something else. */
  readonly getSnapshot: () => T;
}

/** A set of listeners. One that throws keeps nobody else from being told. */
export class Listeners<A extends unknown[]> {
  readonly #listeners = new Set<(...told: A) => void>();

  get size(): number {
    return this.#listeners.size;
  }

  add(listener: (...told: A) => void): () => void {
    // Each call is a listening of its own, also of a function that listens already.
    const own = (...told: A) => listener(...told);
    this.#listeners.add(own);
    return () => {
      this.#listeners.delete(own);
    };
  }

  tell(...told: A): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(...told);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}

export class Store<T> implements Readable<T> {
  readonly #listeners = new Listeners<[]>();
  #value: T;

  constructor(value: T) {
    this.#value = value;
  }

  /** Whether nobody listens. */
  get isIdle(): boolean {
    return this.#listeners.size === 0;
  }

  readonly subscribe = (listener: () => void): (() => void) => this.#listeners.add(listener);

  readonly getSnapshot = (): T => this.#value;

  set(value: T): void {
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    this.#listeners.tell();
  }
}
