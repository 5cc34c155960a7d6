import type {
  ArStreamChunkEvent,
  ArStreamEndEvent,
  ArStreamResetEvent,
  ArStreamStartEvent,
  MessageCreatedEvent,
  Room,
  RoomEvent,
} from "../generated.js";
import type { Message } from "../types.js";
import { cutToHeard } from "./cut.js";
import { citationsOf, messageOf, without, type Stream, type Turn } from "./turn.js";

/** A room's conversation as of a position. */
export type Fold = {
  readonly info?: Room;
  readonly position?: string;
  /** Oldest first. */
  readonly turns: readonly Turn[];
  readonly isDeleted: boolean;
  /** Events about streams that are not among the turns: what is read from before the turns may lack them. */
  readonly strays: number;
  /** Set where a chunk is missing, which only a fault on the way can do: the messages must be read anew. */
  readonly hasGap: boolean;
};

/** Nothing yet. */
export const EMPTY: Fold = { turns: [], isDeleted: false, strays: 0, hasGap: false };

/** Whether an event is folded in already. Positions of one channel compare byte by byte. */
export function isIn(fold: Fold, event: { readonly position: string }): boolean {
  return fold.position !== undefined && event.position <= fold.position;
}

/** The conversation after one more event. An event that is in it already changes nothing. Pure. */
export function apply(fold: Fold, event: RoomEvent): Fold {
  if (isIn(fold, event)) return fold;
  return { ...applied(fold, event), position: event.position };
}

function applied(fold: Fold, event: RoomEvent): Fold {
  switch (event.type) {
    case "room-created":
      return { ...fold, info: event.room };
    case "room-deleted":
      return { ...fold, info: event.room, isDeleted: true };
    case "message-created":
      return said(fold, event);
    case "stream-queued":
      return queued(fold, event.streamId, event.queued, event.waitingFor ?? undefined);
    case "ar-stream-start":
      return started(fold, event);
    case "ar-stream-chunk":
      return chunk(fold, event);
    case "ar-stream-reasoning":
      return change(fold, event.streamId, (message) => ({
        message: { ...message, reasoning: (message.reasoning ?? "") + event.text },
      }));
    case "ar-stream-reset":
      return change(fold, event.streamId, (message, stream) => reset(message, stream, event));
    case "ar-stream-attempt":
      return change(fold, event.streamId, (message, stream) => {
        const attempt = Math.max(stream.attempt, event.attempt);
        return { message: { ...message, attempt }, stream: { ...stream, attempt, notice: event.reason } };
      });
    case "ar-stream-pause":
      return change(fold, event.streamId, (_, stream) => ({ stream: { ...stream, status: "paused" } }));
    case "ar-stream-resume":
      return change(fold, event.streamId, (_, stream) => ({ stream: { ...stream, status: "active" } }));
    case "ar-stream-interrupt":
      return heard(fold, event.streamId, event.heard?.offset);
    case "ar-stream-end":
      return ended(fold, event);
    case "owner-changed":
      return event.streamId
        ? change(fold, event.streamId, (_, stream) => ({ stream: { ...stream, notice: event.reason } }))
        : fold;
    default:
      return fold;
  }
}

function placeOf(fold: Fold, streamId: string): number {
  return fold.turns.findLastIndex((turn) => turn.stream?.streamId === streamId);
}

/** The turns with one put in place of another; behind the last one where there was none. */
function put(fold: Fold, place: number, turn: Turn): Fold {
  const turns = fold.turns.slice();
  turns[place < 0 ? turns.length : place] = turn;
  return { ...fold, turns };
}

/** Changes the message and the stream of a turn that has begun and not ended. */
function change(fold: Fold, streamId: string, to: (message: Message, stream: Stream) => Turn): Fold {
  const place = placeOf(fold, streamId);
  const { message, stream } = fold.turns[place] ?? {};
  if (!stream) return { ...fold, strays: fold.strays + 1 };
  if (!message || stream.status === "ended") return fold;
  return put(fold, place, { message, stream, ...to(message, stream) });
}

function said(fold: Fold, event: MessageCreatedEvent): Fold {
  if (fold.turns.some((turn) => turn.message?.id === event.message.id)) return fold;
  const after = put(fold, -1, { message: messageOf(event.message, event.clientMessageId) });
  if (!event.streamId || placeOf(after, event.streamId) >= 0) return after;
  return put(after, -1, { stream: waiting(event.streamId, 0, { answers: event.message.id }) });
}

