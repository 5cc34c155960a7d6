import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { WebSocket as NodeWebSocket } from "ws";
import { Antiphon, guest } from "../src/antiphon.js";
import { Binary } from "./support/binary.js";
import { answered, essence, messagesOf, until } from "./support/check.js";
import { answerTo, Upstream } from "./support/upstream.js";

const WebSocket = NodeWebSocket as unknown as typeof globalThis.WebSocket;

let upstream: Upstream;
let server: Binary;
let token: string;
const clients: Antiphon[] = [];

beforeAll(async () => {
  upstream = await Upstream.start();
  server = await Binary.start(upstream.url);
  ({ token } = await guest(server.url));
});

afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});

afterAll(async () => {
  await server.remove();
  upstream.close();
});

function client(transport: "websocket" | "sse"): Antiphon {
  const made = new Antiphon({ url: server.url, token: () => token, transports: [transport], WebSocket });
  clients.push(made);
  return made;
}

async function newRoom() {
  const made = client("websocket");
  const { id } = await made.createRoom({ agentId: "quick", name: "a test" });
  return { room: made.room(id), late: () => client("sse").room(id) };
}

describe("a conversation with the real server", () => {
  it("has a queue with places, of which an answer can be withdrawn", async () => {
    const { room, late } = await newRoom();
    const sent = [];
    for (const content of ["Say 400", "Say 11", "Say 12"]) sent.push(await room.send(content));
    const [first, second, third] = sent;
    const { queue, active } = await until(room, (state) => state.queue.length === 2);
    expect(active?.streamId).toBe(first?.streamId);
    expect(queue).toMatchObject([
      { streamId: second?.streamId, place: 1, messageId: second?.message.id },
      { streamId: third?.streamId, place: 2, messageId: third?.message.id },
    ]);
    const joined = late();
    const there = await until(joined, (state) => state.status === "live");
    expect(there.queue).toMatchObject(
      queue.map(({ streamId, place, messageId }) => ({ streamId, place, messageId })),
    );
    await room.cancel(second?.streamId ?? "");
    await until(room, (state) => state.queue.length === 1);
    expect(room.state.get().queue).toMatchObject([{ streamId: third?.streamId, place: 1 }]);
    await room.cancel(first?.streamId ?? "");
    for (const one of [room, joined]) {
      const { messages } = await until(one, (state) => answered(state) === 3);
      const answers = messages.filter(({ role }) => role === "assistant");
      expect(answers.map(({ status }) => status)).toEqual(["cancelled", "cancelled", "completed"]);
      const onServer = await messagesOf(server.url, token, room.id);
      expect(messages.map(essence)).toEqual(onServer.map(essence));
      expect(one.state.get().queue).toEqual([]);
    }
  });

  it("is cut to what was heard, while it runs and after its end", async () => {
    const { room, late } = await newRoom();
    const statuses = [];
    for (const [content, isOver] of [
      ["Say 300", false],
      ["Say 15", true],
    ] as const) {
      await room.send(content);
      const { messages } = await until(room, (state) => {
        const text = state.messages.at(-1)?.text ?? "";
        return state.messages.at(-1)?.role === "assistant" && (isOver ? !state.active : text.length > 30);
      });
      const said = messages.at(-1);
      await room.interrupt(20);
      const { messages: cut } = await until(
        room,
        (state) => state.messages.at(-1)?.heard === 20 && !state.active,
      );
      expect(cut.at(-1)?.text).toBe(said?.text.slice(0, 20));
      expect(answerTo(content).startsWith(cut.at(-1)?.content ?? "none")).toBe(true);
      statuses.push(cut.at(-1)?.status);
    }
    expect(statuses).toEqual(["interrupted", "interrupted"]);
    const onServer = await messagesOf(server.url, token, room.id);
    expect(room.state.get().messages.map(essence)).toEqual(onServer.map(essence));
    const { messages } = await until(late(), (state) => state.status === "live");
    expect(messages.map(({ heard }) => heard)).toEqual(room.state.get().messages.map(({ heard }) => heard));
  });

  it("is held, goes on, and is asked for again", async () => {
    const { room } = await newRoom();
    const { streamId } = await room.send("Say 60");
    await until(room, (state) => state.active !== undefined);
    await room.pause(streamId ?? "");
    await until(room, (state) => state.active?.status === "paused");
    await expect(room.retry(streamId ?? "")).rejects.toMatchObject({ code: "conflict", status: 409 });
    await room.resume(streamId ?? "");
    await until(room, (state) => state.active?.status === "active");
    await room.interrupt();
    await until(room, (state) => !state.active);
    const again = await room.retry(streamId ?? "");
    expect(again.streamId).not.toBe(streamId);
    const { messages } = await until(room, (state) => answered(state) === 2);
    expect(messages.at(-1)).toMatchObject({ streamId: again.streamId, content: answerTo("Say 60") });
    expect(messages.length).toBe(3);
  });

  it("is the same for who comes while an answer is given", async () => {
    const { room, late } = await newRoom();
    await room.send("Say 250");
    const joined = [];
    for (const length of [1, 300, 900]) {
      await until(
        room,
        (state) => state.messages.length === 2 && (state.messages[1]?.content.length ?? 0) >= length,
      );
      const one = late();
      joined.push(one);
      // At whatever position, both have the same text.
      const { position, messages } = await until(one, (state) => state.messages.length === 2);
      if (position === room.state.get().position) {
        expect(messages.map(essence)).toEqual(room.state.get().messages.map(essence));
      }
      expect(answerTo("Say 250").startsWith(messages[1]?.content ?? "none")).toBe(true);
    }
    for (const one of [room, ...joined]) {
      const { messages } = await until(one, (state) => answered(state) === 1);
      expect(messages.at(-1)?.content).toBe(answerTo("Say 250"));
    }
  });

  it("never doubles a message that is sent again", async () => {
    const { room, late } = await newRoom();
    const one = await room.send("Say 3", { clientMessageId: "cm-7" });
    const again = await late().send("Say 3", { clientMessageId: "cm-7" });
    expect(again.message.id).toBe(one.message.id);
    await expect(room.send("Say 4", { clientMessageId: "cm-7" })).rejects.toMatchObject({ code: "conflict" });
    room.discard("cm-7");
    const { messages } = await until(room, (state) => answered(state) === 1);
    expect(messages.length).toBe(2);
  });
});

