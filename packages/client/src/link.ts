import type { AntiphonError } from "./error.js";
import type { ChannelReference, ServerMessage } from "./generated.js";
import type { TransportName } from "./types.js";

/** An event as it came: of a room or published, known to this client or not. */
export type RawEvent = {
  readonly type: string;
  readonly position: string;
  readonly [field: string]: unknown;
};

/** What the client asks for over a link. */
export type ClientRequest = { readonly type: string; readonly [field: string]: unknown };

/** Why a link is no more. */
export type Loss = {
  readonly error: AntiphonError;
  /** Whether the way itself seems barred: the server answers, but not over this. */
  readonly isBarred?: boolean;
};

/** Who has a link, and hears of it what happens. After `lost` nothing follows. */
export type LinkOwner = {
  opened(): void;
  /** Something that is not an event. */
  notice(message: ServerMessage): void;
  event(channel: string, event: RawEvent): void;
  roundTrip(milliseconds: number): void;
  lost(loss: Loss): void;
};

/** One connection to the server, whatever carries it. */
export type Link = {
  readonly transport: TransportName;
  subscribe(channel: ChannelReference, position: string | undefined): void;
  unsubscribe(channel: ChannelReference): void;
  /** Asks for something and gives its answer; absent where that is done by HTTP. */
  request?(message: ClientRequest): Promise<ServerMessage>;
  /** Finds out now whether it still works. */
  check(): void;
  close(): void;
};

/** A channel's name in one string. */
export function nameOf(channel: ChannelReference): string {
  return `${channel.type}:${channel.id}`;
}

/** A received text as a message or an event; nothing where it is neither, which is a fault on the way. */
export function read(text: unknown): ServerMessage | RawEvent | undefined {
  try {
    const message: unknown = JSON.parse(String(text));
    const isMessage = typeof message === "object" && message !== null && "type" in message;
    return isMessage && typeof message.type === "string" ? (message as ServerMessage | RawEvent) : undefined;
  } catch {
    return undefined;
  }
}

/** The types of what the server says besides events. */
const NOTICES: ReadonlySet<string> = new Set<ServerMessage["type"]>([
  "connected",
  "subscribed",
  "caught-up",
  "accepted",
  "ok",
  "heartbeat",
  "pong",
  "error",
  "refused",
  "presence",
  "goodbye",
]);

/** Tells events, which have a place in their channel, from what the server says besides. */
export function isEvent(message: ServerMessage | RawEvent): message is RawEvent {
  return !NOTICES.has(message.type) && typeof (message as RawEvent).position === "string";
}
