import { setTimeout as after } from "node:timers/promises";
import { expect, test } from "vitest";
import { runSeed, seeded } from "../harness/random.js";
import { setStage } from "../harness/stage.js";
import type { Studio } from "../harness/studio.js";

/** How often the line is cut; the long run of 500 is `npm run e2e:cuts`. */
const CUTS = Number(process.env["CUTS"] ?? 60);
/** An answer that lasts through some ten cuts. */
const WORDS = 500;
const ANSWER = Array.from({ length: WORDS }, (_, index) => `w${index}`).join(" ");
/** How long the line holds at most, in milliseconds. */
const HOLDS = 400;

const stage = setStage(() => ({ pieces: ANSWER.split(/(?<= )/), paceMs: 10 }));

for (const [transport, wanted] of [
  ["websocket", CUTS],
  ["sse", Math.ceil(CUTS / 4)],
] as const) {
  const title = `${wanted} cuts of the line during answers over ${transport} lose and double nothing`;
  test(title, { timeout: 60_000 + wanted * 3_000 }, async () => {
    const { proxy } = stage();
    proxy.blocksWebSocket = transport === "sse";
    const studio = await stage().open(undefined, proxy.url);
    const room = await studio.converse("echo");
    expect(await studio.at("connection-state").first().getAttribute("data-transport")).toBe(transport);
    const said = await cutDuringAnswers(studio, wanted, seeded(runSeed(transport)));
    await expectWhole(studio, room, said);
    console.log(`${wanted} cuts in ${said} answers of ${ANSWER.length} characters: 0 lost, 0 doubled`);
  });
}

/** Asks again and again, and cuts the line at random; says how often it asked. */
async function cutDuringAnswers(studio: Studio, wanted: number, random: () => number): Promise<number> {
  let said = 0;
  let cuts = 0;
  while (cuts < wanted) {
    const { status } = await studio.answer();
    if (said === 0 || status === "completed") {
      said += 1;
      // Not waited for: the cuts are to hit what is being sent as well.
      await studio.say(`question ${said}`);
      await expect.poll(async () => (await studio.shown()).length).toBeGreaterThanOrEqual(2 * said - 1);
    }
    await after(random() * HOLDS);
    if (stage().proxy.cut() > 0) cuts += 1;
  }
  return said;
}

/** The page has each question and each answer once, whole and in order, and so has the server. */
async function expectWhole(studio: Studio, room: string, said: number): Promise<void> {
  const { url } = stage().server;
  await expect
    .poll(async () => (await studio.stored(room, url)).length, { timeout: 30_000, interval: 250 })
    .toBe(2 * said);
  await studio.untilAnswer(({ status }) => status === "completed", 30_000);
  const expected = Array.from({ length: said }, (_, index) => [
    { role: "user", text: `question ${index + 1}` },
    { role: "assistant", text: ANSWER },
  ]).flat();
  expect((await studio.shown()).map(({ role, text }) => ({ role, text }))).toEqual(expected);
  expect((await studio.stored(room, url)).map(({ role, text }) => ({ role, text }))).toEqual(expected);
}
