import { AntiphonError, asAntiphonError, isTransient } from "./error.js";
import { without } from "./fold/turn.js";
import type { Accepted } from "./generated.js";
import { backoff, pause, type Timing } from "./timing.js";
import type { Message } from "./types.js";

/** Messages of one room that may wait to be sent, or to be sent again by the person. */
const MOST_MESSAGES = 64;
/** What the server takes of one message, in bytes of JSON. */
const MOST_BYTES = 1_048_576;

/** A message on its way. */
type Entry = {
  message: Message & { readonly clientMessageId: string };
  readonly resolve: (accepted: Accepted) => void;
  readonly reject: (error: AntiphonError) => void;
};

/** How an outbox sends, and whom it tells. */
export type OutboxOwner = {
  /** Sends once. The same `clientMessageId` again never doubles a message. */
  transmit(content: string, clientMessageId: string): Promise<Accepted>;
  /** Resolves once sending makes sense. */
  whenLive(): Promise<void>;
  changed(): void;
};

/** The messages that a person said and the server has not taken, sent one after the other and again until it has. */
export class Outbox {
  readonly #owner: OutboxOwner;
  readonly #timing: Timing;
  readonly #over = new AbortController();
  #entries: readonly Entry[] = [];
  #isSending = false;

  constructor(owner: OutboxOwner, timing: Timing) {
    [this.#owner, this.#timing] = [owner, timing];
  }

  /** As they are shown. */
  get messages(): readonly Message[] {
    return this.#entries.map((entry) => entry.message);
  }

  /** Takes a message; resolves once the server has it, rejects when it is refused. */
  send(content: string, clientMessageId: string): Promise<Accepted> {
    const bytes = new TextEncoder().encode(JSON.stringify({ content })).length;
    if (bytes + 1024 > MOST_BYTES) return refuse("payload_too_large", "a message is at most 1 MiB");
    if (this.#entries.length >= MOST_MESSAGES)
      return refuse("outbox_full", "too many messages wait to be sent");
    if (this.#entries.some((entry) => entry.message.clientMessageId === clientMessageId)) {
      return refuse("conflict", "a message of that clientMessageId is on its way");
    }
    const createdAt = new Date().toISOString();
    const said = {
      role: "user",
      senderId: "",
      content,
      text: content,
      markers: [],
      status: "sending",
    } as const;
    return this.#put({ ...said, id: clientMessageId, clientMessageId, createdAt });
  }

  #put(message: Entry["message"]): Promise<Accepted> {
    return new Promise((resolve, reject) => {
      this.#entries = [...this.#entries, { message, resolve, reject }];
      this.#owner.changed();
      void this.#run();
    });
  }

  /** Sends again what was refused or given up. */
  resend(clientMessageId: string): Promise<Accepted> {
    const entry = this.#entries.find((one) => one.message.clientMessageId === clientMessageId);
    if (entry?.message.status !== "unsent")
      return refuse("conflict", "no message of that clientMessageId is unsent");
    this.#remove(entry);
    return this.#put({ ...without(entry.message, "error"), status: "sending" });
  }

  /** Forgets a message that is not sent. */
  discard(clientMessageId: string): void {
    const entry = this.#entries.find((one) => one.message.clientMessageId === clientMessageId);
    if (!entry) return;
    this.#remove(entry);
    entry.reject(new AntiphonError("closed", "the message was discarded"));
  }

  /** Lets go of the messages that the server has and the conversation knows: `isKnown` is asked of each. */
  settle(isKnown: (message: Message) => boolean): void {
    this.#entries = this.#entries.filter(
      ({ message }) => message.status !== "completed" || !isKnown(message),
    );
  }

  #remove(entry: Entry): void {
    this.#entries = this.#entries.filter((one) => one !== entry);
    this.#owner.changed();
  }

  async #run(): Promise<void> {
    if (this.#isSending) return;
    this.#isSending = true;
    for (let next = this.#next(); next; next = this.#next()) await this.#deliver(next);
    this.#isSending = false;
  }

  #next(): Entry | undefined {
    return this.#entries.find((entry) => entry.message.status === "sending");
  }

  async #deliver(entry: Entry): Promise<void> {
    const { content, clientMessageId } = entry.message;
    const isWanted = (): boolean => this.#entries.includes(entry) && entry.message.status === "sending";
    for (let tries = 0; isWanted(); tries++) {
      try {
        await this.#owner.whenLive();
        const accepted = await this.#owner.transmit(content, clientMessageId);
        const { id, senderId, createdAt } = accepted.message;
        entry.message = { ...entry.message, id, senderId, createdAt, status: "completed" };
        this.#owner.changed();
        entry.resolve(accepted);
        return;
      } catch (thrown) {
        const error = asAntiphonError(thrown);
        if (!isTransient(error)) {
          if (isWanted()) this.#fail(entry, error);
          return;
        }
        await pause(error.retryAfterMs ?? backoff(tries, this.#timing), this.#over.signal);
      }
    }
  }

  #fail(entry: Entry, error: AntiphonError): void {
    const { code, message } = error;
    entry.message = { ...entry.message, status: "unsent", error: { code, message } };
    this.#owner.changed();
    entry.reject(error);
  }

  /** Nothing is sent any more. */
  close(error: AntiphonError): void {
    this.#over.abort();
    for (const entry of this.#entries) if (entry.message.status === "sending") this.#fail(entry, error);
  }
}

function refuse(code: AntiphonError["code"], message: string): Promise<never> {
  return Promise.reject(new AntiphonError(code, message));
}
