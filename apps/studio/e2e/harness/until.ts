import { setTimeout as after } from "node:timers/promises";

/** How often a condition is looked at, in milliseconds. */
const INTERVAL = 25;

/** Looks until a value is as wanted, and returns it; the error tells the last value. */
export async function until<T>(
  look: () => Promise<T>,
  isWanted: (value: T) => boolean,
  timeoutMs: number,
): Promise<T> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const value = await look();
    if (isWanted(value)) return value;
    if (performance.now() > end) throw new Error(`after ${timeoutMs} ms it is ${JSON.stringify(value)}`);
    await after(INTERVAL);
  }
}
