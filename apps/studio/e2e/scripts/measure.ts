// What the page costs whoever opens it: bytes, time until it can be used, and how smooth it stays while an answer
// streams in. Prints tables in Markdown.
import type { Browser } from "playwright-core";
import { DESKTOP, launch } from "../harness/browser.js";
import { firstLoad } from "../harness/first_load.js";
import { longestPerSlice, percentile, recordTasks } from "../harness/main_thread.js";
import { Server } from "../harness/server.js";
import { Studio } from "../harness/studio.js";
import { Upstream } from "../harness/upstream.js";

/** Lighthouse's "slow 4G" and its slowdown of the processor for a phone. */
const SLOW_4G = {
  latency: 150,
  downloadThroughput: (1.6e6 / 8) * 0.9,
  uploadThroughput: (750e3 / 8) * 0.9,
  offline: false,
};
const PHONE_SLOWDOWN = 4;
const TOKENS_PER_SECOND = 100;
const SECONDS = 20;
/** The slices of time whose longest tasks are compared: ten tokens each. */
const SLICE_MS = 100;

/** An answer with what answers are made of. */
const PARAGRAPH =
  "[emotion:happy]Here is a **longer** answer with `code`, *emphasis* and a [link](https://example.org/), as models write it. ";
const BLOCKS = [
  "\n\n- first\n- second\n- third\n\n",
  "\n\n```js\nconst a = 1;\nconsole.log(a);\n```\n\n",
  "\n\n## A heading\n\n",
  " ",
];

function pieces(): string[] {
  const wanted = TOKENS_PER_SECOND * SECONDS;
  let text = "";
  for (let index = 0; text.length < wanted * 5; index += 1)
    text += PARAGRAPH + (BLOCKS[index % BLOCKS.length] ?? "");
  return (text.match(/[^]{1,5}/g) ?? []).slice(0, wanted);
}

async function bytes(browser: Browser, url: string): Promise<void> {
  console.log("\n| first load | bytes |\n|---|---|");
  for (const encoding of ["gzip", "br, gzip"]) {
    const context = await browser.newContext({ extraHTTPHeaders: { "accept-encoding": encoding } });
    const loaded = await firstLoad(await context.newPage(), url);
    const total = loaded.reduce((sum, file) => sum + file.bytes, 0);
    console.log(`| all ${loaded.length} responses, heads included, accepting ${encoding} | ${total} |`);
    await context.close();
  }
}

/** Milliseconds from the click on the address. */
async function load(browser: Browser, url: string, isThrottled: boolean): Promise<string> {
  const context = await browser.newContext(DESKTOP);
  const page = await context.newPage();
  await page.addInitScript(() => {
    const tasks: { start: number; duration: number }[] = [];
    Object.assign(window, { tasks });
    new PerformanceObserver((list) => {
      for (const { startTime, duration } of list.getEntries()) tasks.push({ start: startTime, duration });
    }).observe({ type: "longtask", buffered: true });
  });
  const session = await context.newCDPSession(page);
  if (isThrottled) {
    await session.send("Network.emulateNetworkConditions", SLOW_4G);
    await session.send("Emulation.setCPUThrottlingRate", { rate: PHONE_SLOWDOWN });
  }
  await page.goto(url);
  await page.getByTestId("agent-card").first().waitFor();
  const shown = await page.evaluate(() => performance.now());
  // As in Lighthouse's definition: interactive once five seconds are quiet.
  await page.waitForLoadState("networkidle");
  await page.waitForTimeout(5_000);
  const measured = await page.evaluate(() => {
    const { tasks } = window as unknown as { tasks: { start: number; duration: number }[] };
    const paint = performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? Number.NaN;
    const lastEnd = Math.max(0, ...tasks.map(({ start, duration }) => start + duration));
    const blocking = tasks.reduce((sum, { duration }) => sum + Math.max(0, duration - 50), 0);
    return { paint, lastEnd, blocking };
  });
  await context.close();
  const interactive = Math.max(shown, measured.paint, measured.lastEnd);
  return [measured.paint, interactive, measured.blocking]
    .map((value) => `${Math.round(value)} ms`)
    .join(" | ");
}

async function streaming(browser: Browser, url: string, slowdown: number): Promise<string> {
  const studio = await Studio.open(browser, url);
  await studio.converse("echo");
  const session = await studio.context.newCDPSession(studio.page);
  await session.send("Emulation.setCPUThrottlingRate", { rate: slowdown });
  let took = 0;
  const tasks = await recordTasks(browser, async () => {
    await studio.say("go");
    await studio.page.locator('[data-role="assistant"][data-status="streaming"]').waitFor();
    const began = performance.now();
    // Waited for by the browser: a test that polls would be measured as well.
    await studio.page
      .locator('[data-role="assistant"][data-status="completed"]')
      .waitFor({ timeout: 90_000 });
    took = (performance.now() - began) / 1_000;
  });
  await studio.close();
  const longest = longestPerSlice(tasks, SLICE_MS);
  const all = tasks.map(({ duration }) => duration);
  const busy = all.reduce((sum, duration) => sum + duration, 0) / (took * 1_000);
  const figures = [percentile(longest, 0.5), percentile(longest, 0.95), Math.max(...all)].map((value) =>
    value.toFixed(1),
  );
  return `${Math.round((TOKENS_PER_SECOND * SECONDS) / took)} | ${figures.join(" | ")} | ${(busy * 100).toFixed(0)} %`;
}

const answer = pieces();
const upstream = await Upstream.start(() => ({ pieces: answer, paceMs: 1_000 / TOKENS_PER_SECOND }));
const server = await Server.start(upstream.config);
const browser = await launch();
try {
  await bytes(browser, server.url);
  console.log("\n| loading | first contentful paint | interactive | blocked |\n|---|---|---|---|");
  console.log(`| this machine | ${await load(browser, server.url, false)} |`);
  console.log(
    `| slow 4G, processor ${PHONE_SLOWDOWN} times slower | ${await load(browser, server.url, true)} |`,
  );
  console.log(`\nTasks of the main thread in ms; the longest of each ${SLICE_MS} ms, and of all.\n`);
  console.log("| streaming | tokens/s | p50 | p95 | longest | busy |\n|---|---|---|---|---|---|");
  for (const slowdown of [1, PHONE_SLOWDOWN]) {
    const machine = slowdown === 1 ? "this machine" : `processor ${slowdown} times slower`;
    console.log(`| ${machine} | ${await streaming(browser, server.url, slowdown)} |`);
  }
} finally {
  await browser.close();
  await server.stop();
  await upstream.stop();
}
