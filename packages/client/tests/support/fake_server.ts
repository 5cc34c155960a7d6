import type { Message, MessagePage } from "../../src/generated.js";
import type { Timing } from "../../src/timing.js";
import { ROOM } from "./room_model.js";

/** Round numbers, so that tests can say when something must have happened. */
export const FAKE_TIMING: Timing = {
  backoffLeast: 100,
  backoffMost: 1_000,
  answer: 2_000,
  ping: 5_000,
  silence: 1_000,
  sseSilence: 50_000,
  websocketAgain: 20_000,
};

/** The position of an event's number. */
export const positionOf = (number: number): string => String(number).padStart(40, "-");

/** What a test lets a call answer. */
type Answer = {
  readonly status?: number;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
};

/** One WebSocket as the client sees it, driven by the test. */
export class FakeSocket {
  readonly sent: Record<string, unknown>[] = [];
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  onerror: (() => void) | null = null;
  isClosed = false;
  /** Says nothing to pings either. */
  isSilent = false;

  constructor(readonly url: URL) {}

  send(text: string): void {
    const message = JSON.parse(text) as Record<string, unknown>;
    this.sent.push(message);
    if (message["type"] === "ping" && !this.isSilent) this.say({ type: "pong", timestamp: "" });
  }

  /** The requests of one type so far. */
  requests(type: string): Record<string, unknown>[] {
    return this.sent.filter((message) => message["type"] === type);
  }

  say(message: unknown): void {
    this.onmessage?.({ data: typeof message === "string" ? message : JSON.stringify(message) });
  }

  connect(): void {
    const fields = { clientId: "c", sessionId: "s", resumeToken: "r", heartbeatSeconds: 30 };
    this.say({ type: "connected", ...fields, message: "", timestamp: "" });
  }

  /** Answers the latest subscription of the room and says that live begins. */
  join(): void {
    const [channel, position] = [
      { type: "ar-room", id: ROOM.id },
      this.requests("subscribe").at(-1)?.["position"],
    ];
    this.say({ type: "subscribed", channel, position });
    this.say({ type: "caught-up", channel, position });
  }

  refuse(code: string, channel: object = { type: "ar-room", id: ROOM.id }): void {
    this.say({ type: "error", code, message: code, channel });
  }

  drop(code = 1006): void {
    this.onclose?.({ code, reason: "" });
  }

  close(): void {
    this.isClosed = true;
  }
}

/** A stream of server-sent events, driven by the test. */
export class FakeStream {
  readonly body: ReadableStream<Uint8Array>;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;

  constructor(readonly url: URL) {
    this.body = new ReadableStream({ start: (controller) => void (this.#controller = controller) });
  }

  say(message: unknown): void {
    this.bytes(new TextEncoder().encode(`data: ${JSON.stringify(message)}\n\n`));
  }

  bytes(bytes: Uint8Array): void {
    this.#controller?.enqueue(bytes);
  }

  end(): void {
    this.#controller?.close();
  }
}

/** The outside world of a client: a server of which the test decides what it says. */
export class FakeServer {
  readonly sockets: FakeSocket[] = [];
  readonly streams: FakeStream[] = [];
  readonly calls: string[] = [];
  readonly tokens: (string | undefined)[] = [];
  /** By method and path; a function is asked each time. */
  readonly answers = new Map<string, Answer | ((body: unknown) => Answer | Promise<Answer>)>();
  #tickets = 0;

  constructor() {
    this.answers.set("POST /api/tickets", () => ({ status: 201, body: { ticket: `t${++this.#tickets}` } }));
    this.answers.set("GET /health", { body: { status: "healthy", version: "0" } });
    this.answers.set(`GET /api/ar-rooms/${ROOM.id}`, { body: { ...ROOM, position: positionOf(1) } });
    this.page([], 1);
  }

  /** What GET messages says from now on. */
  page(messages: readonly Message[], number: number): void {
    const page: MessagePage = { messages, position: positionOf(number) };
    this.answers.set(`GET /api/ar-rooms/${ROOM.id}/messages`, { body: page });
  }

  refuse(call: string, status: number, code: string, headers: Record<string, string> = {}): void {
    this.answers.set(call, { status, body: { code, detail: code, status }, headers });
  }

  get socket(): FakeSocket {
    return this.#latest(this.sockets);
  }

  get stream(): FakeStream {
    return this.#latest(this.streams);
  }

  #latest<T>(list: readonly T[]): T {
    const last = list.at(-1);
    if (last === undefined) throw new Error("nobody connected");
    return last;
  }

  readonly fetch = async (input: unknown, init: RequestInit = {}): Promise<Response> => {
    const url = new URL(String(input));
    // The client is told an address with a path, below which everything is.
    const call = `${init.method ?? "GET"} ${url.pathname.replace(/^\/base/, "")}`;
    this.calls.push(call);
    this.tokens.push(new Headers(init.headers).get("authorization")?.replace("Bearer ", ""));
    const found = this.answers.get(call);
    if (!found && url.pathname.endsWith("/events")) {
      const stream = new FakeStream(url);
      this.streams.push(stream);
      return new Response(stream.body);
    }
    if (!found) throw new TypeError("fetch failed");
    const body: unknown = typeof init.body === "string" ? JSON.parse(init.body) : undefined;
    const {
      status = 200,
      body: answer,
      headers = {},
    } = typeof found === "function" ? await found(body) : found;
    return new Response(status === 204 ? null : JSON.stringify(answer), { status, headers });
  };

  /** A constructor of sockets that the test drives. */
  get WebSocket(): typeof WebSocket {
    const { sockets } = this;
    function open(url: URL): FakeSocket {
      const socket = new FakeSocket(url);
      sockets.push(socket);
      return socket;
    }
    return open as unknown as typeof WebSocket;
  }
}
