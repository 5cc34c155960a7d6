/** How long the client waits, in milliseconds. */
export type Timing = {
  /** The first pause before a new try; doubles with each further one. */
  readonly backoffLeast: number;
  /** The longest pause before a new try. */
  readonly backoffMost: number;
  /** For a connection, or the answer to a request. */
  readonly answer: number;
  /** Between two pings. */
  readonly ping: number;
  /** After a ping, for anything to come. */
  readonly silence: number;
  /** For anything to come on a stream of server-sent events: three of the server's comments. */
  readonly sseSilence: number;
  /** Before WebSocket is tried again where it was blocked. */
  readonly websocketAgain: number;
};

export const TIMING: Timing = {
  backoffLeast: 250,
  backoffMost: 15_000,
  answer: 15_000,
  ping: 15_000,
  silence: 8_000,
  sseSilence: 45_000,
  websocketAgain: 60_000,
};

/** The pause before a try: doubling, bounded, and spread so that clients that were cut together do not come together. */
export function backoff(tries: number, timing: Timing, random: () => number = Math.random): number {
  const most = Math.min(timing.backoffMost, timing.backoffLeast * 2 ** Math.min(tries, 20));
  return Math.round(most * (0.5 + random() / 2));
}

/** Resolves after so long, or when the signal says that it is over. */
export function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const timer = setTimeout(done, milliseconds);
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    }
    signal.addEventListener("abort", done);
  });
}
