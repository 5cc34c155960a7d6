import type { Connection, Follower } from "./connection.js";
import { AntiphonError, asAntiphonError, isAboutPosition, isTransient } from "./error.js";
import { apply, EMPTY, isIn, type Fold } from "./fold/fold.js";
import { fromPage, headOf, withEarlier, withSent, type Read } from "./fold/page.js";
import { isShallowEqual, present, type Presented } from "./fold/present.js";
import type { Accepted, RoomEvent, ServerMessage } from "./generated.js";
import type { ClientRequest, RawEvent } from "./link.js";
import { Outbox } from "./outbox.js";
import { PAGE_MESSAGES, type Rest, type StreamAction } from "./rest.js";
import { Derived, guarded, type Store } from "./store.js";
import { backoff, pause, type Timing } from "./timing.js";
import type { Message, RoomState } from "./types.js";

/** Tries of what a person asked for and is waiting for. */
const MOST_TRIES = 4;

/** What a room needs of its client. */
export type RoomParts = { readonly rest: Rest; readonly connection: Connection; readonly timing: Timing };

/** A room that is open: its conversation as it goes on, and what can be done in it. */
export class Room {
  /** Which room. */
  readonly id: string;
  /** The conversation now. */
  readonly state: Store<RoomState>;
  readonly #parts: RoomParts;
  readonly #onLeave: () => void;
  readonly #store: Derived<RoomState>;
  readonly #outbox: Outbox;
  readonly #listeners = new Set<(event: RoomEvent) => void>();
  readonly #over = new AbortController();
  readonly #follower: Follower;
  #fold: Fold = EMPTY;
  #presented: Presented | undefined;
  #status: RoomState["status"] = "loading";
  #hasEarlier = false;
  #error: AntiphonError | undefined;
  #unfollow: (() => void) | undefined;
  #loading: Promise<void> | undefined;
  #loadingEarlier: Promise<void> | undefined;
  #refusals = 0;

  /** Use `Antiphon.room`. */
  constructor(id: string, parts: RoomParts, onLeave: () => void) {
    [this.id, this.#parts, this.#onLeave] = [id, parts, onLeave];
    this.state = this.#store = new Derived((former) => this.#derive(former));
    const owner = {
      transmit: (content: string, clientMessageId: string) => this.#transmit(content, clientMessageId),
      whenLive: () => parts.connection.whenLive(),
      changed: () => this.#changed(),
    };
    this.#outbox = new Outbox(owner, parts.timing);
    this.#follower = this.#newFollower();
    parts.connection.begin();
    void this.#load(false);
  }

  #newFollower(): Follower {
    return {
      channel: { type: "ar-room", id: this.id },
      position: () => this.#fold.position,
      subscribed: () => undefined,
      event: (event) => this.#take(event),
      caughtUp: () => {
        this.#refusals = 0;
        if (this.#status !== "gone") this.#become("live");
      },
      refused: (error) => void this.#refused(error),
      lost: () => {
        if (this.#status === "live") this.#become("catching-up");
      },
      closed: (error) => {
        if (error.code !== "closed") this.#become(this.#status, error);
        else this.leave();
      },
    };
  }

  #become(status: RoomState["status"], error?: AntiphonError): void {
    [this.#status, this.#error] = [status, error];
    this.#changed();
  }

  #changed(): void {
    this.#outbox.settle((sent) => {
      const known = withSent(this.#fold, sent);
      this.#fold = known ?? this.#fold;
      return known !== undefined;
    });
    this.#store.invalidate();
  }

  #derive(former: RoomState | undefined): RoomState {
    this.#presented = present(this.#fold, this.#outbox.messages, this.#presented);
    const { messages, queue, active } = this.#presented;
    const { info: room, position } = this.#fold;
    const info = room && position ? { ...room, position: former?.info?.position ?? position } : undefined;
    const isSameInfo =
      info && former?.info && isShallowEqual({ ...info, createdBy: 0 }, { ...former.info, createdBy: 0 });
    const state: RoomState = {
      status: this.#status,
      ...(info ? { info: isSameInfo ? (former.info ?? info) : info } : {}),
      messages,
      queue,
      ...(active ? { active } : {}),
      hasEarlier: this.#hasEarlier,
      ...(position ? { position } : {}),
      ...(this.#error ? { error: this.#error } : {}),
    };
    return former && isShallowEqual(state, former) ? former : state;
  }

