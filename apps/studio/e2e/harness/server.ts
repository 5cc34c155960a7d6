import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

/** The last part of the server's log that is kept to explain a failed start, in characters. */
const MAX_LOG = 64 * 1024;
/** A page that comes back at each of several hundred cuts asks more often than a person may. */
const WITHOUT_LIMITS = `
[limits]
messages_per_minute = 0
requests_per_minute = 0
connections_per_user = 0
connections_per_address = 0
`;

/** The program under test: `ANTIPHON_BIN`, or the debug build of this repository. */
export const PROGRAM =
  process.env["ANTIPHON_BIN"] ?? resolve(import.meta.dirname, "../../../../target/debug/antiphon");

/** The real server as a child process, in demo mode, on a data folder and a port of its own. */
export class Server {
  #child: ChildProcess | undefined;
  #log = "";
  #port = 0;

  private constructor(readonly folder: string) {}

  /** Starts one; `config` is TOML, `limits` the part of it that says how often it may be called. */
  static async start(config = "", limits = WITHOUT_LIMITS): Promise<Server> {
    const folder = await mkdtemp(join(tmpdir(), "antiphon-e2e-"));
    await writeFile(join(folder, "antiphon.toml"), `${config}\n${limits}`);
    const server = new Server(folder);
    await server.restart();
    return server;
  }

  get port(): number {
    return this.#port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get log(): string {
    return this.#log;
  }

  /** Starts it, again on the same port and data, and waits for its line; kills it first if it runs. */
  async restart(): Promise<void> {
    await this.kill9();
    const child = spawn(
      PROGRAM,
      [
        ...["serve", "--demo", "--config", join(this.folder, "antiphon.toml")],
        ...["--data", join(this.folder, "data"), "--listen", `127.0.0.1:${this.#port}`],
      ],
      { stdio: ["ignore", "pipe", "pipe"] },
    );
    this.#child = child;
    child.stderr.on("data", (bytes: Buffer) => {
      this.#log = (this.#log + bytes.toString()).slice(-MAX_LOG);
    });
    const lines = createInterface(child.stdout);
    const ready = once(lines, "line") as Promise<[string]>;
    const ended = once(child, "exit").then(() => ["it ended"] as [string]);
    const [line] = await Promise.race([ready, ended]);
    const port = /^ready http:\/\/127\.0\.0\.1:(\d+)$/.exec(line)?.[1];
    if (port === undefined) throw new Error(`${PROGRAM}: ${line}\n${this.#log}`);
    this.#port = Number(port);
  }

  /** As a power cut would: nothing is told, nothing is written. */
  async kill9(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** Lets it say goodbye. */
  async terminate(): Promise<void> {
    await this.#end("SIGTERM");
  }

  /** Ends it and removes its folder. */
  async stop(): Promise<void> {
    await this.kill9();
    await rm(this.folder, { recursive: true, force: true });
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child?.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill(signal);
    await gone;
  }
}
