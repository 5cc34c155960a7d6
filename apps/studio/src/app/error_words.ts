import { AntiphonError } from "@antiphon/client";

/** An error as it is told: what happened, and what can be done. */
export type ErrorWords = { readonly code: string; readonly title: string; readonly advice: string };

const WORDS: Readonly<Record<string, readonly [title: string, advice: string]>> = {
  network: [
    "The server was not reached",
    "Check the connection; the page goes on by itself once it is back.",
  ],
  unavailable: ["The server is not ready yet", "It is starting or stopping. Try again in a moment."],
  internal: ["The server made a mistake", "Try again. Its log says more."],
  unauthorized: ["You are not signed in any more", "Sign in again to go on."],
  forbidden: ["That is not allowed", "Your token does not have the right to do this."],
  room_not_found: ["This conversation is not there", "It was deleted, or it belongs to somebody else."],
  agent_not_found: ["This agent is not there any more", "Begin a conversation with another one."],
  stream_not_found: ["This answer is not there any more", "Ask again."],
  conflict: ["That was done already", "Nothing more is needed."],
  rate_limited: ["Too many at once", "Wait a moment, then try again."],
  queue_full: [
    "Too many messages wait",
    "Let an answer finish, or withdraw a waiting message, then send again.",
  ],
  outbox_full: ["Too many messages wait to be sent", "They go out once the connection is back."],
  payload_too_large: ["The message is too long", "A message may have at most 1 MiB. Send a shorter one."],
  truncated: ["The answer broke off", "The model's server ended it early. Ask again to have all of it."],
  provider_error: ["The model's server failed", "Try again; if it stays, the server's log says more."],
  provider_refused: ["The model's server refused the request", "Its key, quota or model name may be wrong."],
  provider_unreachable: [
    "The model's server was not reached",
    "Is it running? `antiphon doctor` tells why not.",
  ],
  provider_timeout: ["The model took too long", "It may be busy. Try again."],
  declined: ["The model would not answer that", "Ask in another way."],
  too_long: ["The answer became too long", "Ask for a shorter one."],
  crashed: ["The server stopped during this answer", "It is back. Ask again."],
  expired: ["The answer waited too long", "Ask again."],
};

/** The words for an error's code. */
export function errorWords(code: string, message?: string): ErrorWords {
  const known = WORDS[code];
  if (known) return { code, title: known[0], advice: known[1] };
  return { code, title: "That did not work", advice: message ?? "Try again." };
}

/** The words for whatever was thrown. */
export function wordsOf(thrown: unknown): ErrorWords {
  if (thrown instanceof AntiphonError) return errorWords(thrown.code, thrown.message);
  return errorWords("unknown", thrown instanceof Error ? thrown.message : undefined);
}
