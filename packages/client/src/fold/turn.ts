import type { Citation as WireCitation, Message as WireMessage } from "../generated.js";
import type { Citation, Message } from "../types.js";

/** What is known of the stream that makes a message. */
export type Stream = {
  readonly streamId: string;
  readonly status: "queued" | "active" | "paused" | "ended";
  /** The message that it makes, once that is known. */
  readonly messageId?: string;
  /** The person's message that it answers, where that is known. */
  readonly answers?: string;
  /** Streams before it. */
  readonly place: number;
  readonly waitingFor?: string;
  /** From 1; 0 where it is not known. */
  readonly attempt: number;
  /** The index that the next chunk must have, where that is known. */
  readonly nextChunk?: number;
  readonly startedAt?: string;
  readonly notice?: string;
};

/** A place in the conversation: a message, or a stream that has not begun and has nothing to show. */
export type Turn = { readonly message?: Message; readonly stream?: Stream };

/** The sources that an answer names, where it does. */
export function citationsOf(wire: readonly WireCitation[] | undefined): {
  readonly citations?: readonly Citation[];
} {
  if (!wire?.length) return {};
  return { citations: wire.map(({ url, title }) => (title ? { url, title } : { url })) };
}

/** The same without one field. */
export function without<T extends object, K extends keyof T>(value: T, name: K): Omit<T, K> {
  const rest: Partial<T> = { ...value };
  // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- a field of a copy
  delete rest[name];
  return rest as Omit<T, K>;
}

/** A message of the server's in the client's form. */
export function messageOf(wire: WireMessage, clientMessageId?: string | null): Message {
  return {
    id: wire.id,
    role: wire.role,
    senderId: wire.senderId,
    content: wire.content,
    text: wire.text,
    markers: wire.markers,
    status: wire.status,
    createdAt: wire.createdAt,
    ...(wire.streamId ? { streamId: wire.streamId } : {}),
    ...(wire.heard ? { heard: wire.heard.offset } : {}),
    ...(clientMessageId ? { clientMessageId } : {}),
    ...(wire.reasoning ? { reasoning: wire.reasoning } : {}),
    ...citationsOf(wire.citations),
    ...(wire.error ? { error: wire.error } : {}),
  };
}

/** Whether two forms of a message show the same. The times of one answer differ between an event and a page. */
function showsTheSame(one: Message, other: Message): boolean {
  return (
    one.content === other.content &&
    one.text === other.text &&
    one.status === other.status &&
    one.reasoning === other.reasoning &&
    one.citations?.length === other.citations?.length &&
    one.heard === other.heard &&
    one.markers.length === other.markers.length
  );
}

/** A message read anew, where an earlier form of it is known: that itself if nothing changed, else what only it had. */
export function renewed(earlier: Message | undefined, read: Message): Message {
  if (!earlier) return read;
  if (showsTheSame(earlier, read)) return earlier;
  const { clientMessageId, finishReason } = earlier;
  const isEnded = read.status === earlier.status;
  return {
    ...(clientMessageId ? { clientMessageId } : {}),
    ...(isEnded && finishReason ? { finishReason } : {}),
    ...read,
    createdAt: earlier.createdAt,
  };
}
