/** A value that is replaced, never changed, and those who are told when it is: what `useSyncExternalStore` asks for. */
export interface Readable<T> {
  /** Call `listener` after each change. Gives the function that ends it. */
  readonly subscribe: (listener: () => void) => () => void;
  /** The value now: the same object until it says something else. */
  readonly getSnapshot: () => T;
}

/** A set of listeners. One that throws keeps nobody else from being told. */
export class Listeners<A extends unknown[]> {
  // Each call is a listening of its own, also of a function that listens already.
  readonly all = new Set<{ listener: (...told: A) => void; origin: unknown }>();

  get size(): number {
    return this.all.size;
  }

  /** `origin` is the function that was given, where `listener` only calls it. */
  add(listener: (...told: A) => void, origin: unknown = listener): () => void {
    const own = { listener, origin };
    this.all.add(own);
    return () => {
      this.all.delete(own);
    };
  }

  tell(...told: A): void {
    for (const { listener } of [...this.all]) {
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
  readonly listeners = new Listeners<[]>();
  #value: T;

  constructor(value: T) {
    this.#value = value;
  }

  /** Whether nobody listens. */
  get isIdle(): boolean {
    return this.listeners.size === 0;
  }

  readonly subscribe = (listener: () => void): (() => void) => this.listeners.add(listener);

  readonly getSnapshot = (): T => this.#value;

  set(value: T): void {
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    this.listeners.tell();
  }
}
