import { expect, test } from "vitest";
import { PHONE } from "../harness/browser.js";
import { setStage, squeezed } from "../harness/stage.js";

/** `echo` says what it is told, slowly; told to fail it fails the first time. */
const failed = new Set<string>();
const stage = setStage((asked) => {
  const fails = asked.startsWith("fail") && !failed.has(asked);
  failed.add(asked);
  return { pieces: asked.split(/(?<= )/), paceMs: 10, fails };
});

test("an answer is seen while it is spoken, with its markers, and is what the server holds", async () => {
  const studio = await stage().open();
  const room = await studio.converse("guide");
  await studio.say("Who are you?");
  const lengths = new Set<number>();
  const answer = await studio.untilAnswer((answer) => {
    if (answer.status === "streaming") lengths.add(answer.text.length);
    return answer.status === "completed";
  });
  expect(lengths.size, "different lengths seen on the way").toBeGreaterThan(4);
  expect(answer.markers).toBeGreaterThan(2);
  expect(answer.text).not.toContain("[");
  const stored = await studio.stored(room);
  expect(stored.map(({ role }) => role)).toEqual(["user", "assistant"]);
  expect(squeezed(answer.text)).toBe(squeezed(stored[1]?.text ?? ""));
  expect((await studio.shown())[0]).toMatchObject({ role: "user", text: "Who are you?" });
});

test("the button interrupts: the answer stays as far as it came, and says that it was interrupted", async () => {
  const studio = await stage().open();
  const room = await studio.converse("guide");
  await studio.say("count to 200");
  await studio.untilAnswer(({ text }) => text.length > 60);
  await studio.at("interrupt").click();
  const answer = await studio.untilAnswer(({ status }) => status === "interrupted");
  await studio.at("interrupt").waitFor({ state: "detached" });
  expect(answer.text.length).toBeGreaterThan(60);
  expect(answer.text).not.toContain("200");
  await studio.at("message-status").last().waitFor();
  expect((await studio.stored(room)).at(-1)?.status).toBe("interrupted");
});

test("Escape interrupts, and the next question is answered", async () => {
  const studio = await stage().open();
  await studio.converse("guide");
  await studio.say("count to 200");
  await studio.untilAnswer(({ text }) => text.length > 60);
  await studio.page.keyboard.press("Escape");
  await studio.untilAnswer(({ status }) => status === "interrupted");
  await studio.say("Who are you?");
  await studio.untilAnswer(({ status }) => status === "completed");
});

test("what is said meanwhile waits in its place, and can be withdrawn", async () => {
  const studio = await stage().open();
  const room = await studio.converse("guide");
  await studio.say("count to 60");
  await studio.untilAnswer(({ status }) => status === "streaming");
  await studio.say("Who are you?");
  await studio.say("What is a marker?");
  const waiting = studio.at("queue-item");
  await expect.poll(() => waiting.count()).toBe(2);
  const places = await waiting.evaluateAll((items) => items.map((item) => item.getAttribute("data-place")));
  expect(places).toEqual(["1", "2"]);
  await waiting.first().getByTestId("withdraw").click();
  await expect.poll(() => waiting.count()).toBe(1);
  await studio.page.keyboard.press("Escape");
  await expect.poll(() => waiting.count()).toBe(0);
  await studio.untilAnswer(({ status }) => status === "completed");
  const statuses = (await studio.stored(room))
    .filter(({ role }) => role === "assistant")
    .map(({ status }) => status);
  expect(statuses.filter((status) => status === "completed")).toHaveLength(1);
  expect(statuses).toContain("interrupted");
});

test("a failed answer says so, and is asked for again by its button", async () => {
  const studio = await stage().open();
  await studio.converse("echo");
  await studio.say("fail and then come back");
  await studio.untilAnswer(({ status }) => status === "failed");
  await studio.at("retry").last().click();
  const answer = await studio.untilAnswer(({ status }) => status === "completed");
  expect(answer.text).toBe("fail and then come back");
});

test("Markdown becomes elements", async () => {
  const studio = await stage().open();
  await studio.converse("echo");
  await studio.say("# Title\n\nSome **bold** and `code`.\n\n- one\n- two\n\n```js\nlet a = 1 < 2;\n```");
  await studio.untilAnswer(({ status }) => status === "completed");
  const text = studio.page.locator('[data-role="assistant"]').getByTestId("message-text");
  for (const [selector, content] of [
    ["strong", "bold"],
    ["li >> nth=1", "two"],
    ["pre code", "let a = 1 < 2;"],
  ] as const) {
    expect(squeezed((await text.locator(selector).first().textContent()) ?? ""), selector).toBe(content);
  }
});

test("rooms are found again, on a phone too, and can be deleted", async () => {
  const studio = await stage().open(PHONE);
  const room = await studio.converse("echo");
  await studio.say("first words");
  await studio.untilAnswer(({ status }) => status === "completed");
  expect(new URL(studio.page.url()).pathname).toBe(`/rooms/${room}`);
  const other = await studio.converse("guide");
  expect(other).not.toBe(room);
  await studio.at("sidebar-toggle").click();
  await studio.page.locator(`[data-testid="room-item"][data-room="${room}"]`).click();
  await studio.page
    .locator(`[data-testid="conversation"][data-room="${room}"][data-status="live"]`)
    .waitFor();
  expect((await studio.answer()).text).toBe("first words");
});

test("the inspector shows the hops and the theme is kept", async () => {
  const studio = await stage().open();
  await studio.converse("guide");
  await studio.say("Who are you?");
  await studio.untilAnswer(({ status }) => status === "completed");
  await studio.at("inspector-toggle").first().click();
  await studio.at("inspector-row").first().waitFor();
  const theme = () => studio.page.locator("html").getAttribute("data-theme");
  const before = await theme();
  await studio.at("theme-toggle").first().click();
  const after = await theme();
  expect(after).not.toBe(before);
  await studio.page.reload();
  await studio.at("app").waitFor();
  expect(await theme()).toBe(after);
});
