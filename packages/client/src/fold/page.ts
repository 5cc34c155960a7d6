import type { MessagePage, Room, StreamView } from "../generated.js";
import type { Message } from "../types.js";
import { EMPTY, type Fold } from "./fold.js";
import { messageOf, renewed, type Stream, type Turn } from "./turn.js";

/** What was read of a room at once. */
export type Read = {
  readonly info: Room;
  readonly page: MessagePage;
  /** The first stream that is not over, if there is one; messages alone do not tell a waiting one from a begun one. */
  readonly head: StreamView | undefined;
};

/** The first answer of a page that is not over: the one that runs, or is to. */
export function headOf(page: MessagePage): string | undefined {
  return page.messages.find((message) => message.status === "streaming")?.streamId ?? undefined;
}

/**
 * The conversation as it was read, for whoever comes late or lost their place. Messages that a former conversation had
 * just so keep their identity; `keepEarlier` keeps what it had from before the page, if the two meet.
 */
export function fromPage(read: Read, former: Fold = EMPTY, keepEarlier = false): Fold {
  const known = new Map(former.turns.map((turn) => [turn.message?.id, turn]));
  let place = 0;
  const turns = read.page.messages.map((wire, at): Turn => {
    const message = renewed(known.get(wire.id)?.message, messageOf(wire));
    if (!wire.streamId) return { message };
    if (wire.status !== "streaming") return { message, stream: ended(wire.streamId) };
    const answers = read.page.messages[at - 1];
    const isHead = place === 0;
    const stream = open(message, wire.streamId, place++, isHead ? read.head : undefined);
    const withRequest = answers?.role === "user" ? { ...stream, answers: answers.id } : stream;
    return stream.status === "queued" ? { stream: withRequest } : { message, stream: withRequest };
  });
  const first = read.page.messages[0];
  const meets = keepEarlier && first ? former.turns.findIndex((turn) => turn.message?.id === first.id) : -1;
  const earlier = meets > 0 ? former.turns.slice(0, meets) : [];
  return {
    info: read.info,
    position: read.page.position,
    turns: [...earlier, ...turns],
    isDeleted: read.info.status === "deleted",
    strays: former.strays,
    hasGap: false,
  };
}

function ended(streamId: string): Stream {
  return { streamId, status: "ended", place: 0, attempt: 0 };
}

/** A stream that is not over, as far as a page and what was asked about it tell. */
function open(message: Message, streamId: string, place: number, view: StreamView | undefined): Stream {
  const base = { streamId, messageId: message.id, place, attempt: 0 };
  const isQueued = place > 0 || (message.content === "" && view?.status === "queued");
  if (isQueued) {
    return { ...base, status: "queued", waitingFor: place > 0 ? "room" : "model" };
  }
  const status = view?.status === "paused" ? "paused" : "active";
  return { ...base, status, startedAt: view?.startedAt ?? message.createdAt };
}

/** The conversation with messages from before it. */
export function withEarlier(fold: Fold, page: MessagePage): Fold {
  const known = new Set(fold.turns.map((turn) => turn.message?.id));
  const earlier = page.messages.filter((wire) => !known.has(wire.id));
  const turns = earlier.map((wire): Turn => {
    const message = messageOf(wire);
    return wire.streamId ? { message, stream: ended(wire.streamId) } : { message };
  });
  return { ...fold, turns: [...turns, ...fold.turns] };
}

/** The conversation with the client's own id at the message that it became; nothing where the message is not there. */
export function withSent(fold: Fold, sent: Message): Fold | undefined {
  const place = fold.turns.findLastIndex((turn) => turn.message?.id === sent.id);
  const { message } = fold.turns[place] ?? {};
  if (!message || !sent.clientMessageId) return undefined;
  if (message.clientMessageId !== undefined) return fold;
  const turns = fold.turns.slice();
  turns[place] = { message: { ...message, clientMessageId: sent.clientMessageId } };
  return { ...fold, turns };
}
