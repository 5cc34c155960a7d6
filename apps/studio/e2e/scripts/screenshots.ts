// Takes the pictures in docs/images: desktop and phone, light and dark, mid-answer and after an interrupt.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { DESKTOP, launch, PHONE } from "../harness/browser.js";
import { Server } from "../harness/server.js";
import { Studio } from "../harness/studio.js";

const IMAGES = join(import.meta.dirname, "../../../../docs/images");
/** Who is asked; another agent of the demo can be named, such as `anna` where her weights are. */
const AGENT = process.env["AGENT"] ?? "guide";
const QUESTIONS = (process.env["QUESTIONS"] ?? "What is Antiphon?|How do markers work?").split("|");

const server = await Server.start();
const browser = await launch();
await mkdir(IMAGES, { recursive: true });
try {
  for (const [device, options] of Object.entries({
    desktop: { ...DESKTOP, deviceScaleFactor: 1.5 },
    phone: PHONE,
  })) {
    for (const colorScheme of ["light", "dark"] as const) {
      const studio = await Studio.open(browser, server.url, { ...options, colorScheme });
      const shoot = async (moment: string) => {
        const path = join(IMAGES, `${device}-${colorScheme}-${moment}.png`);
        await studio.page.screenshot({ path });
        console.log(path);
      };
      await studio.converse(AGENT);
      for (const [index, question] of QUESTIONS.entries()) {
        await studio.say(question);
        if (index < QUESTIONS.length - 1)
          await studio.untilAnswer(({ status }) => status === "completed", 120_000);
      }
      await studio.untilAnswer(({ status, text }) => status === "streaming" && text.length > 140, 60_000);
      await shoot("mid-answer");
      await studio.page.keyboard.press("Escape");
      await studio.untilAnswer(({ status }) => status === "interrupted");
      await shoot("interrupted");
      await studio.close();
    }
  }
} finally {
  await browser.close();
  await server.stop();
}
