import { AntiphonError, networkError } from "./error.js";
import type {
  Accepted,
  AgentsView,
  Code,
  Guest,
  MessagePage,
  ProblemDetails,
  RealtimeStats,
  RoomList,
  RoomView,
  StreamView,
  Ticket,
} from "./generated.js";
import type { Timing } from "./timing.js";

/** Where a token comes from: a string, or a function that is asked again when one has ended. */
export type TokenSource = string | (() => string | Promise<string>) | undefined;

/** What is done to a stream. */
export type StreamAction = "interrupt" | "cancel" | "pause" | "resume" | "retry";

/** Messages that one page brings. */
export const PAGE_MESSAGES = 50;

/** The HTTP calls, as the user that the token names. */
export class Rest {
  readonly #url: URL;
  readonly #source: TokenSource;
  readonly #fetch: typeof fetch;
  readonly #timing: Timing;
  #token: Promise<string | undefined> | undefined;

  constructor(url: URL, source: TokenSource, fetcher: typeof fetch, timing: Timing) {
    this.#url = url;
    this.#source = source;
    this.#fetch = fetcher;
    this.#timing = timing;
  }

  /** An address of the server's; `parameters` without a value are left out. */
  address(path: string, parameters: Record<string, string | undefined> = {}): URL {
    const address = new URL(this.#url);
    address.pathname = address.pathname.replace(/\/$/, "") + path;
    for (const [name, value] of Object.entries(parameters)) {
      if (value !== undefined) address.searchParams.set(name, value);
    }
    return address;
  }

  /** Forgets the token where another can be had; false where the same one would come. */
  renewToken(): boolean {
    this.#token = undefined;
    return typeof this.#source === "function";
  }

  async #authorization(): Promise<Record<string, string>> {
    this.#token ??= Promise.resolve(typeof this.#source === "function" ? this.#source() : this.#source);
    let token;
    try {
      token = await this.#token;
    } catch (error) {
      this.#token = undefined;
      throw networkError(`no token could be had: ${String(error)}`);
    }
    return token === undefined ? {} : { authorization: `Bearer ${token}` };
  }

  /** Sends a request as that user; an answer that is not a success is thrown. */
  async send(method: string, address: URL, signal: AbortSignal, body?: unknown): Promise<Response> {
    const headers: Record<string, string> = await this.#authorization();
    if (body !== undefined) headers["content-type"] = "application/json";
    const init: RequestInit = { method, headers, signal, cache: "no-store" };
    if (body !== undefined) init.body = JSON.stringify(body);
    let response;
    try {
      response = await this.#fetch.call(globalThis, address, init);
    } catch (error) {
      throw networkError(`the server could not be reached: ${String(error)}`);
    }
    if (!response.ok) throw await problem(response);
    return response;
  }

  /** A call with its JSON answer. A token that has ended is asked for anew once. */
  async call<T>(
    method: string,
    path: string,
    body?: unknown,
    parameters?: Record<string, string | undefined>,
  ) {
    const address = this.address(path, parameters);
    const once = async (): Promise<T> => {
      const response = await this.send(method, address, AbortSignal.timeout(this.#timing.answer), body);
      try {
        return (response.status === 204 ? undefined : parse(await response.arrayBuffer())) as T;
      } catch (error) {
        throw networkError(`the answer is broken: ${String(error)}`);
      }
    };
    try {
      return await once();
    } catch (error) {
      const isEnded = error instanceof AntiphonError && error.code === "unauthorized";
      if (!isEnded || !this.renewToken()) throw error;
      return once();
    }
  }

  agents = async () => (await this.call<AgentsView>("GET", "/api/agents")).agents;
  rooms = async () => (await this.call<RoomList>("GET", "/api/ar-rooms")).rooms;
  room = (id: string) => this.call<RoomView>("GET", roomPath(id));
  createRoom = (room: object) => this.call<RoomView>("POST", "/api/ar-rooms", room);
  deleteRoom = (id: string) => this.call<undefined>("DELETE", roomPath(id));
  ticket = () => this.call<Ticket>("POST", "/api/tickets");
  guest = () => this.call<Guest>("POST", "/api/guest");
  stats = () => this.call<RealtimeStats>("GET", "/api/realtime/stats");
  stream = (id: string) => this.call<StreamView>("GET", streamPath(id));
  say = (roomId: string, message: object) =>
    this.call<Accepted>("POST", `${roomPath(roomId)}/messages`, message);
  act = <T>(id: string, action: StreamAction, body: object = {}) =>
    this.call<T>("POST", `${streamPath(id)}/${action}`, body);
  messages = (roomId: string, before?: string) =>
    this.call<MessagePage>("GET", `${roomPath(roomId)}/messages`, undefined, {
      limit: String(PAGE_MESSAGES),
      before,
    });
}

const roomPath = (id: string): string => `/api/ar-rooms/${encodeURIComponent(id)}`;
const streamPath = (id: string): string => `/api/streams/${encodeURIComponent(id)}`;

/** Throws on bytes that are not UTF-8, of which `Response.json` would make something else. */
function parse(bytes: ArrayBuffer): unknown {
  return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
}

/** What a refusal says. One that does not come from the server itself has no code, and counts as the network's. */
async function problem(response: Response): Promise<AntiphonError> {
  const body = (await response.json().catch(() => undefined)) as Partial<ProblemDetails> | undefined;
  const seconds = Number(response.headers.get("retry-after") ?? NaN);
  const details = {
    status: response.status,
    requestId: response.headers.get("x-request-id") ?? undefined,
    retryAfterMs: Number.isFinite(seconds) ? seconds * 1000 : undefined,
  };
  const code: Code | undefined = body?.code;
  const message = body?.detail ?? `the server answered ${String(response.status)}`;
  return new AntiphonError(code ?? (response.status === 401 ? "unauthorized" : "network"), message, details);
}
