import { once } from "node:events";
import {
  createServer,
  type IncomingMessage,
  type Server as HttpServer,
  type ServerResponse,
} from "node:http";
import { setTimeout as after } from "node:timers/promises";

/** What the scripted model says to a person's words: the pieces, and the time between two of them. */
export type Script = (asked: string) => { pieces: readonly string[]; paceMs: number; fails?: boolean };

interface ChatRequest {
  messages: { role: string; content: string }[];
  stream?: boolean;
}

/** A model server that says what a test wants, in the wire format of OpenAI's chat completions. */
export class Upstream {
  readonly #listener: HttpServer;
  /** Calls that were answered or begun. */
  calls = 0;

  private constructor(readonly script: Script) {
    this.#listener = createServer((request, response) => {
      this.#answer(request, response).catch(() => response.destroy());
    });
  }

  static async start(script: Script): Promise<Upstream> {
    const upstream = new Upstream(script);
    upstream.#listener.listen(0, "127.0.0.1");
    await once(upstream.#listener, "listening");
    return upstream;
  }

  /** The configuration of a server whose agent `echo` is this model. */
  get config(): string {
    const address = this.#listener.address();
    if (address === null || typeof address === "string") throw new Error("the upstream does not listen");
    return `
[providers.scripted]
kind = "openai"
base_url = "http://127.0.0.1:${address.port}/v1"
api_key = "none"

[agents.echo]
provider = "scripted"
model = "scripted"
system = ""
markers = "prompt"
recovery = "restart"
max_attempts = 10
`;
  }

  async stop(): Promise<void> {
    this.#listener.close();
    this.#listener.closeAllConnections();
    await once(this.#listener, "close");
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = "";
    for await (const part of request) body += String(part);
    this.calls += 1;
    const { messages } = JSON.parse(body) as ChatRequest;
    const asked = messages.findLast((message) => message.role === "user")?.content ?? "";
    const { pieces, paceMs, fails } = this.script(asked);
    if (fails === true) {
      // Of the kind that the server does not try again by itself.
      response.writeHead(400, { "content-type": "application/json" });
      response.end(JSON.stringify({ error: { message: "scripted to fail", type: "invalid_request_error" } }));
      return;
    }
    response.writeHead(200, { "content-type": "text/event-stream" });
    const began = performance.now();
    for (const [index, content] of pieces.entries()) {
      // By the clock and not by pauses, each of which is a little longer than asked for.
      const early = began + index * paceMs - performance.now();
      if (early > 1) await after(early);
      if (response.destroyed) return;
      response.write(frame({ content }, null));
    }
    response.end(`${frame({}, "stop")}data: [DONE]\n\n`);
  }
}

function frame(delta: object, finish: string | null): string {
  const choice = { index: 0, delta, finish_reason: finish };
  const chunk = {
    id: "c",
    object: "chat.completion.chunk",
    created: 0,
    model: "scripted",
    choices: [choice],
  };
  return `data: ${JSON.stringify(chunk)}\n\n`;
}
