import { AntiphonError, asAntiphonError, networkError } from "./error.js";
import type { ChannelReference } from "./generated.js";
import { isEvent, nameOf, read, type Link, type LinkOwner } from "./link.js";
import type { Rest } from "./rest.js";
import { SseParser } from "./sse_parser.js";
import type { Timing } from "./timing.js";

/** One stream of server-sent events. */
type Stream = { readonly abort: AbortController; heardAt: number };

/**
 * A stream of server-sent events for each channel; everything else goes by HTTP. The streams are read with `fetch`
 * rather than EventSource, which could send no token and would repeat a spent ticket by itself.
 */
export class SseLink implements Link {
  readonly transport = "sse";
  readonly #rest: Rest;
  readonly #owner: LinkOwner;
  readonly #timing: Timing;
  readonly #streams = new Map<string, Stream>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isOver = false;

  constructor(rest: Rest, timing: Timing, owner: LinkOwner) {
    [this.#rest, this.#owner, this.#timing] = [rest, owner, timing];
    void this.#ping().then(() => {
      if (!this.#isOver) owner.opened();
    });
  }

  async #ping(): Promise<void> {
    clearTimeout(this.#timer);
    const since = Date.now();
    try {
      await this.#rest.call("GET", "/health");
    } catch (error) {
      this.#lose(asAntiphonError(error));
      return;
    }
    if (this.#isOver) return;
    this.#owner.roundTrip(Date.now() - since);
    const oldest = Math.min(...[...this.#streams.values()].map((stream) => stream.heardAt));
    if (Date.now() - oldest > this.#timing.sseSilence) {
      this.#lose(networkError("the server says nothing"));
      return;
    }
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.check(), this.#timing.ping);
  }

  check(): void {
    void this.#ping();
  }

  subscribe(channel: ChannelReference, position: string | undefined): void {
    this.unsubscribe(channel);
    const stream = { abort: new AbortController(), heardAt: Date.now() };
    this.#streams.set(nameOf(channel), stream);
    void this.#follow(channel, position, stream).catch((error: unknown) => {
      if (!stream.abort.signal.aborted) this.#failed(channel, asAntiphonError(error));
    });
  }

  async #follow(channel: ChannelReference, position: string | undefined, stream: Stream): Promise<void> {
    const address = this.#rest.address(
      `/api/channels/${encodeURIComponent(channel.type)}/${encodeURIComponent(channel.id)}/events`,
      { position },
    );
    const response = await this.#rest.send("GET", address, stream.abort.signal);
    const reader = response.body?.getReader();
    const parser = new SseParser();
    const isOver = (): boolean => stream.abort.signal.aborted;
    for (;;) {
      const part = await reader?.read();
      if (isOver()) return;
      if (!part || part.done) throw networkError("the stream of events ended");
      stream.heardAt = Date.now();
      for (const event of parser.push(part.value)) {
        this.#take(channel, event.data);
        if (isOver()) return;
      }
    }
  }

  #take(channel: ChannelReference, data: string): void {
    const message = read(data);
    if (!message) throw networkError("the stream brought something broken");
    if (isEvent(message)) {
      this.#owner.event(nameOf(channel), message);
      return;
    }
    if (message.type === "error" || message.type === "refused") {
      this.#failed(channel, new AntiphonError(message.code, message.message));
      return;
    }
    if (message.type === "goodbye") {
      const { reason, reconnectAfterMs } = message;
      this.#lose(new AntiphonError("network", reason, { retryAfterMs: reconnectAfterMs }));
      return;
    }
    this.#owner.notice(message);
  }

  /** What is the channel's own is said of it; anything else is the end of the whole link. */
  #failed(channel: ChannelReference, error: AntiphonError): void {
    if (error.code === "network" || error.code === "unauthorized") {
      this.#lose(error);
      return;
    }
    this.unsubscribe(channel);
    const { code, message, retryAfterMs } = error;
    this.#owner.notice({ type: "error", channel, code, message, retryAfterMs } as never);
  }

  #lose(error: AntiphonError): void {
    if (this.#isOver) return;
    this.close();
    this.#owner.lost({ error });
  }

  unsubscribe(channel: ChannelReference): void {
    this.#streams.get(nameOf(channel))?.abort.abort();
    this.#streams.delete(nameOf(channel));
  }

  close(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    for (const stream of this.#streams.values()) stream.abort.abort();
    this.#streams.clear();
  }
}
