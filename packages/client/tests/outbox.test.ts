import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Antiphon } from "../src/antiphon.js";
import type { AntiphonError } from "../src/error.js";
import type { Accepted, Message } from "../src/generated.js";
import type { Room } from "../src/room.js";
import { FAKE_TIMING, FakeServer, positionOf } from "./support/fake_server.js";
import { ROOM } from "./support/room_model.js";

let server: FakeServer;
let client: Antiphon;
let room: Room;

const pass = (milliseconds = 0): Promise<unknown> => vi.advanceTimersByTimeAsync(milliseconds);
const shown = () => room.state.get().messages.map(({ content, status }) => `${content}: ${status}`);

function accepted(content: string): Accepted {
  const by = {
    arRoomId: ROOM.id,
    senderId: "user-1",
    role: "user",
    markers: [],
    status: "completed",
  } as const;
  const message: Message = {
    id: `msg-${content}`,
    content,
    text: content,
    createdAt: "2026-01-01T00:00:00Z",
    ...by,
  };
  return { message, streamId: `stream-${content}`, queued: 0 };
}

/** Answers the latest message over the socket. */
function accept(): void {
  const { content, requestId } = server.socket.requests("ar-message").at(-1) ?? {};
  server.socket.say({ type: "accepted", requestId, ...accepted(String(content)) });
}

function refuse(code: string): void {
  const { requestId } = server.socket.requests("ar-message").at(-1) ?? {};
  server.socket.say({ type: "error", requestId, code, message: code });
}

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
  vi.useRealTimers();
});

describe("a message that is sent", () => {
  it("shows at once, then as the server has it, and once only whatever comes first", async () => {
    const sent = room.send("one", { clientMessageId: "cm-1" });
    expect(shown()).toEqual(["one: sending"]);
    await pass();
    const { message } = accepted("one");
    const event = {
      type: "message-created",
      message,
      clientMessageId: "cm-1",
      roomId: ROOM.id,
      timestamp: "",
    };
    server.socket.say({ ...event, position: positionOf(2) });
    expect(shown()).toEqual(["one: completed"]);
    accept();
    expect((await sent).streamId).toBe("stream-one");
    expect(shown()).toEqual(["one: completed"]);
    const second = room.send("two", { clientMessageId: "cm-2" });
    await pass();
    accept();
    await second;
    expect(shown()).toEqual(["one: completed", "two: completed"]);
    const later = { ...event, message: accepted("two").message, clientMessageId: "cm-2" };
    server.socket.say({ ...later, position: positionOf(3) });
    expect(shown()).toEqual(["one: completed", "two: completed"]);
    expect(room.state.get().messages.map((one) => one.clientMessageId)).toEqual(["cm-1", "cm-2"]);
  });

  it("keeps its own id where only the server's messages tell of it", async () => {
    const sent = room.send("one", { clientMessageId: "cm-1" });
    await pass();
    server.page([accepted("one").message], 5);
    server.socket.refuse("position_expired");
    await pass();
    accept();
    await sent;
    expect(room.state.get().messages).toMatchObject([{ id: "msg-one", clientMessageId: "cm-1" }]);
    expect(room.state.get().messages.length).toBe(1);
  });

  it("is sent again with the same id after every break, in order", async () => {
    const sent = [room.send("one"), room.send("two")];
    await pass();
    const ids = new Set<unknown>();
    for (let breaks = 0; breaks < 3; breaks++) {
      const [message, ...more] = server.socket.requests("ar-message");
      expect([message?.["content"], more.length]).toEqual(["one", 0]);
      ids.add(message?.["clientMessageId"]);
      server.socket.drop();
      await pass(FAKE_TIMING.backoffMost);
      server.socket.connect();
      await pass(FAKE_TIMING.backoffMost);
    }
    expect(ids.size).toBe(1);
    accept();
    await pass();
    accept();
    expect((await Promise.all(sent)).map((one) => one.message.content)).toEqual(["one", "two"]);
  });

  it("is sent again where no answer comes, and where the server is not able just now", async () => {
    const sent = room.send("one");
    await pass();
    refuse("unavailable");
    await pass(FAKE_TIMING.backoffMost);
    expect(server.socket.requests("ar-message").length).toBe(2);
    server.socket.onmessage = () => undefined;
    await pass(FAKE_TIMING.answer);
    await pass(FAKE_TIMING.backoffMost);
    server.socket.connect();
    await pass(FAKE_TIMING.backoffMost);
    accept();
    await expect(sent).resolves.toMatchObject({ queued: 0 });
  });

  it("stays unsent when it is refused, until it is sent again or discarded", async () => {
    const sent = room.send("one", { clientMessageId: "cm-1" });
    await pass();
    refuse("rate_limited");
    await expect(sent).rejects.toMatchObject({ code: "rate_limited" });
    expect(shown()).toEqual(["one: unsent"]);
    expect(room.state.get().messages[0]?.error?.code).toBe("rate_limited");
    const again = room.resend("cm-1");
    await pass();
    expect(server.socket.requests("ar-message").at(-1)).toMatchObject({ clientMessageId: "cm-1" });
    accept();
    await again;
    expect(shown()).toEqual(["one: completed"]);
    const other = room.send("two", { clientMessageId: "cm-2" });
    await pass();
    refuse("queue_full");
    await expect(other).rejects.toMatchObject({ code: "queue_full" });
    room.discard("cm-2");
    expect(shown()).toEqual(["one: completed"]);
    await expect(room.resend("cm-2")).rejects.toMatchObject({ code: "conflict" });
  });

  it("goes by HTTP where there is no socket", async () => {
    server.answers.set(`POST /api/ar-rooms/${ROOM.id}/messages`, (body) => ({
      status: 202,
      body: accepted((body as { content: string }).content),
    }));
    const given = { url: "http://server.test", fetch: server.fetch, transports: ["sse"] as const };
    const plain = new Antiphon(given, FAKE_TIMING);
    const sent = plain.room(ROOM.id).send("one");
    await pass();
    await pass();
    await expect(sent).resolves.toMatchObject({ streamId: "stream-one" });
    plain.close();
  });

  it("is refused here where it is too large, or too many wait", async () => {
    await expect(room.send("x".repeat(1 << 20))).rejects.toMatchObject({ code: "payload_too_large" });
    const sent = Array.from({ length: 65 }, (_, at) => room.send(`message ${at}`));
    const codes = sent.map((one) => one.then(String, (error: unknown) => (error as AntiphonError).code));
    await expect(codes.at(-1)).resolves.toBe("outbox_full");
    room.leave();
    expect(new Set(await Promise.all(codes))).toEqual(new Set(["closed", "outbox_full"]));
  });
});

