import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { WebSocket as NodeWebSocket } from "ws";
import { Antiphon, guest } from "../src/antiphon.js";
import type { Timing } from "../src/timing.js";
import { Binary } from "./support/binary.js";
import { answered, connected, essence, messagesOf, until, Witness } from "./support/check.js";
import { FAULTLESS, Proxy } from "./support/proxy.js";
import { seeded } from "./support/seeded.js";
import { answerTo, Upstream } from "./support/upstream.js";

/** As in earnest, in less time. */
const QUICK: Timing = {
  backoffLeast: 10,
  backoffMost: 100,
  answer: 1_500,
  ping: 150,
  silence: 300,
  sseSilence: 20_000,
  websocketAgain: 1_000,
};

const SEED = Number(process.env["ANTIPHON_SEED"] ?? 20_260_102);
const WebSocket = NodeWebSocket as unknown as typeof globalThis.WebSocket;

let upstream: Upstream;
let server: Binary;
let proxy: Proxy;
let token: string;
const clients: Antiphon[] = [];

beforeAll(async () => {
  upstream = await Upstream.start();
  server = await Binary.start(upstream.url);
  proxy = await Proxy.start(() => server.port);
  ({ token } = await guest(server.url));
});

afterEach(() => {
  proxy.faults = FAULTLESS;
  for (const client of clients.splice(0)) client.close();
});

afterAll(async () => {
  proxy.close();
  await server.remove();
  upstream.close();
});

function client(transport: "websocket" | "sse", url = proxy.url): Antiphon {
  const made = new Antiphon({ url, token, transports: [transport], WebSocket }, QUICK);
  clients.push(made);
  return made;
}

/** A client in a new room, and who watches it. */
async function newRoom(transport: "websocket" | "sse") {
  const made = client(transport);
  const { id } = await client("sse", server.url).createRoom({ agentId: "quick", name: "a test" });
  const room = made.room(id);
  return { client: made, room, witness: new Witness(room) };
}

/** The room shows what the server has, nothing was lost or came twice, and each answer ended once. */
async function expectWhole(
  { room, witness }: Awaited<ReturnType<typeof newRoom>>,
  answers: number,
): Promise<void> {
  const { messages } = await until(room, (state) => answered(state) === answers && state.status === "live");
  const onServer = await messagesOf(server.url, token, room.id);
  expect(messages.map(essence)).toEqual(onServer.map(essence));
  expect(witness.faults).toEqual([]);
  expect([...witness.ends.values()].every((count) => count === 1)).toBe(true);
  expect(messages.filter((message) => message.role === "user").length).toBe(answers);
}

describe.each(["websocket", "sse"] as const)("over %s, against the real server", (transport) => {
  it("says, hears, and has what the server has", async () => {
    const it_ = await newRoom(transport);
    const accepted = await it_.room.send("Say 40");
    expect(accepted).toMatchObject({ queued: 0, message: { content: "Say 40" } });
    await expectWhole(it_, 1);
    const answer = it_.room.state.get().messages.at(-1);
    expect(answer?.content).toBe(answerTo("Say 40"));
    expect(answer?.text).not.toContain("[emotion:happy]");
    expect(it_.client.connection.get()).toMatchObject({ status: "live", transport });
  });

  it("loses and doubles nothing while connections are cut", async () => {
    const it_ = await newRoom(transport);
    const random = seeded(SEED);
    await until(it_.room, (state) => state.status === "live");
    proxy.faults = { ...FAULTLESS, cuts: () => random() < 0.05 };
    const before = proxy.cuts;
    const sent = [120, 60, 90].map((count) => it_.room.send(`Say ${count}`));
    await until(it_.room, (state) => answered(state) === 3);
    proxy.faults = FAULTLESS;
    await Promise.all(sent);
    await expectWhole(it_, 3);
    const answers = it_.room.state.get().messages.filter((message) => message.role === "assistant");
    expect(answers.map((message) => message.content)).toEqual(
      [120, 60, 90].map((count) => answerTo(`${count}`)),
    );
    expect(proxy.cuts - before, `seed ${SEED}`).toBeGreaterThan(5);
  });

  it("takes what is corrupted or late for broken, and resumes", async () => {
    const it_ = await newRoom(transport);
    const random = seeded(SEED + 1);
    await until(it_.room, (state) => state.status === "live");
    const flips = () => random() < 0.06;
    proxy.faults = {
      cuts: () => false,
      delay: () => 1 + random() * 8,
      flips,
      place: (length) => Math.floor(random() * length),
    };
    const before = proxy.flipped;
    const sent = [200, 120].map((count) => it_.room.send(`Say ${count}`));
    await until(it_.room, (state) => answered(state) === 2, 25_000);
    await Promise.all(sent);
    proxy.faults = FAULTLESS;
    await expectWhole(it_, 2);
    const answers = it_.room.state.get().messages.filter((message) => message.role === "assistant");
    expect(answers.map((message) => message.content)).toEqual(
      [200, 120].map((count) => answerTo(`${count}`)),
    );
    expect(proxy.flipped - before, `seed ${SEED + 1}`).toBeGreaterThan(2);
  });

  it("comes through kill -9 and restarts of the server", async () => {
    const it_ = await newRoom(transport);
    await it_.room.send("Say 150");
    const queued = it_.room.send("Say 30");
    for (const length of [100, 200]) {
      await until(it_.room, (state) => (state.active?.attempt ?? 0) > 0 && textOf(state) > length);
      await server.stop("SIGKILL");
      await connected(it_.client, (status) => status === "reconnecting");
      await server.run();
    }
    const late = it_.room.send("Say 10");
    await Promise.all([queued, late]);
    await expectWhole(it_, 3);
  });

  it("comes back to a server that left and was started again", async () => {
    const it_ = await newRoom(transport);
    await it_.room.send("Say 100");
    await until(it_.room, (state) => textOf(state) > 50);
    await server.stop("SIGTERM");
    await server.run();
    await expectWhole(it_, 1);
  });

  function textOf(state: Parameters<Parameters<typeof until>[1]>[0]): number {
    return state.messages.at(state.active ? -1 : 0)?.content.length ?? 0;
  }
});
