import type { ActiveStream, Message, Queued } from "../types.js";
import type { Fold } from "./fold.js";

/** What a conversation shows. */
export type Presented = {
  readonly messages: readonly Message[];
  readonly queue: readonly Queued[];
  readonly active: ActiveStream | undefined;
};

/** What a conversation shows, and after it the messages that are on their way; parts that did not change are `former`'s. */
export function present(fold: Fold, unsent: readonly Message[], former: Presented | undefined): Presented {
  const ids = new Set<string>();
  const messages: Message[] = [];
  const queue: Queued[] = [];
  let active: ActiveStream | undefined;
  for (const { message, stream } of fold.turns) {
    if (message) {
      messages.push(message);
      ids.add(message.clientMessageId ?? message.id).add(message.id);
    }
    if (stream?.status === "queued" && (stream.place > 0 || stream.waitingFor === "model")) {
      const { streamId, place, answers: messageId, waitingFor } = stream;
      queue.push({
        streamId,
        place,
        ...(messageId ? { messageId } : {}),
        ...(waitingFor ? { waitingFor } : {}),
      });
    }
    if (message && (stream?.status === "active" || stream?.status === "paused")) {
      const { streamId, attempt, status, startedAt = message.createdAt, notice } = stream;
      active = { streamId, messageId: message.id, attempt, status, startedAt, ...(notice ? { notice } : {}) };
    }
  }
  messages.push(
    ...unsent.filter(({ id, clientMessageId = id }) => !ids.has(id) && !ids.has(clientMessageId)),
  );
  queue.sort((one, other) => one.place - other.place);
  return {
    messages: kept(messages, former?.messages, Object.is),
    queue: kept(queue, former?.queue, isShallowEqual),
    active: active && former?.active && isShallowEqual(active, former.active) ? former.active : active,
  };
}

/** The former list where nothing of it changed. */
function kept<T>(
  list: readonly T[],
  former: readonly T[] | undefined,
  isSame: (one: T, other: T) => boolean,
) {
  const isUnchanged =
    former?.length === list.length && list.every((one, at) => at in former && isSame(one, former[at] as T));
  return isUnchanged ? former : list;
}

/** Whether two objects have the same fields with the same values. */
export function isShallowEqual(one: object, other: object): boolean {
  const [left, right] = [Object.entries(one), new Map(Object.entries(other))];
  return left.length === right.size && left.every(([name, value]) => Object.is(value, right.get(name)));
}
