const keyOf = (room: string): string => `antiphon.draft.${room}`;
/** Longer drafts are not kept. */
const MOST = 50_000;

/** What was written in a room and not sent, in this tab. */
export function keptDraft(room: string): string {
  return sessionStorage.getItem(keyOf(room)) ?? "";
}

/** Keeps what is written. */
export function keepDraft(room: string, text: string): void {
  if (text === "" || text.length > MOST) sessionStorage.removeItem(keyOf(room));
  else sessionStorage.setItem(keyOf(room), text);
}
