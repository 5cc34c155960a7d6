import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** What the proxy does to the bytes that pass. Each is asked for every piece that comes. */
export type Faults = {
  /** Whether both sides are cut off now. */
  cuts(): boolean;
  /** How long the piece waits, in milliseconds. */
  delay(): number;
  /** Whether a byte of the piece is flipped. */
  flips(): boolean;
  /** Which byte. */
  place(length: number): number;
};

/** A network that does nothing wrong. */
export const FAULTLESS: Faults = { cuts: () => false, delay: () => 0, flips: () => false, place: () => 0 };

/** Writes after a while, and never before what came earlier. */
type Delayed = (bytes: Buffer, delay: number) => void;

function inOrder(to: Socket): Delayed {
  let earlier = Promise.resolve();
  return (bytes, delay) => {
    const due = delay === 0 ? undefined : sleep(delay);
    earlier = earlier.then(async () => {
      await due;
      to.write(bytes);
    });
  };
}

/** A TCP proxy in front of the server that cuts, delays and corrupts. */
export class Proxy {
  faults: Faults = FAULTLESS;
  /** Nobody gets through. */
  isDown = false;
  /** How many connections it has cut, and how many bytes it has flipped. */
  cuts = 0;
  flipped = 0;
  readonly #server: Server;
  readonly #port: () => number;
  readonly #pairs = new Set<readonly [Socket, Socket]>();

  private constructor(port: () => number) {
    this.#port = port;
    this.#server = createServer((client) => this.#accept(client));
  }

  /** Listens in front of whatever port the server now has. */
  static async start(port: () => number): Promise<Proxy> {
    const proxy = new Proxy(port);
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  #accept(client: Socket): void {
    if (this.isDown) return void client.destroy();
    const server = connect(this.#port(), "127.0.0.1");
    const [toClient, toServer] = [inOrder(client), inOrder(server)];
    const pair = [client, server] as const;
    this.#pairs.add(pair);
    let isWebSocket = false;
    client.once("data", (head: Buffer) => (isWebSocket = head.toString("latin1").startsWith("GET /ws")));
    const end = (): void => {
      this.#pairs.delete(pair);
      client.destroy();
      server.destroy();
    };
    for (const socket of pair) socket.setNoDelay(true).on("error", end).on("close", end);
    // What a client asks for by HTTP could be made into something else that is valid; frames could not.
    let isFirst = true;
    client.on("data", (bytes: Buffer) => {
      this.#pass(bytes, toServer, pair, isWebSocket && !isFirst);
      isFirst = false;
    });
    server.on("data", (bytes: Buffer) => this.#pass(bytes, toClient, pair, true));
  }

  #pass(bytes: Buffer, to: Delayed, pair: readonly [Socket, Socket], mayFlip: boolean): void {
    const { faults } = this;
    if (faults.cuts()) {
      this.#cut(pair);
      return;
    }
    if (mayFlip && faults.flips()) {
      this.flipped++;
      const place = faults.place(bytes.length);
      // With its highest bit flipped, nothing that is ASCII or UTF-8 stays so.
      bytes[place] = (bytes[place] ?? 0) ^ 0x80;
    }
    to(bytes, faults.delay());
  }

  #cut(pair: readonly [Socket, Socket]): void {
    this.cuts++;
    for (const socket of pair) socket.destroy();
    this.#pairs.delete(pair);
  }

  /** Cuts every connection there is. */
  cutAll(): void {
    for (const pair of [...this.#pairs]) this.#cut(pair);
  }

  close(): void {
    this.cutAll();
    this.#server.close();
  }
}
