import { AntiphonError, networkError } from "./error.js";
import type { ChannelReference, ServerMessage } from "./generated.js";
import { nameOf, type ClientRequest, type Link, type LinkOwner, type Loss, type RawEvent } from "./link.js";
import type { Rest } from "./rest.js";
import { SseLink } from "./sse_link.js";
import { Cell } from "./store.js";
import { backoff, type Timing } from "./timing.js";
import type { ConnectionState, TransportName } from "./types.js";
import { WebSocketLink } from "./websocket_link.js";

/** Who follows a channel, over however many links it takes. */
export type Follower = {
  readonly channel: ChannelReference;
  /** Where to go on; nothing for from now on. */
  position(): string | undefined;
  /** Delivery starts after that position. */
  subscribed(position: string): void;
  event(event: RawEvent): void;
  /** The past is done, live begins. */
  caughtUp(): void;
  /** The subscription is refused or over; `Connection.subscribe` tries again. */
  refused(error: AntiphonError): void;
  /** The link is gone; the next one subscribes by itself. */
  lost(): void;
  /** The connection will not come back by itself. */
  closed(error: AntiphonError): void;
};

/** Failed tries in a row after which a way counts as barred. */
const TRIES_UNTIL_BARRED = 2;

/** How the client gets its ways to the server. */
export type Ways = {
  readonly transports: readonly TransportName[];
  /** The constructor, where there is one. */
  readonly WebSocket: typeof WebSocket | undefined;
};

/** The page around the client, where there is one. */
const page: Partial<Pick<Window, "addEventListener" | "removeEventListener" | "document">> = globalThis;

/** Keeps one link to the server up, and every follower's subscription on it. */
export class Connection {
  readonly state: Cell<ConnectionState>;
  readonly #rest: Rest;
  readonly #ways: Ways;
  readonly #timing: Timing;
  readonly #followers = new Map<string, Follower>();
  readonly #awaiting = new Set<(error?: AntiphonError) => void>();
  #link: Link | undefined;
  /** A WebSocket that is tried beside server-sent events. */
  #better: Link | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #betterTimer: ReturnType<typeof setTimeout> | undefined;
  #hasBegun = false;
  #isOver = false;
  /** `Date.now()` of when the link began to work. */
  #liveAt = 0;
  #wasLive = false;
  #barred = 0;
  #refusedTokens = 0;
  #tries = 0;

