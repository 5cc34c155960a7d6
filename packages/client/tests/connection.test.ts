import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Antiphon, type AntiphonOptions } from "../src/antiphon.js";
import { backoff, TIMING } from "../src/timing.js";
import { FAKE_TIMING, FakeServer, positionOf } from "./support/fake_server.js";
import { ROOM } from "./support/room_model.js";

let server: FakeServer;
let client: Antiphon;

function open(options: Partial<AntiphonOptions> = {}): Antiphon {
  const given = {
    url: "http://server.test/base/",
    token: "token-1",
    fetch: server.fetch,
    WebSocket: server.WebSocket,
  };
  client = new Antiphon({ ...given, ...options }, FAKE_TIMING);
  return client;
}

/** Lets so much time pass, and everything that waits for it happen. */
const pass = (milliseconds = 0): Promise<unknown> => vi.advanceTimersByTimeAsync(milliseconds);
const status = (): string => client.connection.get().status;

beforeEach(() => {
  vi.useFakeTimers();
  server = new FakeServer();
});

afterEach(async () => {
  client.close();
  await pass(1);
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

async function live(options: Partial<AntiphonOptions> = {}): Promise<void> {
  open(options).room(ROOM.id);
  await pass();
  server.socket.connect();
  server.socket.join();
}

describe("a connection", () => {
  it("is made when somebody watches it, with a ticket of its own each time", async () => {
    open();
    await pass(1000);
    expect(server.calls).toEqual([]);
    client.connection.subscribe(() => undefined);
    await pass();
    expect(String(server.socket.url)).toBe("ws://server.test/base/ws?ticket=t1");
    server.socket.connect();
    expect(client.connection.get()).toMatchObject({ status: "live", transport: "websocket", attempt: 0 });
    server.socket.drop();
    expect(client.connection.get()).toMatchObject({ status: "reconnecting", attempt: 1 });
    expect(client.connection.get().error?.code).toBe("network");
    await pass(100);
    expect(server.socket.url.searchParams.get("ticket")).toBe("t2");
  });

  it("is tried again after longer and longer pauses, and at once when asked", async () => {
    open().connection.subscribe(() => undefined);
    await pass();
    server.socket.connect();
    server.answers.delete("POST /api/tickets");
    server.socket.drop();
    const waits: number[] = [];
    for (let tries = 1; tries <= 8; tries++) {
      const { attempt, retryAt = 0 } = client.connection.get();
      expect(attempt).toBe(tries);
      waits.push(retryAt - Date.now());
      await pass(retryAt - Date.now());
    }
    const most = [100, 200, 400, 800, 1000, 1000, 1000, 1000];
    waits.forEach((wait, at) => {
      expect(wait).toBeGreaterThanOrEqual((most[at] ?? 0) / 2);
      expect(wait).toBeLessThanOrEqual(most[at] ?? 0);
    });
    const tries = server.calls.length;
    client.reconnectNow();
    await pass();
    expect(server.calls.length).toBe(tries + 1);
  });

  it("comes back after longer and longer pauses when the server refuses it for now, never giving up", async () => {
    open().connection.subscribe(() => undefined);
    await pass();
    const waits: number[] = [];
    for (let tries = 1; tries <= 6; tries++) {
      // Before it is open, and after.
      if (tries % 2 === 0) server.socket.connect();
      server.socket.say({ type: "error", code: "unavailable", message: "away", retryAfterMs: 150 });
      server.socket.drop(1013);
      const { status, transport, error, attempt, retryAt = 0 } = client.connection.get();
      expect(["connecting", "reconnecting"]).toContain(status);
      expect({ transport, attempt, code: error?.code }).toEqual({
        transport: undefined,
        attempt: tries,
        code: "unavailable",
      });
      waits.push(retryAt - Date.now());
      await pass(retryAt - Date.now());
    }
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(150);
    expect(waits.at(-1)).toBeGreaterThanOrEqual(500);
    server.socket.connect();
    expect(client.connection.get()).toMatchObject({ status: "live", transport: "websocket" });
  });

  it("spreads its pauses", () => {
    expect(backoff(0, TIMING, () => 0)).toBe(TIMING.backoffLeast / 2);
    expect(backoff(0, TIMING, () => 1)).toBe(TIMING.backoffLeast);
    expect(backoff(1000, TIMING, () => 1)).toBe(TIMING.backoffMost);
  });

  it("is broken off when the server falls silent, and kept while it answers", async () => {
    await live();
    const { socket } = server;
    socket.isSilent = true;
    await pass(999);
    socket.say({ type: "pong", timestamp: "" });
    expect(client.connection.get().roundTripMs).toBe(999);
    await pass(FAKE_TIMING.ping + 1);
    expect(socket.requests("ping").length).toBe(2);
    await pass(FAKE_TIMING.silence);
    expect(status()).toBe("reconnecting");
    expect(socket.isClosed).toBe(true);
  });

  it("is broken off when it brings something broken, and what comes late from it is not heard", async () => {
    await live();
    const { socket } = server;
    socket.say('{"type":"heart');
    expect(status()).toBe("reconnecting");
    expect(socket.onmessage).toBe(null);
  });

  it("waits longer and longer for a server that lets it in and throws it out", async () => {
    await live();
    const waits = [];
    for (let times = 0; times < 6; times++) {
      server.socket.drop();
      const wait = (client.connection.get().retryAt ?? 0) - Date.now();
      waits.push(wait);
      await pass(wait);
      server.socket.connect();
    }
    expect(waits.at(-1)).toBeGreaterThanOrEqual(FAKE_TIMING.backoffMost / 2);
    server.socket.join();
    server.socket.drop();
    expect((client.connection.get().retryAt ?? 0) - Date.now()).toBeLessThanOrEqual(FAKE_TIMING.backoffLeast);
  });

  it("stays closed once it was closed", async () => {
    await live();
    client.close();
    client.reconnectNow();
    await pass(5000);
    expect(status()).toBe("closed");
    expect(server.sockets.length).toBe(1);
  });

  it("comes back when a leaving server says", async () => {
    await live();
    server.socket.say({ type: "goodbye", reason: "leaving", reconnectAfterMs: 1500 });
    server.socket.drop(1001);
    await pass(1499);
    expect(server.sockets.length).toBe(1);
    await pass(1);
    expect(server.sockets.length).toBe(2);
  });

  it("waits as long as a server without room says", async () => {
    open().room(ROOM.id);
    server.refuse("POST /api/tickets", 503, "unavailable", { "retry-after": "2" });
    await pass();
    expect(client.connection.get().error?.code).toBe("unavailable");
    expect(client.connection.get().retryAt).toBe(Date.now() + 2000);
  });

  it("goes away while the device is offline and comes back with it", async () => {
    const target = new EventTarget();
    vi.stubGlobal("addEventListener", target.addEventListener.bind(target));
    vi.stubGlobal("removeEventListener", target.removeEventListener.bind(target));
    await live();
    target.dispatchEvent(new Event("offline"));
    expect(status()).toBe("reconnecting");
    target.dispatchEvent(new Event("online"));
    await pass();
    server.socket.connect();
    expect(status()).toBe("live");
    vi.unstubAllGlobals();
  });
});

describe("a token", () => {
  it("that ended is asked for again, and the connection is made anew at once", async () => {
    let number = 0;
    await live({ token: () => `token-${++number}` });
    server.socket.say({ type: "error", code: "unauthorized", message: "the token has ended" });
    server.socket.drop(4001);
    await pass();
    expect(server.sockets.length).toBe(2);
    expect(server.tokens.at(-1)).toBe("token-2");
    expect(number).toBe(2);
  });

  it("that cannot be had anew ends it, until it is told to try again", async () => {
    const room = open().room(ROOM.id);
    server.refuse("POST /api/tickets", 401, "unauthorized");
    await pass();
    expect(client.connection.get()).toMatchObject({ status: "closed", error: { code: "unauthorized" } });
    expect(room.state.get().error?.code).toBe("unauthorized");
    await expect(room.send("hello")).rejects.toMatchObject({ code: "unauthorized" });
    server.answers.set("POST /api/tickets", { status: 201, body: { ticket: "t9" } });
    client.reconnectNow();
    await pass();
    server.socket.connect();
    expect(status()).toBe("live");
  });

  it("that is refused though it is new ends it", async () => {
    let asked = 0;
    open({ token: () => `token-${++asked}` }).room(ROOM.id);
    server.refuse("POST /api/tickets", 401, "unauthorized");
    await pass(5000);
    expect(status()).toBe("closed");
    expect(asked).toBeLessThan(6);
  });
});

describe("the fallback", () => {
  it("is server-sent events where WebSocket is barred twice, and WebSocket again when it can be", async () => {
    const room = open().room(ROOM.id);
    await pass();
    server.socket.drop();
    await pass(FAKE_TIMING.backoffLeast);
    server.socket.drop();
    await pass();
    await pass();
    expect(client.connection.get()).toMatchObject({ status: "live", transport: "sse" });
    expect(server.stream.url.pathname).toBe(`/base/api/channels/ar-room/${ROOM.id}/events`);
    expect(server.stream.url.searchParams.get("position")).toBe(positionOf(1));
    const statuses = new Set<string>();
    room.state.subscribe(() => statuses.add(room.state.get().status));
    const channel = { type: "ar-room", id: ROOM.id };
    server.stream.say({ type: "caught-up", channel, position: positionOf(1) });
    await pass();
    expect(room.state.get().status).toBe("live");
    const before = server.sockets.length;
    await pass(FAKE_TIMING.websocketAgain);
    expect(server.sockets.length).toBe(before + 1);
    server.socket.drop();
    expect(client.connection.get()).toMatchObject({ status: "live", transport: "sse" });
    await pass(FAKE_TIMING.websocketAgain);
    server.socket.connect();
    server.socket.join();
    expect(client.connection.get()).toMatchObject({ status: "live", transport: "websocket" });
    expect(room.state.get().status).toBe("live");
    expect(statuses).not.toContain("loading");
  });

  it("is not taken because the server is away", async () => {
    open().room(ROOM.id);
    server.answers.delete("POST /api/tickets");
    await pass(5000);
    expect(server.streams.length).toBe(0);
    server.answers.set("POST /api/tickets", { status: 201, body: { ticket: "t9" } });
    await pass(1000);
    server.socket.connect();
    expect(client.connection.get().transport).toBe("websocket");
  });

  it("breaks off on bytes that are not UTF-8, at the end of a stream, and in silence", async () => {
    open({ transports: ["sse"] }).room(ROOM.id);
    await pass();
    await pass();
    for (const breaks of [
      async () => (server.stream.bytes(Uint8Array.of(0xff)), pass()),
      async () => (server.stream.end(), pass()),
      () => pass(FAKE_TIMING.sseSilence + FAKE_TIMING.ping),
    ]) {
      const streams = server.streams.length;
      expect(status()).toBe("live");
      await breaks();
      await pass(FAKE_TIMING.backoffMost);
      expect(server.streams.length).toBe(streams + 1);
    }
  });

  it("hears of a leaving server and of a token's end", async () => {
    let asked = 0;
    open({ transports: ["sse"], token: () => `token-${++asked}` }).room(ROOM.id);
    await pass();
    await pass();
    server.stream.say({ type: "goodbye", reason: "leaving", reconnectAfterMs: 700 });
    await pass();
    expect(client.connection.get().retryAt).toBe(Date.now() + 700);
    await pass(700);
    await pass();
    server.stream.say({ type: "error", code: "unauthorized", message: "ended" });
    await pass();
    await pass();
    expect(asked).toBe(2);
    expect(status()).toBe("live");
  });
});

describe("a channel", () => {
  it("gives each event once, from where it was, over every reconnect", async () => {
    const channel = open().channel("job_progress", "7");
    const seen: string[] = [];
    channel.on((event) => seen.push(event.position));
    const reference = { type: "job_progress", id: "7" };
    const event = (number: number) => ({
      type: "step",
      channel: reference,
      data: 1,
      position: positionOf(number),
    });
    await pass();
    server.socket.connect();
    expect(server.socket.requests("subscribe")).toEqual([{ type: "subscribe", channel: reference }]);
    server.socket.say({ type: "subscribed", channel: reference, position: positionOf(4) });
    server.socket.say({ type: "caught-up", channel: reference, position: positionOf(4) });
    server.socket.say(event(5));
    server.socket.drop();
    await pass(100);
    server.socket.connect();
    expect(server.socket.requests("subscribe").at(-1)).toMatchObject({ position: positionOf(5) });
    for (const number of [5, 6, 6, 5, 7]) server.socket.say(event(number));
    expect(seen).toEqual([5, 6, 7].map(positionOf));
    server.socket.refuse("position_expired", reference);
    expect(channel.state.get()).toMatchObject({ status: "catching-up", error: { code: "position_expired" } });
    await pass(1000);
    expect(server.socket.requests("subscribe").at(-1)).toMatchObject({ position: "start" });
    expect(client.channel("job_progress", "7")).toBe(channel);
    channel.close();
    expect(client.channel("job_progress", "7")).not.toBe(channel);
    expect(server.socket.requests("unsubscribe").length).toBeGreaterThan(0);
  });
});
