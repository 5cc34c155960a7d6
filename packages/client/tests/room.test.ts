import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Antiphon } from "../src/antiphon.js";
import type { Message as WireMessage } from "../src/generated.js";
import type { Room } from "../src/room.js";
import type { RoomState } from "../src/types.js";
import { FAKE_TIMING, FakeServer, positionOf } from "./support/fake_server.js";
import { momentAt, ROOM, RoomModel, type Step } from "./support/room_model.js";

let server: FakeServer;
let client: Antiphon;
let room: Room;

const pass = (milliseconds = 0): Promise<unknown> => vi.advanceTimersByTimeAsync(milliseconds);

function person(number: number, content: string): WireMessage {
  const by = {
    arRoomId: ROOM.id,
    senderId: "user-1",
    role: "user",
    markers: [],
    status: "completed",
  } as const;
  return { id: `msg-${number}`, content, text: content, createdAt: "2026-01-01T00:00:00.000Z", ...by };
}

/** That a person said something, as an event. */
function said(number: number, content: string, clientMessageId?: string) {
  const message = person(number, content);
  const fields = { message, ...(clientMessageId ? { clientMessageId } : {}) };
  return { type: "message-created", ...fields, roomId: ROOM.id, timestamp: "", position: positionOf(number) };
}

function say(content: string): Step {
  return { what: content.length > 0 ? 0 : 1, which: 0, much: 0 };
}

const contents = (): string[] => room.state.get().messages.map((message) => message.content);

beforeEach(async () => {
  vi.useFakeTimers();
  server = new FakeServer();
  const given = {
    url: "http://server.test",
    token: "token-1",
    fetch: server.fetch,
    WebSocket: server.WebSocket,
  };
  client = new Antiphon(given, FAKE_TIMING);
  room = client.room(ROOM.id);
  await pass();
  server.socket.connect();
  server.socket.join();
});

