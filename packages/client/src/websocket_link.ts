import { AntiphonError, asAntiphonError, networkError } from "./error.js";
import type { ChannelReference, ServerMessage } from "./generated.js";
import {
  isEvent,
  nameOf,
  read,
  type ClientRequest,
  type Link,
  type LinkOwner,
  type RawEvent,
} from "./link.js";
import type { Rest } from "./rest.js";
import type { Timing } from "./timing.js";

/** Who waits for the answer to a request. */
type Waiting = { resolve(answer: ServerMessage): void; reject(error: AntiphonError): void };

/** `WebSocket.CONNECTING`. */
const CONNECTING = 0;

/** Close codes whose reason is the error before them: refused, refused for now, the token ended. */
const REFUSALS: ReadonlySet<number> = new Set([1008, 1013, 4001]);

/** Requests that may wait for their answers at once. */
const MOST_REQUESTS = 256;

/** One WebSocket with all its subscriptions. */
export class WebSocketLink implements Link {
  readonly transport = "websocket";
  readonly #rest: Rest;
  readonly #owner: LinkOwner;
  readonly #timing: Timing;
  readonly #requests = new Map<number, Waiting>();
  #socket: WebSocket | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isOpen = false;
  #isOver = false;
  #requestId = 0;
  #heardAt = 0;
  #pingedAt = 0;
  #goodbyeMs: number | undefined;
  /** What the server said last before it closed. */
  #refusal: AntiphonError | undefined;

  constructor(rest: Rest, constructor: typeof WebSocket, timing: Timing, owner: LinkOwner) {
    [this.#rest, this.#owner, this.#timing] = [rest, owner, timing];
    void this.#open(constructor);
  }

  async #open(constructor: typeof WebSocket): Promise<void> {
    let ticket;
    try {
      ({ ticket } = await this.#rest.ticket());
    } catch (error) {
      this.#lose(asAntiphonError(error));
      return;
    }
    if (this.#isOver) return;
    const address = this.#rest.address("/ws", { ticket });
    address.protocol = address.protocol.replace("http", "ws");
    this.#timer = setTimeout(() => this.#drop("the connection was not made in time"), this.#timing.answer);
    try {
      const socket = new constructor(address);
      this.#socket = socket;
      socket.onmessage = (event) => this.#take(event.data);
      // What an error was, its close says.
      socket.onerror = () => undefined;
      socket.onclose = (event) => this.#closed(event);
    } catch (error) {
      this.#lose(asAntiphonError(error), true);
    }
  }

  #take(data: unknown): void {
    if (this.#isOver) return;
    this.#heardAt = Date.now();
    const message = read(data);
    if (!message) {
      this.#drop("the connection brought something broken");
      return;
    }
    if (isEvent(message)) {
      this.#owner.event(channelOf(message), message);
      return;
    }
    switch (message.type) {
      case "connected":
        this.#isOpen = true;
        this.#await();
        {
          this.#owner.opened();
          return;
        }
      case "pong":
        this.#owner.roundTrip(Date.now() - this.#pingedAt);
        break;
      case "error":
        this.#refusal = new AntiphonError(message.code, message.message, {
          retryAfterMs: message.retryAfterMs ?? undefined,
        });
        break;
      case "goodbye":
        this.#goodbyeMs = message.reconnectAfterMs;
        break;
      default:
    }
    this.#answer(message);
    this.#owner.notice(message);
  }

  #answer(message: ServerMessage): void {
    const id = "requestId" in message ? message.requestId : undefined;
    const waiting = typeof id === "number" ? this.#requests.get(id) : undefined;
    if (!waiting) return;
    this.#requests.delete(id as number);
    if (message.type === "error" && this.#refusal) waiting.reject(this.#refusal);
    else waiting.resolve(message);
  }

  #closed({ code, reason }: CloseEvent): void {
    const refusal = REFUSALS.has(code) || !this.#isOpen ? this.#refusal : undefined;
    const why = `the connection was closed (${[code, reason].filter(Boolean).join(" ")})`;
    this.#lose(
      refusal ?? new AntiphonError("network", why, { retryAfterMs: this.#goodbyeMs }),
      !this.#isOpen && !refusal,
    );
  }

  /** The connection does not work any more, whatever it says. */
  #drop(why: string): void {
    this.#lose(networkError(why), !this.#isOpen);
  }

  #lose(error: AntiphonError, isBarred = false): void {
    if (this.#isOver) return;
    this.close();
    this.#owner.lost({ error, isBarred });
  }

  /** Pings after a while; whoever says nothing after that is gone. */
  #await(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.check(), this.#timing.ping);
  }

  check(): void {
    if (!this.#isOpen || this.#isOver) return;
    this.#pingedAt = Date.now();
    this.#say({ type: "ping" });
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.#heardAt < this.#pingedAt) this.#drop("the server does not answer");
      else this.#await();
    }, this.#timing.silence);
  }

  #say(message: ClientRequest): void {
    try {
      this.#socket?.send(JSON.stringify(message));
    } catch (error) {
      this.#drop(String(error));
    }
  }

  subscribe(channel: ChannelReference, position: string | undefined): void {
    this.#say({ type: "subscribe", channel, position });
  }

  unsubscribe(channel: ChannelReference): void {
    this.#say({ type: "unsubscribe", channel });
  }

  request(message: ClientRequest): Promise<ServerMessage> {
    return new Promise((resolve, reject) => {
      if (this.#isOver || this.#requests.size >= MOST_REQUESTS) {
        reject(networkError("not connected"));
        return;
      }
      const requestId = ++this.#requestId;
      const timer = setTimeout(() => this.#drop("a request was not answered in time"), this.#timing.answer);
      this.#requests.set(requestId, {
        resolve: (answer) => {
          clearTimeout(timer);
          resolve(answer);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      });
      this.#say({ ...message, requestId });
    });
  }

  close(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    if (this.#socket) letGo(this.#socket, this.#timing);
    for (const waiting of this.#requests.values()) waiting.reject(networkError("the connection was lost"));
    this.#requests.clear();
  }
}

/** Closes a socket that nobody listens to any more. */
function letGo(socket: WebSocket, timing: Timing): void {
  socket.onmessage = socket.onclose = null;
  if (socket.readyState !== CONNECTING) {
    socket.close();
    return;
  }
  // Browsers complain of a socket that is closed before it is open.
  const timer = setTimeout(() => socket.close(), timing.answer);
  socket.onclose = () => clearTimeout(timer);
  socket.onopen = () => {
    clearTimeout(timer);
    socket.close();
  };
}

/** The channel that an event is of. */
function channelOf(event: RawEvent): string {
  const { channel, roomId } = event as { channel?: ChannelReference; roomId?: unknown };
  return channel ? nameOf(channel) : `ar-room:${String(roomId)}`;
}
