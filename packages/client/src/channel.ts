import type { Connection, Follower } from "./connection.js";
import { isAboutPosition, type AntiphonError } from "./error.js";
import type { ChannelReference } from "./generated.js";
import type { RawEvent } from "./link.js";
import { Cell, guarded, type Store } from "./store.js";
import { backoff, pause, type Timing } from "./timing.js";

/** A channel's state. */
export type ChannelState = {
  readonly status: "loading" | "live" | "catching-up" | "gone";
  /** After the last event. */
  readonly position?: string;
  /** Why it is not live; stays after a gap, which it tells of. */
  readonly error?: AntiphonError;
};

/** What a channel needs of its client. */
export type ChannelParts = { readonly connection: Connection; readonly timing: Timing };

/** The events of any channel as they come, once each and in order, across reconnects. */
export class Channel {
  /** Where it stands. */
  readonly state: Store<ChannelState>;
  readonly #state: Cell<ChannelState>;
  readonly #connection: Connection;
  readonly #timing: Timing;
  readonly #follower: Follower;
  readonly #unfollow: () => void;
  readonly #onClose: () => void;
  readonly #listeners = new Set<(event: RawEvent) => void>();
  readonly #over = new AbortController();
  #position: string | undefined;
  #refusals = 0;

  /** Use `Antiphon.channel`. */
  constructor(
    channel: ChannelReference,
    position: string | undefined,
    parts: ChannelParts,
    onClose: () => void,
  ) {
    [this.#connection, this.#timing] = [parts.connection, parts.timing];
    [this.#position, this.#onClose] = [position, onClose];
    this.state = this.#state = new Cell<ChannelState>({ status: "loading" });
    this.#follower = {
      channel,
      position: () => this.#position,
      subscribed: (from) => (this.#position = from),
      event: (event) => this.#take(event),
      caughtUp: () => {
        this.#refusals = 0;
        this.#become("live", this.#state.get().error);
      },
      refused: (error) => void this.#refused(error),
      lost: () => this.#become("catching-up"),
      closed: (error) => this.#become("catching-up", error),
    };
    this.#unfollow = parts.connection.follow(this.#follower);
  }

  #become(status: ChannelState["status"], error?: AntiphonError): void {
    this.#state.set({
      status,
      ...(this.#position ? { position: this.#position } : {}),
      ...(error ? { error } : {}),
    });
  }

  #take(event: RawEvent): void {
    if (this.#position !== undefined && this.#position !== "start" && event.position <= this.#position)
      return;
    this.#position = event.position;
    this.#state.set({ ...this.#state.get(), position: event.position });
    for (const listener of [...this.#listeners]) guarded(() => listener(event));
  }

  async #refused(error: AntiphonError): Promise<void> {
    if (error.code === "forbidden" || error.code.endsWith("_not_found") || error.code === "invalid_request") {
      this.#become("gone", error);
      return;
    }
    // What can still be had is had; that something is missing is said.
    if (isAboutPosition(error)) this.#position = "start";
    this.#become("catching-up", error);
    await pause(error.retryAfterMs ?? backoff(this.#refusals++, this.#timing), this.#over.signal);
    if (!this.#over.signal.aborted) this.#connection.resubscribe(this.#follower);
  }

  /** Calls the listener with each event. Gives what ends that. */
  on(listener: (event: RawEvent) => void): () => void {
    const entry = (event: RawEvent): void => listener(event);
    this.#listeners.add(entry);
    return () => void this.#listeners.delete(entry);
  }

  /** Ends it. */
  close(): void {
    if (this.#over.signal.aborted) return;
    this.#over.abort();
    this.#listeners.clear();
    this.#unfollow();
    this.#onClose();
  }
}