describe("the real server's", () => {
  it("raw channels give every event once, over either transport", async () => {
    const publish = async (from: number, to: number): Promise<void> => {
      const events = Array.from({ length: to - from }, (_, at) => ({
        type: "step",
        data: { at: from + at },
      }));
      const headers = { "x-api-key": "demo", "content-type": "application/json" };
      const path = `${server.url}/api/channels/test/steps/events`;
      const response = await fetch(path, { method: "POST", headers, body: JSON.stringify(events) });
      expect(response.status).toBe(200);
    };
    await publish(0, 50);
    for (const transport of ["websocket", "sse"] as const) {
      const channel = client(transport).channel("test", "steps", { position: "start" });
      const seen: unknown[] = [];
      const isDone = new Promise<void>((resolve) => {
        channel.on((event) => {
          seen.push((event["data"] as { at: number }).at);
          if (seen.length === 100) resolve();
        });
      });
      if (transport === "websocket") await publish(50, 100);
      await isDone;
      expect(seen).toEqual(Array.from({ length: 100 }, (_, at) => at));
    }
  });

  it("calls answer and refuse with its codes", async () => {
    const made = client("sse");
    expect((await made.agents()).map(({ id }) => id)).toContain("quick");
    expect((await made.stats()).latency.logToHub.count).toBeGreaterThan(0);
    const { id } = await made.createRoom({ agentId: "quick", name: "short" });
    expect((await made.rooms()).some((room) => room.id === id)).toBe(true);
    const room = made.room(id);
    await until(room, (state) => state.status === "live");
    await made.deleteRoom(id);
    expect(await until(room, (state) => state.status === "gone")).toMatchObject({
      error: { code: "room_not_found" },
    });
    await expect(made.createRoom({ agentId: "nobody" })).rejects.toMatchObject({
      code: "agent_not_found",
      status: 404,
    });
    const stranger = new Antiphon({
      url: server.url,
      token: "no.such.token",
      transports: ["websocket"],
      WebSocket,
    });
    clients.push(stranger);
    await expect(stranger.rooms()).rejects.toMatchObject({ code: "unauthorized" });
    const refused = stranger.room(id);
    await until(refused, (state) => state.error?.code === "unauthorized");
    expect(stranger.connection.get()).toMatchObject({ status: "closed", error: { code: "unauthorized" } });
  });
});
