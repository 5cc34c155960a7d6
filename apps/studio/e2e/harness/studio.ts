import type { Browser, BrowserContext, BrowserContextOptions, Locator, Page } from "playwright-core";
import { DESKTOP } from "./browser.js";
import { until } from "./until.js";

/** How long a person would wait for something to happen, in milliseconds. */
const PATIENCE = 20_000;
/** What the browser itself says of a line that was cut; the page can neither cause nor silence it. */
const OF_THE_BROWSER = [/^Failed to load resource: net::ERR_/, /^WebSocket connection to '.*' failed/];

/** A message as it stands on the page. */
export interface Shown {
  role: string;
  status: string;
  text: string;
  markers: number;
}

/** The page in a browser, as a person uses it. */
export class Studio {
  /** What the page wrote to the console as errors, threw, or was refused by its Content-Security-Policy. */
  readonly errors: string[] = [];
  /** Dialogs, new windows and requests beyond the server: nothing that a model says may cause one. */
  readonly escapes: string[] = [];
  /** Of the guest that the page became. */
  token: string | undefined;

  private constructor(
    readonly context: BrowserContext,
    readonly page: Page,
    readonly url: string,
  ) {
    page.on("pageerror", (error) => this.errors.push(error.stack ?? error.message));
    page.on("console", (message) => {
      if (message.type() !== "error") return;
      const text = message.text();
      if (!OF_THE_BROWSER.some((pattern) => pattern.test(text))) this.errors.push(text);
    });
    page.on("dialog", (dialog) => {
      this.escapes.push(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on("popup", (popup) => this.escapes.push(`popup: ${popup.url()}`));
    page.on("request", (request) => {
      const { protocol, origin } = new URL(request.url());
      if (protocol !== "data:" && protocol !== "blob:" && origin !== new URL(url).origin) {
        this.escapes.push(`request: ${request.url()}`);
      }
    });
    page.on("response", (response) => {
      if (new URL(response.url()).pathname !== "/api/guest") return;
      response.json().then(
        (guest: { token: string }) => (this.token = guest.token),
        () => undefined,
      );
    });
  }

  /** Opens the page in a profile of its own. */
  static async open(
    browser: Browser,
    url: string,
    options: BrowserContextOptions = DESKTOP,
  ): Promise<Studio> {
    const context = await browser.newContext({ reducedMotion: "reduce", ...options });
    context.setDefaultTimeout(PATIENCE);
    const studio = new Studio(context, await context.newPage(), url);
    await studio.page.goto(url);
    await studio.at("app").waitFor();
    return studio;
  }

  /** The elements of that test id. */
  at(id: string): Locator {
    return this.page.getByTestId(id);
  }

  /** Begins a conversation with an agent, and waits until it is live. */
  async converse(agent: string): Promise<string> {
    const card = this.page.locator(`[data-testid="agent-card"][data-agent="${agent}"]`);
    if (!(await card.first().isVisible())) {
      if (!(await this.at("new-room").first().isVisible())) await this.at("sidebar-toggle").click();
      await this.at("new-room").first().click();
    }
    await card.first().click();
    await this.untilLive();
    const room = await this.at("conversation").getAttribute("data-room");
    if (room === null) throw new Error("the conversation does not say which room it is");
    return room;
  }

  async untilLive(): Promise<void> {
    await this.page
      .locator('[data-testid="conversation"][data-status="live"]')
      .waitFor({ state: "attached" });
    await this.untilConnection(["live"]);
  }

  /** Waits until the connection is in one of these states, as the page tells it. */
  async untilConnection(statuses: readonly string[]): Promise<void> {
    const state = this.at("connection-state").first();
    const look = () => state.getAttribute("data-status");
    await until(look, (status) => statuses.includes(status ?? ""), PATIENCE);
  }

  /** Types and presses Enter. */
  async say(text: string): Promise<void> {
    await this.at("composer").fill(text);
    await this.at("composer").press("Enter");
  }

  /** The messages on the page, their texts without the markers' cues. */
  async shown(): Promise<Shown[]> {
    return await this.at("message").evaluateAll((messages) =>
      messages.map((message) => {
        const body = message.querySelector('[data-testid="message-text"]')?.cloneNode(true);
        const cues = body instanceof Element ? [...body.querySelectorAll('[data-testid="marker-cue"]')] : [];
        for (const cue of cues) cue.remove();
        return {
          role: message.getAttribute("data-role") ?? "",
          status: message.getAttribute("data-status") ?? "",
          text: body?.textContent ?? "",
          markers: cues.length,
        };
      }),
    );
  }

  /** The last answer on the page. */
  async answer(): Promise<Shown> {
    const answer = (await this.shown()).findLast((message) => message.role === "assistant");
    return answer ?? { role: "assistant", status: "", text: "", markers: 0 };
  }

  /** Waits until the last answer is in that state, and returns it. */
  async untilAnswer(isSo: (answer: Shown) => boolean, timeoutMs = PATIENCE): Promise<Shown> {
    return await until(() => this.answer(), isSo, timeoutMs);
  }

  /** What the server holds of a room. */
  async stored(room: string, url = this.url): Promise<{ role: string; text: string; status: string }[]> {
    const headers = { authorization: `Bearer ${this.token ?? ""}` };
    const response = await fetch(`${url}/api/ar-rooms/${room}/messages?limit=100`, { headers });
    if (!response.ok) throw new Error(`messages: ${response.status} ${await response.text()}`);
    const page = (await response.json()) as { messages: { role: string; text: string; status: string }[] };
    return page.messages;
  }

  /** Closes it; a page that complained on the way fails its test. */
  async close(): Promise<void> {
    await this.context.close();
    const complaints = [...this.errors, ...this.escapes];
    if (complaints.length > 0) throw new Error(["the page complained", ...complaints].join("\n"));
  }
}