describe("an interrupt", () => {
  const start = {
    streamId: "stream-1",
    messageId: "msg-1",
    agentId: "anna",
    userId: "user-1",
    durable: true,
  };
  const envelope = { roomId: ROOM.id, timestamp: "" };

  it("says what was heard of the running answer and of which attempt, again until it is answered", async () => {
    server.socket.say({
      type: "ar-stream-start",
      ...start,
      startedAt: "",
      ...envelope,
      position: positionOf(2),
    });
    const done = room.interrupt(7);
    const asked = { type: "interrupt-stream", streamId: "stream-1", heard: { offset: 7 }, attempt: 1 };
    expect(server.socket.requests("interrupt-stream")).toMatchObject([asked]);
    server.socket.drop();
    await pass(FAKE_TIMING.backoffLeast);
    server.socket.connect();
    await pass(FAKE_TIMING.backoffMost);
    const [again] = server.socket.requests("interrupt-stream");
    expect(again).toMatchObject(asked);
    server.socket.say({ type: "ok", requestId: again?.["requestId"] });
    await done;
  });

  it("is for the last answer that was spoken when none runs, and for none where there is none", async () => {
    await room.interrupt(3);
    const by = {
      arRoomId: ROOM.id,
      senderId: "anna",
      role: "assistant",
      markers: [],
      createdAt: "",
    } as const;
    const answer: Message = {
      id: "msg-2",
      streamId: "stream-2",
      content: "Yes",
      text: "Yes",
      status: "completed",
      ...by,
    };
    server.page([answer], 9);
    server.socket.refuse("position_expired");
    await pass();
    void room.interrupt(1).catch(() => undefined);
    expect(server.socket.requests("interrupt-stream")).toMatchObject([
      { streamId: "stream-2", heard: { offset: 1 } },
    ]);
  });
});
