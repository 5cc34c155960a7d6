import { expect, test } from "vitest";
import { setStage } from "../harness/stage.js";
import type { Studio } from "../harness/studio.js";

/** The answer to `words 100`: numbered words, of which one that is lost or doubled is seen. */
function words(asked: string): string {
  const count = Number(/\d+/.exec(asked)?.[0] ?? 0);
  return Array.from({ length: count }, (_, index) => `w${index}`).join(" ");
}

/** What the page may call a connection that is not there. */
const BROKEN = ["connecting", "reconnecting"];

const stage = setStage((asked) => ({ pieces: words(asked).split(/(?<= )/), paceMs: 15 }));

/** Everything said is on the page, once each, and the server holds the same. */
async function expectWhole(studio: Studio, room: string, asked: string): Promise<void> {
  const answer = await studio.untilAnswer(({ status }) => status === "completed", 40_000);
  expect(answer.text).toBe(words(asked));
  expect((await studio.shown()).map(({ role }) => role)).toEqual(["user", "assistant"]);
  const stored = await studio.stored(room, stage().server.url);
  expect(stored.map(({ text }) => text)).toEqual([asked, words(asked)]);
}

test("a reload mid-answer goes on where it was", async () => {
  const studio = await stage().open();
  const room = await studio.converse("echo");
  await studio.say("words 200");
  await studio.untilAnswer(({ text }) => text.length > 100);
  await studio.page.reload();
  // From the first look on, the text is a beginning of the whole one and never gets shorter.
  let seen = "";
  await studio.untilAnswer(({ status, text }) => {
    if (text !== "") {
      expect(words("200").startsWith(text.trim()), text).toBe(true);
      expect(text.trim().length).toBeGreaterThanOrEqual(seen.length);
      seen = text.trim();
    }
    return status === "completed";
  });
  await expectWhole(studio, room, "words 200");
});

test("offline for a while: it says so, and catches up once it is back", async () => {
  const { proxy } = stage();
  const studio = await stage().open(undefined, proxy.url);
  const room = await studio.converse("echo");
  await studio.say("words 200");
  await studio.untilAnswer(({ text }) => text.length > 100);
  await studio.context.setOffline(true);
  proxy.close();
  await studio.untilConnection(BROKEN);
  const halted = (await studio.answer()).text;
  // The answer goes on without the page.
  await expect
    .poll(async () => (await studio.stored(room, stage().server.url)).at(-1)?.text.length)
    .toBeGreaterThan(halted.length + 100);
  proxy.open();
  await studio.context.setOffline(false);
  await studio.untilLive();
  await expectWhole(studio, room, "words 200");
});

test("what is said offline is sent once, when there is a line again", async () => {
  const { proxy } = stage();
  const studio = await stage().open(undefined, proxy.url);
  const room = await studio.converse("echo");
  proxy.close();
  await studio.untilConnection(BROKEN);
  await studio.say("words 5");
  await expect.poll(async () => (await studio.shown()).map(({ status }) => status)).toEqual(["sending"]);
  proxy.open();
  await expectWhole(studio, room, "words 5");
});

test("kill -9 and a restart mid-answer: the page reconnects by itself and the answer comes whole", async () => {
  const { server } = stage();
  const studio = await stage().open();
  const room = await studio.converse("echo");
  await studio.say("words 150");
  await studio.untilAnswer(({ text }) => text.length > 100);
  await server.kill9();
  await studio.untilConnection(BROKEN);
  await server.restart();
  await studio.untilLive();
  await expectWhole(studio, room, "words 150");
});

test("a second tab of the same person shows the same, live", async () => {
  const studio = await stage().open();
  const room = await studio.converse("echo");
  const second = await studio.context.newPage();
  await second.goto(`${studio.url}/rooms/${room}`);
  await second.locator('[data-testid="conversation"][data-status="live"]').waitFor({ state: "attached" });
  await studio.say("words 30");
  await expectWhole(studio, room, "words 30");
  const texts = second.getByTestId("message-text");
  await expect.poll(async () => (await texts.allTextContents()).at(-1)).toBe(words("30"));
});
