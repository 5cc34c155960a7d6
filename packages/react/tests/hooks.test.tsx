import { Antiphon, type Message, type Room } from "@antiphon/client";
import { act, cleanup, render, screen } from "@testing-library/react";
import { memo, StrictMode, type ReactNode } from "react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FAKE_TIMING, FakeServer, positionOf } from "../../client/tests/support/fake_server.js";
import { ROOM } from "../../client/tests/support/room_model.js";
import { AntiphonProvider, useAntiphon, useConnection, useRoom, useRoomSelector } from "../src/index.js";

let server: FakeServer;
let client: Antiphon;

/** Lets so much time pass, and React do what follows from it. */
const pass = (milliseconds = 2): Promise<void> =>
  act(async () => {
    await vi.advanceTimersByTimeAsync(milliseconds);
  });

/** How often the room's channel was subscribed and unsubscribed. */
const joins = (): number[] =>
  ["subscribe", "unsubscribe"].map(
    (type) => server.sockets.flatMap((socket) => socket.requests(type)).length,
  );

function say(event: object, number: number): void {
  server.socket.say({ ...event, roomId: ROOM.id, timestamp: "", position: positionOf(number) });
}

function said(number: number): object {
  const by = {
    arRoomId: ROOM.id,
    senderId: "user-1",
    role: "user",
    markers: [],
    status: "completed",
    createdAt: "",
  };
  const content = `message ${number}`;
  return { type: "message-created", message: { id: `msg-${number}`, content, text: content, ...by } };
}

const stream = { streamId: "stream-1", messageId: "msg-9", agentId: "anna", userId: "user-1", attempt: 1 };
const start = { type: "ar-stream-start", ...stream, startedAt: "", durable: true };
const chunk = (chunkIndex: number): object => ({
  ...{ type: "ar-stream-chunk", ...stream, chunk: "word ", text: "word ", markers: [] },
  ...{ chunkIndex, chunkCount: 1, isFinal: false },
});

beforeEach(() => {
  vi.useFakeTimers();
  server = new FakeServer();
  const given = { url: "http://server.test", fetch: server.fetch, WebSocket: server.WebSocket };
  client = new Antiphon(given, FAKE_TIMING);
});

afterEach(async () => {
  cleanup();
  client.close();
  await vi.advanceTimersByTimeAsync(1000);
  vi.useRealTimers();
});

function show(children: ReactNode, isStrict = false) {
  const whole = <AntiphonProvider client={client}>{children}</AntiphonProvider>;
  return render(isStrict ? <StrictMode>{whole}</StrictMode> : whole);
}

async function connect(): Promise<void> {
  await pass();
  act(() => {
    server.socket.connect();
    server.socket.join();
  });
  await pass();
}

function Conversation({ id }: { id: string | undefined }): ReactNode {
  const { state } = useRoom(id);
  return (
    <p>{state ? `${state.status}: ${state.messages.map((message) => message.text).join(", ")}` : "none"}</p>
  );
}

