import type { Message } from "@antiphon/client";

/** What a reload keeps of a room: what was on the page, and what was on its way to the server. */
export type Kept = {
  readonly messages: readonly Message[];
  readonly pending: readonly { content: string; clientMessageId: string }[];
};

/** Messages that are kept; the page shows the end first. */
const MOST = 30;
const keyOf = (room: string): string => `antiphon.room.${room}`;

/** Keeps a room for the next load of the page in this tab. */
export function keepRoom(room: string, messages: readonly Message[]): void {
  const pending = messages.flatMap(({ status, content, clientMessageId }) =>
    (status === "sending" || status === "unsent") && clientMessageId ? [{ content, clientMessageId }] : [],
  );
  const shown = messages.filter(({ status }) => status !== "sending" && status !== "unsent").slice(-MOST);
  try {
    sessionStorage.setItem(keyOf(room), JSON.stringify({ messages: shown, pending } satisfies Kept));
  } catch {
    // Too large to be kept: then the page waits for the server.
    sessionStorage.removeItem(keyOf(room));
  }
}

/** What was kept of a room, once. */
export function takeKept(room: string): Kept | undefined {
  try {
    const kept = JSON.parse(sessionStorage.getItem(keyOf(room)) ?? "null") as Kept | null;
    sessionStorage.removeItem(keyOf(room));
    return kept ?? undefined;
  } catch {
    return undefined;
  }
}
