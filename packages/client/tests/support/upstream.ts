import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** The pause before each piece, in milliseconds. */
const PACE = 3;

const WORDS = [
  "river",
  "wörter",
  "😀",
  "[emotion:happy]",
  "stone,",
  "[gesture:wave,pose:idle]",
  "日本語",
  "[1]",
  "and",
];

/** The answer to a message: as many words as its last number says, the same ones each time. */
export function answerTo(content: string): string {
  const count = Number(/(\d+)\D*$/.exec(content)?.[1] ?? 20);
  return Array.from({ length: count }, (_, at) => `${WORDS[(at * 5 + count) % WORDS.length] ?? ""} `).join(
    "",
  );
}

/** A model that answers over the API that many servers speak: streamed chat completions. */
export class Upstream {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Listens on a free port. */
  static async start(): Promise<Upstream> {
    const server = createServer((request, response) => {
      const body: Buffer[] = [];
      request.on("data", (part: Buffer) => body.push(part));
      request.on("end", () => {
        const { messages } = JSON.parse(Buffer.concat(body).toString()) as {
          messages: { content: string }[];
        };
        response.writeHead(200, { "content-type": "text/event-stream" });
        void stream(answerTo(messages.at(-1)?.content ?? ""), (data) =>
          response.write(`data: ${data}\n\n`),
        ).then(() => response.end());
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new Upstream(server);
  }

  /** What goes into a provider's `base_url`. */
  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1`;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

async function stream(text: string, write: (data: string) => void): Promise<void> {
  const chunk = (delta: object, finish: string | null): string =>
    JSON.stringify({
      id: "c",
      object: "chat.completion.chunk",
      choices: [{ index: 0, delta, finish_reason: finish }],
    });
  for (const piece of text.match(/[^]{1,7}/gu) ?? []) {
    write(chunk({ content: piece }, null));
    await sleep(PACE);
  }
  write(chunk({}, "stop"));
  write("[DONE]");
}
