import type { Browser } from "playwright-core";

/** An event of Chromium's tracing, in the Trace Event Format; times in microseconds. */
interface TraceEvent {
  name: string;
  ph: string;
  pid: number;
  tid: number;
  ts: number;
  dur?: number;
  args?: { name?: string };
}

/** A task of the page's main thread, in milliseconds. */
export interface Task {
  start: number;
  duration: number;
}

/** Records the tasks of the page's main thread while `during` runs. With several pages open, the busiest one's. */
export async function recordTasks(browser: Browser, during: () => Promise<void>): Promise<Task[]> {
  const session = await browser.newBrowserCDPSession();
  const events: TraceEvent[] = [];
  session.on("Tracing.dataCollected", ({ value }) => events.push(...(value as unknown as TraceEvent[])));
  const complete = new Promise<void>((resolve) => {
    session.on("Tracing.tracingComplete", () => {
      resolve();
    });
  });
  const includedCategories = ["disabled-by-default-devtools.timeline", "__metadata"];
  await session.send("Tracing.start", { transferMode: "ReportEvents", traceConfig: { includedCategories } });
  try {
    await during();
  } finally {
    await session.send("Tracing.end");
    await complete;
    await session.detach();
  }
  return busiest(events);
}

function busiest(events: TraceEvent[]): Task[] {
  const mains = events.filter(({ name, args }) => name === "thread_name" && args?.name === "CrRendererMain");
  const perThread = mains.map(({ pid, tid }) =>
    events
      .filter(
        (event) => event.pid === pid && event.tid === tid && event.name === "RunTask" && event.ph === "X",
      )
      .map(({ ts, dur }) => ({ start: ts / 1_000, duration: (dur ?? 0) / 1_000 })),
  );
  const work = (tasks: Task[]) => tasks.reduce((sum, { duration }) => sum + duration, 0);
  const [most] = perThread.sort((one, other) => work(other) - work(one));
  if (most === undefined || most.length === 0) throw new Error("the trace has no task of a page");
  return most.sort((one, other) => one.start - other.start);
}

/** The longest task in each slice of time in which there was any, in milliseconds. */
export function longestPerSlice(tasks: readonly Task[], sliceMs: number): number[] {
  const longest = new Map<number, number>();
  for (const { start, duration } of tasks) {
    const slice = Math.floor(start / sliceMs);
    longest.set(slice, Math.max(longest.get(slice) ?? 0, duration));
  }
  return [...longest.values()];
}

/** The value below which that share of the values is, by the nearest rank. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}
