import { once } from "node:events";
import { createServer, type Server as NetServer, connect, type Socket } from "node:net";

/** A way to the server that can be cut: what it has not passed on by then is lost, as on a broken line. */
export class Proxy {
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  readonly #listener: NetServer;
  #isOpen = true;
  /** Resets each connection that asks for WebSocket, as some firewalls do. */
  blocksWebSocket = false;

  private constructor(target: () => number) {
    this.#listener = createServer((near) => {
      if (!this.#isOpen) {
        near.destroy();
        return;
      }
      near.on("data", (bytes: Buffer) => {
        // A request's head comes in one piece from a browser beside us.
        if (this.blocksWebSocket && /^GET \/ws\b/.test(bytes.toString("latin1", 0, 16)))
          near.resetAndDestroy();
      });
      const far = connect(target(), "127.0.0.1");
      const pair = [near, far] as const;
      this.#pairs.add(pair);
      for (const [one, other] of [pair, [far, near] as const]) {
        one.setNoDelay(true);
        one.on("error", () => other.destroy());
        one.on("close", () => {
          this.#pairs.delete(pair);
          other.destroy();
        });
        one.pipe(other);
      }
    });
  }

  /** One on a free port; `target` gives the server's port at each connection. */
  static async start(target: () => number): Promise<Proxy> {
    const proxy = new Proxy(target);
    proxy.#listener.listen(0, "127.0.0.1");
    await once(proxy.#listener, "listening");
    return proxy;
  }

  get url(): string {
    const address = this.#listener.address();
    if (address === null || typeof address === "string") throw new Error("the proxy does not listen");
    return `http://127.0.0.1:${address.port}`;
  }

  /** Open connections through it. */
  get connections(): number {
    return this.#pairs.size;
  }

  /** Resets every connection; says how many there were. */
  cut(): number {
    const { size } = this.#pairs;
    for (const [near, far] of this.#pairs) {
      near.resetAndDestroy();
      far.destroy();
    }
    this.#pairs.clear();
    return size;
  }

  /** Cuts, and refuses whoever comes until it is opened again. */
  close(): void {
    this.#isOpen = false;
    this.cut();
  }

  open(): void {
    this.#isOpen = true;
  }

  async stop(): Promise<void> {
    this.close();
    this.#listener.close();
    await once(this.#listener, "close");
  }
}