  /** Reads the messages and goes on from there. Until that is done the former conversation stays. */
  #load(keepEarlier: boolean): Promise<void> {
    this.#loading ??= this.#read(keepEarlier).finally(() => (this.#loading = undefined));
    return this.#loading;
  }

  async #read(keepEarlier: boolean): Promise<void> {
    for (let tries = 0; !this.#over.signal.aborted; tries++) {
      try {
        const read = await this.#readOnce();
        this.#begin(fromPage(read, this.#fold, keepEarlier), read);
        return;
      } catch (thrown) {
        const error = asAntiphonError(thrown);
        if (error.code === "room_not_found" || error.code === "forbidden") {
          this.#gone(error);
          return;
        }
        this.#become(this.#status, error);
        await pause(error.retryAfterMs ?? backoff(tries, this.#parts.timing), this.#over.signal);
        if (!isTransient(error)) await this.#parts.connection.whenLive().catch(() => undefined);
      }
    }
  }

  async #readOnce(): Promise<Read> {
    const { rest } = this.#parts;
    const [info, page] = await Promise.all([rest.room(this.id), rest.messages(this.id)]);
    const head = headOf(page);
    if (head === undefined) return { info, page, head: undefined };
    const view = await rest.stream(head).catch((error: unknown) => {
      if (error instanceof AntiphonError && error.code === "stream_not_found") return undefined;
      throw error;
    });
    return { info, page, head: view };
  }

  #begin(fold: Fold, { page }: Read): void {
    if (this.#over.signal.aborted) return;
    const isExtended = fold.turns[0]?.message?.id !== page.messages[0]?.id;
    if (!isExtended) this.#hasEarlier = page.messages.length >= PAGE_MESSAGES;
    this.#fold = fold;
    if (fold.isDeleted) {
      this.#gone(new AntiphonError("room_not_found", "the room was deleted"));
      return;
    }
    this.#become(this.#status);
    if (this.#unfollow) this.#parts.connection.resubscribe(this.#follower);
    else this.#unfollow = this.#parts.connection.follow(this.#follower);
  }

  #take(raw: RawEvent): void {
    const event = raw as RoomEvent;
    if (this.#status === "gone" || isIn(this.#fold, event)) return;
    const next = apply(this.#fold, event);
    if (next.hasGap) {
      // What is missing is in the messages; what came so far stays until they are read.
      this.#become("catching-up");
      return void this.#load(true);
    }
    this.#fold = next;
    this.#changed();
    for (const listener of [...this.#listeners]) guarded(() => listener(event));
    if (next.isDeleted) this.#gone(new AntiphonError("room_not_found", "the room was deleted"));
  }

  async #refused(error: AntiphonError): Promise<void> {
    if (error.code === "room_not_found" || error.code === "forbidden") {
      this.#gone(error);
      return;
    }
    this.#become("catching-up", error);
    // A foreign position means that this is another conversation than the one that was folded.
    if (isAboutPosition(error) && this.#refusals++ === 0)
      return this.#load(error.code !== "position_foreign");
    await pause(error.retryAfterMs ?? backoff(this.#refusals++, this.#parts.timing), this.#over.signal);
    if (this.#over.signal.aborted) return;
    if (isAboutPosition(error)) return this.#load(false);
    this.#parts.connection.resubscribe(this.#follower);
  }

  #gone(error: AntiphonError): void {
    this.#outbox.close(error);
    this.#unfollow?.();
    this.#become("gone", error);
  }

  /** Says something. It shows at once, is sent until the server has it, and never doubles. */
  send(content: string, options: { clientMessageId?: string } = {}): Promise<Accepted> {
    if (this.#status === "gone") {
      return Promise.reject(this.#error ?? new AntiphonError("room_not_found", "the room is not there"));
    }
    return this.#outbox.send(content, options.clientMessageId ?? newId());
  }

  /** Sends an unsent message again. */
  resend(clientMessageId: string): Promise<Accepted> {
    return this.#outbox.resend(clientMessageId);
  }

  /** Forgets an unsent message. */
  discard(clientMessageId: string): void {
    this.#outbox.discard(clientMessageId);
  }

  async #transmit(content: string, clientMessageId: string): Promise<Accepted> {
    const { connection, rest } = this.#parts;
    const message = { type: "ar-message", roomId: this.id, content, clientMessageId };
    const answer = await connection.request(message);
    if (answer?.type === "accepted") return answer;
    return rest.say(this.id, { content, clientMessageId });
  }

  /**
   * Interrupts the running answer, or cuts the last one, which may still be spoken, to what was heard of it: so many
   * UTF-16 code units of its `text`; all that was sent where nothing is said.
   */
  async interrupt(heard?: number): Promise<void> {
    const last = this.#fold.turns.findLast(isSpoken);
    const streamId = last?.message?.streamId;
    if (streamId === undefined) return;
    const attempt = last?.message?.attempt;
    const fields = {
      ...(heard === undefined ? {} : { heard: { offset: heard } }),
      ...(attempt ? { attempt } : {}),
    };
    const request = { type: "interrupt-stream", streamId, ...fields };
    await this.#ask(request, () => this.#parts.rest.act(streamId, "interrupt", fields));
  }

  /** Stops an answer, or withdraws one that waits. */
  cancel(streamId: string): Promise<void> {
    return this.#act(streamId, "cancel");
  }

  /** Holds a running answer. */
  pause(streamId: string): Promise<void> {
    return this.#act(streamId, "pause");
  }

  /** Lets a held answer go on. */
  resume(streamId: string): Promise<void> {
    return this.#act(streamId, "resume");
  }

  /** Asks again for an answer that is not whole; gives the new stream. */
  async retry(streamId: string): Promise<{ streamId: string }> {
    // Twice asked would be a conflict, so what the network swallows is for the person to see.
    const accepted = await this.#parts.rest.act<Accepted>(streamId, "retry");
    return { streamId: accepted.streamId ?? streamId };
  }

  #act(streamId: string, action: StreamAction): Promise<void> {
    return this.#ask({ type: `${action}-stream`, streamId }, () => this.#parts.rest.act(streamId, action));
  }

  /** Over the link or by HTTP, and again where the way there failed. */
  async #ask(request: ClientRequest, otherwise: () => Promise<unknown>): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        const answer: Promise<ServerMessage> | undefined = this.#parts.connection.request(request);
        await (answer ?? otherwise());
        return;
      } catch (thrown) {
        const error = asAntiphonError(thrown);
        if (!isTransient(error) || tries >= MOST_TRIES || this.#over.signal.aborted) throw error;
        await pause(error.retryAfterMs ?? backoff(tries, this.#parts.timing), this.#over.signal);
      }
    }
  }

  /** Reads a page of messages from before the first. */
  loadEarlier(): Promise<void> {
    this.#loadingEarlier ??= this.#readEarlier().finally(() => (this.#loadingEarlier = undefined));
    return this.#loadingEarlier;
  }

  async #readEarlier(): Promise<void> {
    const before = (): Message | undefined => this.#fold.turns.find((turn) => turn.message)?.message;
    for (;;) {
      const [first, { strays }] = [before(), this.#fold];
      if (!first || !this.#hasEarlier) return;
      const page = await this.#parts.rest.messages(this.id, first.id);
      // Something happened to an answer from before, or the conversation was read anew: the page may lack it.
      if (strays !== this.#fold.strays || first.id !== before()?.id) continue;
      this.#fold = withEarlier(this.#fold, page);
      this.#hasEarlier = page.messages.length >= PAGE_MESSAGES;
      this.#changed();
      return;
    }
  }

  /** Calls the listener with each of the server's events, once each and in order. Gives what ends that. */
  on(listener: (event: RoomEvent) => void): () => void {
    const entry = (event: RoomEvent): void => listener(event);
    this.#listeners.add(entry);
    return () => void this.#listeners.delete(entry);
  }

  /** Closes the room here: nothing of it is followed or sent any more. */
  leave(): void {
    if (this.#over.signal.aborted) return;
    this.#over.abort();
    this.#unfollow?.();
    this.#outbox.close(new AntiphonError("closed", "the room was left"));
    this.#listeners.clear();
    this.#onLeave();
  }
}

/** Whether that is an answer of which something can have been heard. */
function isSpoken({ message, stream }: Fold["turns"][number]): boolean {
  if (!stream || message?.heard !== undefined) return false;
  return stream.status === "active" || stream.status === "paused" || (message?.text ?? "") !== "";
}

/** An id that nobody else has: `crypto.randomUUID` is missing on pages without TLS. */
function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `cm-${[...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
