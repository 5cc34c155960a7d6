import { existsSync } from "node:fs";
import { type Browser, type BrowserContextOptions, chromium } from "playwright-core";

/** Debian's Chromium; another may be named by `ANTIPHON_CHROMIUM`. */
const CHROMIUM = process.env["ANTIPHON_CHROMIUM"] ?? "/usr/bin/chromium";

/** What the page is looked at with. */
export const DESKTOP: BrowserContextOptions = {
  viewport: { width: 1280, height: 800 },
  colorScheme: "light",
};
export const PHONE: BrowserContextOptions = {
  viewport: { width: 390, height: 844 },
  colorScheme: "light",
  hasTouch: true,
  isMobile: true,
  deviceScaleFactor: 2,
};

/** A headless browser that calls nobody but the page's server. */
export async function launch(): Promise<Browser> {
  if (!existsSync(CHROMIUM)) {
    throw new Error(
      `${CHROMIUM} is not there: apt-get install chromium, or name another by ANTIPHON_CHROMIUM`,
    );
  }
  return await chromium.launch({
    executablePath: CHROMIUM,
    // The new headless mode is the browser that people have, without its window.
    args: [
      "--headless=new",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}