function waiting(streamId: string, place: number, more: Partial<Stream>): Stream {
  return { streamId, place, status: "queued", attempt: 0, ...more };
}

function queued(fold: Fold, streamId: string, place: number, waitingFor: string | undefined): Fold {
  const at = placeOf(fold, streamId);
  const turn = fold.turns[at];
  if (turn?.stream && turn.stream.status !== "queued") return fold;
  const stream = without(turn?.stream ?? waiting(streamId, place, {}), "waitingFor");
  return put(fold, at, { ...turn, stream: { ...stream, place, ...(waitingFor ? { waitingFor } : {}) } });
}

/** An answer with nothing in it yet. */
function emptyAnswer(streamId: string, messageId: string, senderId: string, createdAt: string): Message {
  const empty = { role: "assistant", content: "", text: "", markers: [], status: "streaming" } as const;
  return { id: messageId, senderId, streamId, createdAt, ...empty };
}

function started(fold: Fold, event: ArStreamStartEvent): Fold {
  const at = placeOf(fold, event.streamId);
  const turn = fold.turns[at];
  if (turn?.stream && turn.stream.status !== "queued") return fold;
  const stream: Stream = {
    ...without(turn?.stream ?? waiting(event.streamId, 0, {}), "waitingFor"),
    status: "active",
    messageId: event.messageId,
    place: 0,
    attempt: 1,
    nextChunk: 0,
    startedAt: event.startedAt,
  };
  const message = emptyAnswer(event.streamId, event.messageId, event.agentId, event.startedAt);
  return put(fold, at, { message: { ...message, attempt: 1 }, stream });
}

function chunk(fold: Fold, event: ArStreamChunkEvent): Fold {
  const stream = fold.turns[placeOf(fold, event.streamId)]?.stream;
  if (stream && stream.status !== "ended") {
    const { attempt, nextChunk = event.chunkIndex } = stream;
    if (event.attempt < attempt) return fold;
    if (nextChunk !== event.chunkIndex || (attempt > 0 && event.attempt > attempt))
      return { ...fold, hasGap: true };
  }
  return change(fold, event.streamId, (message, known) => ({
    message: {
      ...message,
      content: message.content + event.chunk,
      text: message.text + event.text,
      markers: event.markers.length > 0 ? [...message.markers, ...event.markers] : message.markers,
      attempt: event.attempt,
    },
    stream: {
      ...without(known, "notice"),
      attempt: event.attempt,
      nextChunk: event.chunkIndex + event.chunkCount,
    },
  }));
}

function reset(message: Message, stream: Stream, event: ArStreamResetEvent): Turn {
  if (event.attempt <= stream.attempt) return { message, stream };
  const empty = without(message, "reasoning");
  return {
    message: { ...empty, content: "", text: "", markers: [], attempt: event.attempt },
    stream: { ...stream, attempt: event.attempt, nextChunk: 0, notice: event.reason },
  };
}

/**
 * An interrupt without `heard` leaves open how much was heard: until an interrupt says it, all that was sent counts. Only
 * the first that says it is in the log, so it also cuts a message that a page of messages gave with all of it as heard.
 */
function heard(fold: Fold, streamId: string, offset: number | undefined): Fold {
  const place = placeOf(fold, streamId);
  const turn = fold.turns[place];
  if (!turn) return { ...fold, strays: fold.strays + 1 };
  if (!turn.message || (offset === undefined && turn.message.heard !== undefined)) return fold;
  const message = { ...turn.message, status: "interrupted" } as const;
  return put(fold, place, { ...turn, message: offset === undefined ? message : cutToHeard(message, offset) });
}

function ended(fold: Fold, event: ArStreamEndEvent): Fold {
  const place = placeOf(fold, event.streamId);
  const { stream, message: known } = fold.turns[place] ?? {};
  if (!stream) return { ...fold, strays: fold.strays + 1 };
  if (stream.status === "ended") return fold;
  // One that was withdrawn from the queue never began.
  const agentId = fold.info?.agentId ?? "";
  const message = known ?? emptyAnswer(event.streamId, event.messageId, agentId, event.timestamp);
  return put(fold, place, {
    stream: { streamId: stream.streamId, status: "ended", place: 0, attempt: stream.attempt },
    message: {
      ...message,
      status: event.outcome,
      ...(event.finishReason ? { finishReason: event.finishReason } : {}),
      ...(event.error ? { error: event.error } : {}),
      ...citationsOf(event.citations),
    },
  });
}
