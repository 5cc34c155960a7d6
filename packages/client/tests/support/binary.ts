import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** The program under test. */
const PROGRAM =
  process.env["ANTIPHON_BIN"] ?? fileURLToPath(new URL("../../../../target/debug/antiphon", import.meta.url));

/** The real server on a data directory of its own, which it keeps when it is killed and started again. */
export class Binary {
  readonly #directory = mkdtempSync(join(tmpdir(), "antiphon-client-"));
  #process: ChildProcess | undefined;
  #port = 0;

  private constructor(upstream: string, more: readonly string[]) {
    // The tests connect more often than any person does.
    const limits = [
      "messages_per_minute",
      "requests_per_minute",
      "connections_per_user",
      "connections_per_address",
    ];
    writeFileSync(
      join(this.#directory, "antiphon.toml"),
      [
        "[providers.test]",
        'kind = "openai"',
        `base_url = "${upstream}"`,
        'api_key = "none"',
        "[agents.quick]",
        'provider = "test"',
        'model = "test"',
        "max_attempts = 10",
        "[limits]",
        ...limits.map((name) => `${name} = 0`),
        ...more,
      ].join("\n"),
    );
  }

  /** Starts a server whose agent `quick` asks that model, with more lines of configuration. */
  static async start(upstream: string, more: readonly string[] = []): Promise<Binary> {
    if (!existsSync(PROGRAM)) {
      throw new Error(
        `there is no ${PROGRAM}: build it with \`cargo build -p antiphon-server\`, or set ANTIPHON_BIN`,
      );
    }
    const binary = new Binary(upstream, more);
    await binary.run();
    return binary;
  }

  get port(): number {
    return this.#port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Starts it; resolves once it is ready. */
  async run(): Promise<void> {
    const from = [
      "--config",
      join(this.#directory, "antiphon.toml"),
      "--data",
      join(this.#directory, "data"),
    ];
    const options = ["serve", "--demo", ...from, "--listen", "127.0.0.1:0"];
    const child = spawn(PROGRAM, options, { stdio: ["ignore", "pipe", "pipe"] });
    this.#process = child;
    let said = "";
    child.stderr.on("data", (part: Buffer) => (said = (said + part.toString()).slice(-4000)));
    for await (const line of createInterface(child.stdout)) {
      const port = /^ready http:\/\/127\.0\.0\.1:(\d+)/.exec(line)?.[1];
      if (port === undefined) continue;
      this.#port = Number(port);
      return;
    }
    throw new Error(`the server did not start: ${said}`);
  }

  /** Ends it: at once with SIGKILL, gracefully with SIGTERM. */
  async stop(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    const child = this.#process;
    if (!child) return;
    this.#process = undefined;
    const ended = once(child, "exit");
    child.kill(signal);
    await ended;
  }

  /** Ends it and removes what it wrote. */
  async remove(): Promise<void> {
    await this.stop("SIGKILL");
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
