/** A value that changes: `get()` gives the same object until it changes, which fits React's `useSyncExternalStore`. */
export interface Store<T> {
  /** The value now. */
  get(): T;
  /** Calls the listener after changes, once for all that came together. Gives what ends that. */
  subscribe(listener: () => void): () => void;
}

/** Listeners that are told once, in the next task, of all that happened until then. */
class Listeners {
  readonly #listeners = new Set<() => void>();
  #isScheduled = false;

  add(listener: () => void): () => void {
    // Wrapped, so that one function may listen twice.
    const entry = (): void => listener();
    this.#listeners.add(entry);
    return () => void this.#listeners.delete(entry);
  }

  notify(): void {
    if (this.#isScheduled || this.#listeners.size === 0) return;
    this.#isScheduled = true;
    setTimeout(() => {
      this.#isScheduled = false;
      for (const listener of [...this.#listeners]) guarded(listener);
    }, 0);
  }
}

/** Calls a listener: what it throws is reported as uncaught and stops nobody else. */
export function guarded(call: () => void): void {
  try {
    call();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

/** A store that is set. */
export class Cell<T> implements Store<T> {
  readonly #listeners = new Listeners();
  readonly #onWatched: (() => void) | undefined;
  #value: T;

  /** `onWatched` is called whenever somebody begins to listen. */
  constructor(value: T, onWatched?: () => void) {
    this.#value = value;
    this.#onWatched = onWatched;
  }

  get(): T {
    return this.#value;
  }

  set(value: T): void {
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    this.#listeners.notify();
  }

  subscribe(listener: () => void): () => void {
    const end = this.#listeners.add(listener);
    this.#onWatched?.();
    return end;
  }
}

/** A store whose value is made from others when it is asked for, at most once for each time these changed. */
export class Derived<T> implements Store<T> {
  readonly #listeners = new Listeners();
  readonly #derive: (previous: T | undefined) => T;
  #value: T | undefined;
  #isStale = true;

  /** `derive` gives the former value back where nothing of it changed. */
  constructor(derive: (previous: T | undefined) => T) {
    this.#derive = derive;
  }

  get(): T {
    if (this.#isStale || this.#value === undefined) {
      this.#isStale = false;
      this.#value = this.#derive(this.#value);
    }
    return this.#value;
  }

  /** What the value is made from has changed. */
  invalidate(): void {
    this.#isStale = true;
    this.#listeners.notify();
  }

  subscribe(listener: () => void): () => void {
    return this.#listeners.add(listener);
  }
}
