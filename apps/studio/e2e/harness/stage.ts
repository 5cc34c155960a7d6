import type { Browser, BrowserContextOptions } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { launch } from "./browser.js";
import { Proxy } from "./proxy.js";
import { Server } from "./server.js";
import { Studio } from "./studio.js";
import { type Script, Upstream } from "./upstream.js";

/** What the tests of one file run against. */
export interface Stage {
  readonly server: Server;
  readonly browser: Browser;
  /** A way to the server that can be cut. */
  readonly proxy: Proxy;
  /** Opens the page, straight or at another address; it is closed and asked for complaints after the test. */
  open(options?: BrowserContextOptions, url?: string): Promise<Studio>;
}

/** Sets the stage before a file's tests and clears it after them. With a script there is an agent `echo`. */
export function setStage(script?: Script): () => Stage {
  let stage: (Stage & { upstream: Upstream | undefined }) | undefined;
  const opened: Studio[] = [];

  beforeAll(async () => {
    const upstream = script === undefined ? undefined : await Upstream.start(script);
    const server = await Server.start(upstream?.config);
    const proxy = await Proxy.start(() => server.port);
    const browser = await launch();
    stage = {
      ...{ server, browser, proxy, upstream },
      async open(options, url = server.url) {
        const studio = await Studio.open(browser, url, options);
        opened.push(studio);
        return studio;
      },
    };
  });

  afterEach(async () => {
    for (const studio of opened.splice(0)) await studio.close();
  });

  afterAll(async () => {
    await stage?.browser.close();
    await stage?.proxy.stop();
    await stage?.server.stop();
    await stage?.upstream?.stop();
  });

  return () => {
    if (stage === undefined) expect.fail("the stage is set before each file's tests");
    return stage;
  };
}

/** A text without what HTML does not show: doubled, leading and trailing blanks. */
export function squeezed(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}
