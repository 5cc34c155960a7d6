import type { Page } from "playwright-core";

/** What the first load may weigh on the wire, in bytes. */
export const MOST_FIRST_LOAD_BYTES = 150 * 1024;

/** A file that the page loaded. */
export interface Loaded {
  path: string;
  bytes: number;
}

/** Opens the page for the first time and says what came over the wire as it was sent, bodies and heads. */
export async function firstLoad(page: Page, url: string): Promise<Loaded[]> {
  const session = await page.context().newCDPSession(page);
  await session.send("Network.enable");
  const paths = new Map<string, string>();
  const loaded: Loaded[] = [];
  session.on("Network.responseReceived", ({ requestId, response }) => {
    paths.set(requestId, new URL(response.url).pathname);
  });
  session.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
    loaded.push({ path: paths.get(requestId) ?? requestId, bytes: encodedDataLength });
  });
  await page.goto(url);
  await page.getByTestId("app").waitFor();
  await page.waitForLoadState("networkidle");
  await session.detach();
  return loaded;
}