  constructor(rest: Rest, ways: Ways, timing: Timing) {
    [this.#rest, this.#ways, this.#timing] = [rest, ways, timing];
    const first: ConnectionState = { status: "connecting", transport: undefined, attempt: 0 };
    this.state = new Cell(first, () => this.begin());
  }

  /** Connects, the first time. */
  begin(): void {
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    page.addEventListener?.("online", this.#online);
    page.addEventListener?.("offline", this.#offline);
    page.document?.addEventListener("visibilitychange", this.#visible);
    this.#connect();
  }

  readonly #online = (): void => this.reconnectNow();
  readonly #offline = (): void => {
    if (this.#link) this.#lost({ error: networkError("this device is offline") });
  };
  readonly #visible = (): void => {
    if (document.visibilityState === "visible") this.#link?.check();
  };

  /** Follows a channel from now on, with the subscription on this and all later links. Gives what ends it. */
  follow(follower: Follower): () => void {
    const name = nameOf(follower.channel);
    if (this.#followers.has(name)) throw new AntiphonError("conflict", `${name} is followed already`);
    this.#followers.set(name, follower);
    this.begin();
    const { status, error } = this.state.get();
    if (status === "closed") follower.closed(error ?? closedError());
    else this.subscribe(follower);
    return () => {
      if (this.#followers.get(name) !== follower) return;
      this.#followers.delete(name);
      if (this.#isLive()) this.#link?.unsubscribe(follower.channel);
    };
  }

  /** Subscribes a follower whose subscription is over. */
  subscribe(follower: Follower): void {
    if (this.#isLive()) this.#link?.subscribe(follower.channel, follower.position());
  }

  /** Ends the subscription and begins it anew where the follower now is. */
  resubscribe(follower: Follower): void {
    if (!this.#isLive()) return;
    this.#link?.unsubscribe(follower.channel);
    this.subscribe(follower);
  }

  #isLive(): boolean {
    return this.state.get().status === "live";
  }

  /** Resolves once the link works. */
  whenLive(): Promise<void> {
    this.begin();
    const { status, error } = this.state.get();
    if (status === "live") return Promise.resolve();
    if (status === "closed") return Promise.reject(error ?? closedError());
    return new Promise((resolve, reject) => {
      this.#awaiting.add((failure) => (failure ? reject(failure) : resolve()));
    });
  }

  /** Asks over the link for what it can be asked for; `undefined` where that is to be done by HTTP. */
  request(message: ClientRequest): Promise<ServerMessage> | undefined {
    return this.#isLive() ? this.#link?.request?.(message) : undefined;
  }

  #connect(): void {
    clearTimeout(this.#timer);
    this.#link?.close();
    const { error } = this.state.get();
    const status = this.#wasLive ? "reconnecting" : "connecting";
    this.state.set({ status, transport: undefined, attempt: this.#tries, ...(error ? { error } : {}) });
    this.#link = this.#open(this.#transport());
  }

  /** WebSocket where it is there and not barred. */
  #transport(): TransportName {
    const { transports, WebSocket } = this.#ways;
    const hasWebSocket = WebSocket !== undefined && transports.includes("websocket");
    const isBarred = this.#barred >= TRIES_UNTIL_BARRED && transports.includes("sse");
    return hasWebSocket && !isBarred ? "websocket" : "sse";
  }

  #open(transport: TransportName): Link {
    const box: { link?: Link } = {};
    const ifCurrent = (call: () => void): void => {
      if (box.link === this.#link) call();
    };
    const owner: LinkOwner = {
      opened: () => this.#opened(box.link),
      notice: (message) => ifCurrent(() => this.#notice(message)),
      event: (channel, event) => ifCurrent(() => this.#event(channel, event)),
      roundTrip: (roundTripMs) => ifCurrent(() => this.state.set({ ...this.state.get(), roundTripMs })),
      lost: (loss) => (box.link === this.#better ? this.#notBetter() : ifCurrent(() => this.#lost(loss))),
    };
    const { WebSocket } = this.#ways;
    box.link =
      transport === "websocket" && WebSocket
        ? new WebSocketLink(this.#rest, WebSocket, this.#timing, owner)
        : new SseLink(this.#rest, this.#timing, owner);
    return box.link;
  }

  #opened(link: Link | undefined): void {
    if (!link || (link !== this.#link && link !== this.#better)) return;
    if (link === this.#better) {
      this.#link?.close();
      for (const follower of this.#followers.values()) follower.lost();
      this.#better = undefined;
    }
    this.#link = link;
    [this.#liveAt, this.#wasLive] = [Date.now(), true];
    if (link.transport === "websocket") this.#barred = 0;
    const { roundTripMs } = this.state.get();
    const { transport } = link;
    this.state.set({
      status: "live",
      transport,
      attempt: 0,
      ...(roundTripMs === undefined ? {} : { roundTripMs }),
    });
    for (const follower of this.#followers.values()) this.subscribe(follower);
    if (transport === "websocket") link.check();
    else this.#tryBetterLater();
    this.#release();
  }

  #release(error?: AntiphonError): void {
    const awaiting = [...this.#awaiting];
    this.#awaiting.clear();
    for (const resolve of awaiting) resolve(error);
  }

  /** WebSocket is tried again now and then where it was barred. */
  #tryBetterLater(): void {
    clearTimeout(this.#betterTimer);
    if (this.#barred === 0) return;
    this.#betterTimer = setTimeout(() => {
      if (this.#isLive()) this.#better = this.#open("websocket");
    }, this.#timing.websocketAgain);
  }

  #notBetter(): void {
    this.#better = undefined;
    this.#tryBetterLater();
  }

  #notice(message: ServerMessage): void {
    if (!("channel" in message) || !message.channel) return;
    const follower = this.#followers.get(nameOf(message.channel));
    if (message.type === "subscribed") follower?.subscribed(message.position);
    if (message.type === "caught-up") {
      this.#provenUseful();
      follower?.caughtUp();
    }
    // A conflict says that the subscription is (or, when it is to be ended, is not) there already, which is as well.
    if (message.type === "error" && message.code !== "conflict") {
      const retryAfterMs = message.retryAfterMs ?? undefined;
      follower?.refused(new AntiphonError(message.code, message.message, { retryAfterMs }));
    }
  }

  /** Only a link that was of use makes the next pause a short one: a server may let in and throw out at once. */
  #provenUseful(): void {
    [this.#tries, this.#refusedTokens] = [0, 0];
  }

  #event(channel: string, event: RawEvent): void {
    this.#followers.get(channel)?.event(event);
  }

  #lost({ error, isBarred = false }: Loss): void {
    const wasLive = this.#isLive();
    if (wasLive && Date.now() - this.#liveAt >= this.#timing.ping) this.#provenUseful();
    this.#drop();
    if (wasLive) for (const follower of this.#followers.values()) follower.lost();
    if (isBarred) this.#barred++;
    const isRefused = error.code === "unauthorized" || error.code === "forbidden";
    // A token may have ended; a new one that is refused as well is no token.
    if (isRefused && (this.#refusedTokens++ > 0 || !this.#rest.renewToken())) {
      this.#end(error);
      return;
    }
    const tries = this.#tries++;
    const isAtOnce = isRefused || (isBarred && this.#transport() === "sse");
    const wait = isAtOnce ? 0 : Math.max(error.retryAfterMs ?? 0, backoff(tries, this.#timing));
    const status = this.#wasLive ? "reconnecting" : "connecting";
    this.state.set({ status, transport: undefined, attempt: this.#tries, retryAt: Date.now() + wait, error });
    this.#timer = setTimeout(() => this.#connect(), wait);
  }

  /** Nothing is left that could bring or start a link. */
  #drop(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#betterTimer);
    this.#link?.close();
    this.#better?.close();
    this.#link = this.#better = undefined;
  }

  #end(error: AntiphonError): void {
    this.#drop();
    this.state.set({ status: "closed", transport: undefined, attempt: this.#tries, error });
    for (const follower of [...this.#followers.values()]) follower.closed(error);
    this.#release(error);
  }

  /** Tries now rather than later; also after the server refused. A link that seems to work is tested. */
  reconnectNow(): void {
    if (this.#isOver) return;
    if (this.#isLive()) {
      this.#link?.check();
      return;
    }
    if (!this.#hasBegun) {
      this.begin();
      return;
    }
    this.#refusedTokens = 0;
    // Only where a refused token ended it: a token that holds is kept, or a guest would become another one.
    if (this.state.get().status === "closed") this.#rest.renewToken();
    this.#connect();
  }

  close(): void {
    page.removeEventListener?.("online", this.#online);
    page.removeEventListener?.("offline", this.#offline);
    page.document?.removeEventListener("visibilitychange", this.#visible);
    this.#hasBegun = this.#isOver = true;
    this.#end(closedError());
  }
}

function closedError(): AntiphonError {
  return new AntiphonError("closed", "this client was closed");
}