describe("useRoom", () => {
  it("joins once in StrictMode, and leaves after the last component is gone", async () => {
    const { unmount } = show(<Conversation id={ROOM.id} />, true);
    await connect();
    act(() => say(said(2), 2));
    await pass();
    expect(screen.getByText("live: message 2")).toBeDefined();
    expect(joins()).toEqual([1, 0]);
    unmount();
    await pass(100);
    expect(joins()).toEqual([1, 0]);
    await pass(1000);
    expect(joins()).toEqual([1, 1]);
  });

  it("shares a room between components, and keeps it over a change of page", async () => {
    const { rerender } = show([<Conversation key="1" id={ROOM.id} />, <Conversation key="2" id={ROOM.id} />]);
    await connect();
    const of = (children: ReactNode): ReactNode => (
      <AntiphonProvider client={client}>{children}</AntiphonProvider>
    );
    rerender(of(<Conversation key="2" id={ROOM.id} />));
    await pass(1000);
    expect(joins()).toEqual([1, 0]);
    rerender(of(<p>another page</p>));
    await pass(100);
    rerender(of(<Conversation key="3" id={ROOM.id} />));
    await pass(1000);
    expect(joins()).toEqual([1, 0]);
    expect(screen.getByText("live:")).toBeDefined();
  });

  it("goes with the id, and is nothing without one", async () => {
    for (const path of [`/api/ar-rooms/room-2`, `/api/ar-rooms/room-2/messages`]) {
      const body = path.endsWith("s") ? { messages: [], position: positionOf(1) } : { ...ROOM, id: "room-2" };
      server.answers.set(`GET ${path}`, { body });
    }
    const { rerender } = show(<Conversation id={undefined} />);
    expect(screen.getByText("none")).toBeDefined();
    expect(server.calls).toEqual([]);
    const of = (id: string): ReactNode => (
      <AntiphonProvider client={client}>
        <Conversation id={id} />
      </AntiphonProvider>
    );
    rerender(of(ROOM.id));
    await connect();
    rerender(of("room-2"));
    await pass(1000);
    const channels = server.socket.requests("subscribe").map(({ channel }) => (channel as { id: string }).id);
    expect(channels).toEqual([ROOM.id, "room-2"]);
    expect(server.socket.requests("unsubscribe").length).toBe(1);
  });

  it("renders nothing again that did not change", async () => {
    const renders = new Map<string, number>();
    const count = (name: string): void => void renders.set(name, (renders.get(name) ?? 0) + 1);
    const Line = memo(function Line({ message }: { message: Message }): ReactNode {
      count(message.id);
      return <li>{message.text}</li>;
    });
    function List(): ReactNode {
      const { state, room } = useRoom(ROOM.id);
      return (
        <>
          <ul>
            {state?.messages.map((message) => (
              <Line key={message.id} message={message} />
            ))}
          </ul>
          <Queue room={room} />
        </>
      );
    }
    const Queue = memo(function Queue({ room }: { room: Room | undefined }): ReactNode {
      const waiting = useRoomSelector(room, (state) => state.queue.length);
      count("queue");
      return <p>{waiting} waiting</p>;
    });
    show(<List />);
    await connect();
    act(() => {
      say(said(2), 2);
      say(said(3), 3);
      say(start, 4);
    });
    await pass();
    const before = new Map(renders);
    for (let index = 0; index < 100; index++) {
      act(() => say(chunk(index), 10 + index));
      await pass(10);
    }
    expect(screen.getByText(/^(word ?){100}$/)).toBeDefined();
    const more = (name: string): number => (renders.get(name) ?? 0) - (before.get(name) ?? 0);
    expect(["msg-2", "msg-3", "queue"].map(more)).toEqual([0, 0, 0]);
    expect(more("msg-9")).toBe(100);
  });
});

describe("the other hooks", () => {
  it("useRoomSelector takes an equality, and follows another selector", async () => {
    let renders = 0;
    function Ids({ upTo }: { upTo: number }): ReactNode {
      const { room } = useRoom(ROOM.id);
      const ids = useRoomSelector(
        room,
        (state) => state.messages.slice(0, upTo).map((message) => message.id),
        (one, other) => one.join() === other.join(),
      );
      return <Shown ids={ids ?? []} />;
    }
    const Shown = memo(function Shown({ ids }: { ids: string[] }): ReactNode {
      renders++;
      return <p>ids {ids.join()}</p>;
    });
    const of = (upTo: number): ReactNode => (
      <AntiphonProvider client={client}>
        <Ids upTo={upTo} />
      </AntiphonProvider>
    );
    const { rerender } = render(of(1));
    await connect();
    act(() => say(said(2), 2));
    await pass();
    const before = renders;
    act(() => say(said(3), 3));
    await pass();
    expect(screen.getByText("ids msg-2")).toBeDefined();
    expect(renders).toBe(before);
    rerender(of(2));
    expect(screen.getByText("ids msg-2,msg-3")).toBeDefined();
  });

  it("useConnection connects and tells how it stands", async () => {
    function Status(): ReactNode {
      return <p>{useConnection().status}</p>;
    }
    show(<Status />);
    expect(screen.getByText("connecting")).toBeDefined();
    await pass();
    act(() => server.socket.connect());
    await pass();
    expect(screen.getByText("live")).toBeDefined();
  });

  it("useAntiphon says what it needs", () => {
    function Alone(): ReactNode {
      useAntiphon();
      return null;
    }
    const silent = vi.spyOn(console, "error").mockImplementation(() => undefined);
    expect(() => render(<Alone />)).toThrow("AntiphonProvider");
    silent.mockRestore();
  });
});
