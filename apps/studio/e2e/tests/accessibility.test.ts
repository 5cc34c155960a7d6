import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type axe from "axe-core";
import { expect, test } from "vitest";
import { DESKTOP, PHONE } from "../harness/browser.js";
import { setStage } from "../harness/stage.js";
import type { Studio } from "../harness/studio.js";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const stage = setStage((asked) => ({ pieces: asked.split(/(?<= )/), paceMs: 5, fails: asked === "fail" }));

/** What axe has against the page as it is now. */
async function violations(studio: Studio): Promise<string[]> {
  // By the developer tools, which the page's policy does not bind.
  if (!(await studio.page.evaluate(() => "axe" in window))) await studio.page.evaluate(AXE);
  return await studio.page.evaluate(async () => {
    const { violations } = await (window as unknown as { axe: typeof axe }).axe.run();
    return violations.map(
      ({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html).join(" ")}`,
    );
  });
}

for (const [device, options] of [
  ["desktop", DESKTOP],
  ["phone", PHONE],
] as const) {
  for (const colorScheme of ["light", "dark"] as const) {
    test(`axe has nothing against the page, ${device}, ${colorScheme}`, async () => {
      const studio = await stage().open({ ...options, colorScheme });
      expect(await studio.page.locator("html").getAttribute("data-theme")).toBe(colorScheme);
      expect(await violations(studio), "choosing an agent").toEqual([]);
      await studio.converse("guide");
      expect(await violations(studio), "an empty conversation").toEqual([]);
      await studio.say("count to 300");
      await studio.untilAnswer(({ text }) => text.length > 20);
      await studio.say("Who are you?");
      await studio.at("queue-item").first().waitFor();
      expect(await violations(studio), "mid-answer, with a queue").toEqual([]);
      await studio.at("withdraw").first().click();
      await studio.at("queue-item").first().waitFor({ state: "detached" });
      await studio.page.keyboard.press("Escape");
      await studio.page.locator('[data-testid="message"][data-status="interrupted"]').waitFor();
      await studio.at("inspector-toggle").first().click();
      await studio.at("inspector").waitFor();
      expect(await violations(studio), "interrupted, with the inspector").toEqual([]);
    });
  }
}

test("a conversation needs no mouse", async () => {
  const studio = await stage().open();
  const { keyboard } = studio.page;
  const focused = () =>
    studio.page.evaluate(() => {
      const place = document.activeElement?.closest("[data-testid]");
      return place?.getAttribute("data-agent") ?? place?.getAttribute("data-testid") ?? "";
    });
  for (let presses = 0; (await focused()) !== "guide"; presses += 1) {
    expect(presses, "an agent is reached by Tab").toBeLessThan(30);
    await keyboard.press("Tab");
  }
  await keyboard.press("Enter");
  await studio.untilLive();
  await expect.poll(focused, { message: "one can type at once" }).toBe("composer");
  await keyboard.type("count to 300");
  await keyboard.press("Enter");
  await studio.untilAnswer(({ text }) => text.length > 20);
  await keyboard.press("Escape");
  await studio.untilAnswer(({ status }) => status === "interrupted");
  expect(await focused(), "one can type on").toBe("composer");
});

test("a screen reader hears of a whole answer once, not of every token", async () => {
  const studio = await stage().open();
  await studio.converse("echo");
  await studio.page.evaluate(() => {
    const heard: string[] = [];
    Object.assign(window, { heard });
    const isLive = (node: Node) =>
      (node instanceof Element ? node : node.parentElement)?.closest(
        "[aria-live], [role=status], [role=log], [role=alert]",
      );
    new MutationObserver((changes) => {
      for (const { target } of changes) {
        const region = isLive(target);
        const level = region?.getAttribute("aria-live");
        if (
          region !== null &&
          region !== undefined &&
          level !== "off" &&
          region.getAttribute("aria-busy") !== "true"
        ) {
          heard.push(region.textContent);
        }
      }
    }).observe(document.body, { subtree: true, childList: true, characterData: true });
  });
  const sentence = Array.from({ length: 120 }, (_, index) => `word${index}`).join(" ");
  await studio.say(sentence);
  await studio.untilAnswer(({ status }) => status === "completed");
  const heard = await studio.page.evaluate(() => (window as unknown as { heard: string[] }).heard);
  expect(heard.length, "changes that are read out").toBeGreaterThan(0);
  expect(heard.length, "changes that are read out").toBeLessThan(20);
});
