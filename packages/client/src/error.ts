import type { Code } from "./generated.js";

/**
 * Why something did not work: a code of the server's table (PROTOCOL.md), or one of the client's own: `network` (the
 * server was not reached, or what came was broken), `closed` (by `close`, `leave` or `discard`), `outbox_full` (too
 * many messages wait to be sent).
 */
export type ErrorCode = Code | "network" | "closed" | "outbox_full";

/** What an error may have besides its code and message. */
export type ErrorDetails = {
  readonly status?: number | undefined;
  readonly retryAfterMs?: number | undefined;
  readonly requestId?: string | undefined;
};

/** A refusal of the server, or a failure to reach it. */
export class AntiphonError extends Error {
  override readonly name = "AntiphonError";
  /** What to decide by. */
  readonly code: ErrorCode;
  /** The HTTP status, where there was one. */
  readonly status?: number;
  /** When trying again makes sense, in milliseconds from when the error came. */
  readonly retryAfterMs?: number;
  /** What the server calls the request in its log, where it said so. */
  readonly requestId?: string;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message);
    this.code = code;
    if (details.status !== undefined) this.status = details.status;
    if (details.retryAfterMs !== undefined) this.retryAfterMs = details.retryAfterMs;
    if (details.requestId !== undefined) this.requestId = details.requestId;
  }
}

/** The server was not reached, or something between it and here broke what it said. */
export function networkError(message: string): AntiphonError {
  return new AntiphonError("network", message);
}

/** Whatever was thrown, as an error with a code. */
export function asAntiphonError(thrown: unknown): AntiphonError {
  if (thrown instanceof AntiphonError) return thrown;
  return networkError(thrown instanceof Error ? thrown.message : String(thrown));
}

/** Whether the same request may succeed later without being changed, because of the way to the server or the server. */
export function isTransient(error: AntiphonError): boolean {
  // What was sent is JSON: a server that cannot read it was sent something else by what is in between.
  return ["network", "unavailable", "internal", "invalid_json"].includes(error.code);
}

/** Whether a position cannot be resumed from. */
export function isAboutPosition(error: AntiphonError): boolean {
  return error.code.startsWith("position_");
}
