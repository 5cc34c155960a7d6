import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket as NodeWebSocket } from "ws";
import { Antiphon, guest } from "../src/antiphon.js";
import { Binary } from "./support/binary.js";
import { answered, connected, essence, messagesOf, until } from "./support/check.js";
import { Proxy } from "./support/proxy.js";
import { answerTo, Upstream } from "./support/upstream.js";

const WebSocket = NodeWebSocket as unknown as typeof globalThis.WebSocket;

let upstream: Upstream;
let server: Binary;
let proxy: Proxy;
let token: string;

beforeAll(async () => {
  upstream = await Upstream.start();
  server = await Binary.start(upstream.url, ["[namespaces.ar-room]", "keep = { events = 40 }"]);
  proxy = await Proxy.start(() => server.port);
  ({ token } = await guest(server.url));
});

afterAll(async () => {
  proxy.close();
  await server.remove();
  upstream.close();
});

describe.each(["websocket", "sse"] as const)(
  "a client over %s whose past the server has let go",
  (transport) => {
    it("goes on from the messages, and never shows fewer of them", async () => {
      const client = new Antiphon({ url: proxy.url, token, transports: [transport], WebSocket });
      const other = new Antiphon({ url: server.url, token, transports: ["sse"] });
      const { id } = await other.createRoom({ agentId: "quick", name: "a test" });
      const [room, there] = [client.room(id), other.room(id)];
      await room.send("Say 5");
      await until(room, (state) => answered(state) === 1);
      const [question] = room.state.get().messages;

      proxy.isDown = true;
      proxy.cutAll();
      await connected(client, (status) => status === "reconnecting");
      for (const count of [60, 70, 80]) await there.send(`Say ${count}`);
      await until(there, (state) => answered(state) === 3);
      let most = 0;
      const fewer: number[] = [];
      room.state.subscribe(() => {
        const { length } = room.state.get().messages;
        if (length < most) fewer.push(length);
        most = Math.max(most, length);
      });
      proxy.isDown = false;
      client.reconnectNow();

      const { messages } = await until(room, (state) => answered(state) === 4 && state.status === "live");
      const onServer = await messagesOf(server.url, token, id);
      expect(messages.map(essence)).toEqual(onServer.map(essence));
      expect(messages.at(-1)?.content).toBe(answerTo("Say 80"));
      expect(messages[0]).toBe(question);
      expect(fewer).toEqual([]);
      client.close();
      other.close();
    });
  },
);