afterEach(async () => {
  client.close();
  await pass(1);
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

async function reconnect(): Promise<void> {
  server.socket.drop();
  await pass(FAKE_TIMING.backoffMost);
  server.socket.connect();
  server.socket.join();
}

describe("a room", () => {
  it("is the same object as long as it is open", () => {
    expect(client.room(ROOM.id)).toBe(room);
    room.leave();
    expect(client.room(ROOM.id)).not.toBe(room);
  });

  it("reads the messages, goes on from their position, and resumes from its own", async () => {
    expect(server.socket.requests("subscribe")).toMatchObject([{ position: positionOf(1) }]);
    server.socket.say(said(2, "one"));
    server.socket.say(said(3, "two"));
    await reconnect();
    expect(server.socket.requests("subscribe")).toMatchObject([{ position: positionOf(3) }]);
    for (const number of [2, 3, 4]) server.socket.say(said(number, `number ${number}`));
    expect(contents()).toEqual(["one", "two", "number 4"]);
  });

  it("tells its listeners of each event once and in order, however often it comes", async () => {
    const seen: string[] = [];
    const end = room.on((event) => seen.push(event.position));
    for (const number of [2, 3, 2, 3]) server.socket.say(said(number, "x"));
    await reconnect();
    for (const number of [3, 4]) server.socket.say(said(number, "x"));
    end();
    server.socket.say(said(5, "x"));
    expect(seen).toEqual([2, 3, 4].map(positionOf));
  });

  it("notifies once of all that came together, and not where nothing changed", async () => {
    await pass(1);
    const states: RoomState[] = [];
    room.state.subscribe(() => states.push(room.state.get()));
    for (let number = 2; number < 102; number++) server.socket.say(said(number, "x"));
    expect(states).toEqual([]);
    await pass(1);
    expect(states.length).toBe(1);
    const [first] = room.state.get().messages;
    server.socket.say(said(102, "y"));
    await pass(1);
    expect(states.length).toBe(2);
    expect(room.state.get().messages[0]).toBe(first);
    server.socket.say(said(102, "y"));
    await pass(1);
    expect(room.state.get()).toBe(states[1]);
    expect(room.state.get()).toBe(room.state.get());
  });

  it.each(["position_expired", "position_future"])(
    "reads the messages anew after %s, without a flicker",
    async (code) => {
      server.socket.say(said(2, "kept"));
      const shown: (readonly string[])[] = [];
      room.state.subscribe(() => shown.push(contents()));
      const [kept] = room.state.get().messages;
      server.page([person(2, "kept"), person(50, "missed")], 50);
      server.socket.refuse(code);
      await pass();
      expect(server.socket.requests("subscribe").at(-1)).toMatchObject({ position: positionOf(50) });
      server.socket.join();
      server.socket.say(said(51, "next"));
      await pass(1);
      expect(contents()).toEqual(["kept", "missed", "next"]);
      expect(room.state.get().messages[0]).toBe(kept);
      expect(room.state.get()).toMatchObject({ status: "live" });
      for (const messages of shown) expect(messages[0]).toBe("kept");
    },
  );

  it("starts again where its position is another log's", async () => {
    server.socket.say(said(9, "of the former log"));
    server.page([person(3, "of this log")], 3);
    server.socket.refuse("position_foreign");
    await pass();
    server.socket.join();
    server.socket.say(said(4, "and on"));
    expect(contents()).toEqual(["of this log", "and on"]);
  });

  it("reads the messages anew where a chunk is missing", async () => {
    const steps = [say("hello"), ...Array.from({ length: 4 }, (_, at) => ({ what: 20, which: at, much: 1 }))];
    const { moments } = new RoomModel(steps);
    const last = momentAt(moments, -1);
    for (const [at, { event }] of moments.entries()) {
      const position = positionOf(at + 2);
      if (at === moments.length - 1) {
        server.page(last.page.messages, at + 2);
        server.answers.set(`GET /api/streams/${last.head?.streamId ?? ""}`, { body: last.head });
      }
      if (at !== moments.length - 3) server.socket.say({ ...event, position });
    }
    expect(room.state.get().status).toBe("catching-up");
    await pass();
    server.socket.join();
    expect(contents()).toEqual(last.page.messages.map((message) => message.content));
    expect(room.state.get()).toMatchObject({ status: "live", active: { streamId: last.head?.streamId } });
  });

  it("is gone when it is deleted, and when it is not there", async () => {
    const event = {
      type: "room-deleted",
      room: { ...ROOM, status: "deleted" },
      roomId: ROOM.id,
      timestamp: "",
    };
    server.socket.say({ ...event, position: positionOf(2) });
    expect(room.state.get()).toMatchObject({ status: "gone", error: { code: "room_not_found" } });
    await expect(room.send("hello?")).rejects.toMatchObject({ code: "room_not_found" });
    server.refuse("GET /api/ar-rooms/room-2", 404, "room_not_found");
    server.refuse("GET /api/ar-rooms/room-2/messages", 404, "room_not_found");
    const other = client.room("room-2");
    await pass();
    expect(other.state.get().status).toBe("gone");
  });

  it("is read as soon as the server can", async () => {
    server.refuse("GET /api/ar-rooms/room-2", 503, "unavailable", { "retry-after": "1" });
    server.answers.set("GET /api/ar-rooms/room-2/messages", {
      body: { messages: [], position: positionOf(1) },
    });
    const other = client.room("room-2");
    await pass(999);
    expect(other.state.get()).toMatchObject({ status: "loading", error: { code: "unavailable" } });
    server.answers.set("GET /api/ar-rooms/room-2", { body: { ...ROOM, id: "room-2" } });
    await pass(1);
    expect(server.socket.requests("subscribe").at(-1)).toMatchObject({ channel: { id: "room-2" } });
  });

  it("reads earlier messages page by page", async () => {
    const all = Array.from({ length: 120 }, (_, at) => person(at + 1, `message ${at + 1}`));
    const path = `GET /api/ar-rooms/${ROOM.id}/messages`;
    const whole = server.fetch;
    const pages = vi.fn((before: string | null) => {
      const end = before === null ? all.length : all.findIndex((message) => message.id === before);
      return all.slice(Math.max(0, end - 50), end);
    });
    const paging = (input: unknown, init?: RequestInit): Promise<Response> => {
      const url = new URL(String(input));
      if (!url.pathname.endsWith("/messages")) return whole(input, init);
      const before = url.searchParams.get("before");
      server.answers.set(path, { body: { messages: pages(before), position: positionOf(500) } });
      return whole(input, init);
    };
    const other = new Antiphon(
      { url: "http://server.test", fetch: paging, WebSocket: server.WebSocket },
      FAKE_TIMING,
    );
    const long = other.room(ROOM.id);
    await pass();
    expect(long.state.get()).toMatchObject({ hasEarlier: true });
    const latest = long.state.get().messages;
    await Promise.all([long.loadEarlier(), long.loadEarlier()]);
    expect(long.state.get().messages.length).toBe(100);
    expect(long.state.get().messages.at(-1)).toBe(latest.at(-1));
    await long.loadEarlier();
    expect(long.state.get()).toMatchObject({ hasEarlier: false });
    await long.loadEarlier();
    expect(long.state.get().messages.map((message) => message.id)).toEqual(all.map((message) => message.id));
    expect(pages.mock.calls.length).toBe(3);
    other.close();
  });
});
