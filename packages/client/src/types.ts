import type { AntiphonError } from "./error.js";
import type { AgentView, Marker, RoomView, SenderRole } from "./generated.js";

/** A way to the server. */
export type TransportName = "websocket" | "sse";

/** Who answers, and what they are. */
export type Agent = AgentView;

/** A room as the server describes it. */
export type RoomInfo = RoomView;

/** How the client stands with the server. */
export type ConnectionState = {
  readonly status: "connecting" | "live" | "reconnecting" | "closed";
  /** The way that is used, once it works. */
  readonly transport: TransportName | undefined;
  /** Tries since it was live; 0 while it is. */
  readonly attempt: number;
  /** `Date.now()` of the next try. */
  readonly retryAt?: number;
  /** Of the last ping. */
  readonly roundTripMs?: number;
  /** Why it is not live. */
  readonly error?: AntiphonError;
};

/** A source that an answer names. */
export type Citation = { readonly url: string; readonly title?: string };

/** A message as it is now. */
export type Message = {
  /** The server's id; for one that is not there yet, its `clientMessageId`. */
  readonly id: string;
  readonly role: SenderRole;
  readonly senderId: string;
  /** Raw, markers included. */
  readonly content: string;
  /** What is spoken. */
  readonly text: string;
  /** Where the markers stand in `text`. */
  readonly markers: readonly Marker[];
  /** `sending` and `unsent` are this client's own messages that the server has not taken. */
  readonly status:
    "sending" | "unsent" | "streaming" | "completed" | "interrupted" | "cancelled" | "truncated" | "failed";
  /** The stream that makes it. */
  readonly streamId?: string;
  readonly clientMessageId?: string;
  /** How far it was heard, in UTF-16 code units of `text`, once interrupted. */
  readonly heard?: number;
  readonly createdAt: string;
  /** What the model thought and did not say. */
  readonly reasoning?: string;
  readonly citations?: readonly Citation[];
  /** The provider's own word. */
  readonly finishReason?: string;
  /** Why it is not whole, or was not sent. */
  readonly error?: { readonly code: string; readonly message: string };
  /** The attempt that its text is of. */
  readonly attempt?: number;
};

/** An answer that waits for its turn. */
export type Queued = {
  readonly streamId: string;
  /** Answers before it. */
  readonly place: number;
  /** The person's message that it answers, where that is known. */
  readonly messageId?: string;
  /** `room` (behind another answer of the room) or `model` (the model is busy). */
  readonly waitingFor?: string;
};

/** The answer that is being given. */
export type ActiveStream = {
  readonly streamId: string;
  /** The message that it makes. */
  readonly messageId: string;
  /** From 1; 0 where it is not known yet. */
  readonly attempt: number;
  readonly status: "active" | "paused";
  readonly startedAt: string;
  /** Why it is tried again, until text comes. */
  readonly notice?: string;
};

/** A room as it is now. */
export type RoomState = {
  /** `gone`: deleted, or never there for this user. */
  readonly status: "loading" | "live" | "catching-up" | "gone";
  readonly info?: RoomInfo;
  /** Oldest first; unchanged messages keep their identity. */
  readonly messages: readonly Message[];
  /** What waits, by place. */
  readonly queue: readonly Queued[];
  readonly active?: ActiveStream;
  readonly hasEarlier: boolean;
  /** What is folded in. */
  readonly position?: string;
  readonly error?: AntiphonError;
};
