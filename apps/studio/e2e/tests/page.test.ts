import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { firstLoad, MOST_FIRST_LOAD_BYTES } from "../harness/first_load.js";
import { Server } from "../harness/server.js";
import { setStage } from "../harness/stage.js";

const stage = setStage();

test("the server gives the page at its addresses, strict about what it may do", async () => {
  const { url } = stage().server;
  for (const path of ["/", "/rooms/room-1"]) {
    const response = await fetch(url + path);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(response.headers.get("content-security-policy")).toContain(
      "default-src 'none'; script-src 'self'",
    );
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
    expect(response.headers.get("referrer-policy")).toBe("no-referrer");
    expect(await response.text()).toContain("<!doctype html>");
  }
  for (const path of ["/api/nothing", "/ws/nothing", "/rooms", "/assets/nothing.js"]) {
    const response = await fetch(url + path);
    expect([response.status, response.headers.get("content-type")], path).toEqual([
      404,
      "application/problem+json",
    ]);
  }
});

test("its files are compressed, kept for ever and not sent twice", async () => {
  const { url } = stage().server;
  const html = await (await fetch(url)).text();
  const assets = [...html.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)].map((match) => match[1] ?? "");
  expect(assets.length).toBeGreaterThanOrEqual(2);
  for (const path of assets) {
    for (const encoding of ["br", "gzip"]) {
      const headers = { "accept-encoding": encoding };
      const response = await fetch(url + path, { headers });
      expect([path, response.headers.get("content-encoding")]).toEqual([path, encoding]);
      expect(response.headers.get("cache-control")).toContain("immutable");
      const known = { ...headers, "if-none-match": response.headers.get("etag") ?? "" };
      expect((await fetch(url + path, { headers: known })).status).toBe(304);
    }
  }
});

test("the first load is small, even where only gzip is taken", async () => {
  const { browser, server } = stage();
  const context = await browser.newContext({ extraHTTPHeaders: { "accept-encoding": "gzip" } });
  const loaded = await firstLoad(await context.newPage(), server.url);
  await context.close();
  const bytes = loaded.reduce((sum, file) => sum + file.bytes, 0);
  console.log(`first load: ${bytes} bytes in ${loaded.length} files`);
  expect(bytes).toBeLessThan(MOST_FIRST_LOAD_BYTES);
});

test("the client's types were made from this server's schema", async () => {
  const served: unknown = await (await fetch(`${stage().server.url}/openapi.json`)).json();
  const kept = join(import.meta.dirname, "../../../../packages/client/openapi.json");
  expect(JSON.parse(readFileSync(kept, "utf8"))).toEqual(served);
});

test("loading the page often does not use up a person's calls", async () => {
  const server = await Server.start("", "[limits]\nrequests_per_minute = 2\n");
  try {
    const statuses = new Set<number>();
    for (let index = 0; index < 50; index += 1) statuses.add((await fetch(server.url)).status);
    expect([...statuses]).toEqual([200]);
    expect((await fetch(`${server.url}/api/agents`)).status).toBe(200);
  } finally {
    await server.stop();
  }
});
