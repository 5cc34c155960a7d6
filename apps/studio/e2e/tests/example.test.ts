import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { setStage } from "../harness/stage.js";

const ROOT = join(import.meta.dirname, "../../../..");
const FILES: Readonly<Record<string, readonly [type: string, file: string]>> = {
  "/page.html": ["text/html", "docs/examples/client/page.html"],
  "/antiphon.min.js": ["text/javascript", "packages/client/dist/antiphon.min.js"],
};

const stage = setStage();

test("the example of a plain page talks, from a server of its own", async () => {
  const site = createServer((request, response) => {
    const [type, file] = FILES[new URL(request.url ?? "", "http://site").pathname] ?? [];
    if (type === undefined || file === undefined) {
      response.writeHead(404).end();
    } else {
      response.writeHead(200, { "content-type": type }).end(readFileSync(join(ROOT, file)));
    }
  });
  site.listen(0, "127.0.0.1");
  await once(site, "listening");
  const { browser, server } = stage();
  const page = await browser.newPage();
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(error.message));
  try {
    const { port } = site.address() as AddressInfo;
    // Once the room's messages were asked for, the page listens to its form.
    const isListening = page.waitForResponse((response) => /\/messages\b/.test(response.url()));
    await page.goto(`http://127.0.0.1:${port}/page.html?server=${encodeURIComponent(server.url)}`);
    await isListening;
    await page.getByLabel("Message").fill("Who are you?");
    await page.getByRole("button", { name: "Send" }).click();
    await expect.poll(() => page.locator("li").nth(1).textContent(), { timeout: 20_000 }).toContain("script");
    expect(errors).toEqual([]);
  } finally {
    await page.close();
    site.close();
    site.closeAllConnections();
  }
});
