import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { apply, EMPTY, type Fold } from "../src/fold/fold.js";
import { fromPage, headOf, type Read } from "../src/fold/page.js";
import { present } from "../src/fold/present.js";
import type { ArStreamChunkEvent, MessagePage, RoomEvent } from "../src/generated.js";
import type { Message } from "../src/types.js";
import { momentAt, ROOM, RoomModel, type Moment, type Step } from "./support/room_model.js";

const SEEDED = { seed: 20_260_101, numRuns: 100 };

const step: fc.Arbitrary<Step> = fc.record({
  what: fc.integer({ min: 0, max: 20 }),
  which: fc.nat(1000),
  much: fc.nat(1000),
});
const steps = fc.array(step, { minLength: 1, maxLength: 100, size: "max" });

function foldAll(events: readonly RoomEvent[], from: Fold = EMPTY): Fold {
  return events.reduce(apply, from);
}

/** What both the server's messages and the client's have. */
function shared(message: Message) {
  const { id, role, senderId, content, text, markers, status, streamId, heard, reasoning } = message;
  return { id, role, senderId, content, text, markers, status, streamId, heard, reasoning };
}

function shown(fold: Fold) {
  const { messages, queue, active } = present(fold, [], undefined);
  const { status, streamId } = active ?? {};
  return {
    messages: messages.map(shared),
    queue: queue.map(({ streamId: queued, place }) => ({ queued, place })),
    active: { status, streamId },
  };
}

/** The server's messages, without the answers that have not begun. */
function onServer({ page, head }: Moment) {
  const isWaiting = (wire: MessagePage["messages"][number]) =>
    wire.status === "streaming" && (wire.streamId !== head?.streamId || head?.status === "queued");
  return page.messages
    .filter((wire) => !isWaiting(wire))
    .map(({ heard, ...wire }) => shared({ ...wire, heard: heard?.offset } as Message));
}

/** What a client reads at that moment. */
function readAt({ page, head }: Moment): Read {
  const streamId = headOf(page);
  const view = head && streamId ? { ...head, streamId } : undefined;
  // Between an interrupt and its end the next one waits.
  return {
    info: ROOM,
    page,
    head: view && streamId !== head?.streamId ? { ...view, status: "queued" } : view,
  };
}

/** Joins neighbouring chunks as the server does for slow readers. */
function merge(events: readonly RoomEvent[], joins: (at: number) => boolean): RoomEvent[] {
  const merged: RoomEvent[] = [];
  for (const [at, event] of events.entries()) {
    const last = merged.at(-1);
    const areChunks = event.type === "ar-stream-chunk" && last?.type === "ar-stream-chunk";
    if (areChunks && last.streamId === event.streamId && joins(at))
      merged[merged.length - 1] = joined(last, event);
    else merged.push(event);
  }
  return merged;
}

function joined(one: ArStreamChunkEvent, other: ArStreamChunkEvent): ArStreamChunkEvent {
  const [chunk, text] = [one.chunk + other.chunk, one.text + other.text];
  const markers = [...one.markers, ...other.markers];
  const { chunkIndex } = one;
  return { ...other, chunk, text, markers, chunkIndex, chunkCount: one.chunkCount + other.chunkCount };
}

describe("the fold of a room's events", () => {
  it("comes to the messages that the server has, after every event", () => {
    fc.assert(
      fc.property(steps, (taken) => {
        const { moments } = new RoomModel(taken);
        let fold = EMPTY;
        for (const moment of moments) {
          fold = apply(fold, moment.event);
          expect(shown(fold).messages).toEqual(onServer(moment));
          expect(fold.hasGap).toBe(false);
        }
      }),
      SEEDED,
    );
  });

  it("is the same whichever chunks are merged", () => {
    fc.assert(
      fc.property(steps, fc.nat(), (taken, seed) => {
        const { events } = new RoomModel(taken);
        const merged = merge(events, (at) => (at * 7 + seed) % 3 > 0);
        expect(present(foldAll(merged), [], undefined)).toEqual(present(foldAll(events), [], undefined));
      }),
      SEEDED,
    );
  });

  it("is the same however often connections break, resume and repeat", () => {
    fc.assert(
      fc.property(steps, fc.array(fc.tuple(fc.nat(), fc.nat())), fc.nat(), (taken, cuts, seed) => {
        const { events } = new RoomModel(taken);
        let fold = EMPTY;
        for (const [from, length] of [...cuts, [0, events.length]] as [number, number][]) {
          // A connection delivers from anywhere that is not after what is folded, some of it merged.
          const known = events.findIndex((event) => event.position > (fold.position ?? ""));
          const start = Math.min(from % (events.length + 1), known < 0 ? events.length : known);
          const delivered = events.slice(start, start + (length % (events.length + 1)));
          const unknown = delivered.filter((event) => event.position > (fold.position ?? ""));
          const seen = delivered.slice(0, delivered.length - unknown.length);
          fold = foldAll([...seen, ...merge(unknown, (at) => (at * 7 + seed) % 3 > 0)], fold);
        }
        expect(present(fold, [], undefined)).toEqual(present(foldAll(events), [], undefined));
        expect(fold.position).toBe(events.at(-1)?.position);
      }),
      SEEDED,
    );
  });

  it("is the same for who comes late, and for who had to read the messages anew", () => {
    fc.assert(
      fc.property(steps, fc.nat(), fc.nat(), fc.boolean(), (taken, late, lost, keeps) => {
        const { moments, events } = new RoomModel(taken);
        const at = late % moments.length;
        const moment = momentAt(moments, at);
        const read = readAt(moment);
        const rest = events.slice(at + 1);
        const whole = shown(foldAll(events));
        expect(shown(foldAll(rest, fromPage(read)))).toEqual(whole);
        const former = foldAll(events.slice(0, lost % (at + 1)));
        expect(shown(foldAll(rest, fromPage(read, former, keeps)))).toEqual(whole);
      }),
      SEEDED,
    );
  });

  it("keeps what a page does not hold when the page meets it", () => {
    const turn = [0, 20, 8].map((what) => ({ what, which: 0, much: 4 }));
    const { moments, events } = new RoomModel(Array.from({ length: 10 }, () => turn).flat());
    const { page, head } = momentAt(moments, -1);
    const former = foldAll(events);
    const latest = { ...page, messages: page.messages.slice(-4) };
    const again = fromPage({ info: ROOM, page: latest, head }, former, true);
    expect(shown(again).messages).toEqual(shown(former).messages);
    expect(shown(fromPage({ info: ROOM, page: latest, head }, former, false)).messages.length).toBeLessThan(
      5,
    );
  });

  it("keeps the identity of every message that an event does not change", () => {
    fc.assert(
      fc.property(steps, (taken) => {
        const { events } = new RoomModel(taken);
        let fold = EMPTY;
        let before = present(fold, [], undefined);
        for (const event of events) {
          fold = apply(fold, event);
          const after = present(fold, [], before);
          const known = new Set(before.messages);
          const changed = after.messages.filter((message) => !known.has(message));
          expect(changed.length).toBeLessThanOrEqual(1);
          if (changed.length === 0) expect(after.messages).toBe(before.messages);
          before = after;
        }
        expect(present(fold, [], before)).toEqual(before);
      }),
      SEEDED,
    );
  });

  it("passes over types and fields that it does not know", () => {
    const { events, moments } = new RoomModel([
      { what: 0, which: 0, much: 0 },
      { what: 20, which: 0, much: 0 },
    ]);
    const last = momentAt(moments, -1).event;
    const unknown = {
      type: "ar-stream-hologram",
      position: `${last.position}-`,
      streamId: 7,
    } as unknown as RoomEvent;
    const withMore = events.map((event) => ({ ...event, shade: "blue" }));
    const fold = foldAll([...withMore, unknown]);
    expect(shown(fold)).toEqual(shown(foldAll(events)));
    expect(fold.position).toBe(unknown.position);
  });

  it("tells that a chunk is missing", () => {
    const taken = Array.from({ length: 5 }, (_, at) => ({ what: at === 0 ? 0 : 20, which: at, much: 1 }));
    const { events } = new RoomModel(taken);
    const chunk = events.findIndex((event) => event.type === "ar-stream-chunk");
    expect(foldAll(events.filter((_, at) => at !== chunk)).hasGap).toBe(true);
    expect(foldAll(events).hasGap).toBe(false);
  });
});

describe("an answer's details", () => {
  const start = new RoomModel([{ what: 0, which: 0, much: 0 }]).events;
  const answer = start.at(-1) as RoomEvent & { streamId: string; messageId: string };
  const envelope = { roomId: ROOM.id, timestamp: "2026-01-01T00:00:04.000Z" };
  const { streamId, messageId } = answer;
  const after = (n: number) => ({ ...envelope, position: `${answer.position}${n}` });

  it("has its reasoning until a reset, and the sources that its end names", () => {
    const thinking = { type: "ar-stream-reasoning", streamId, messageId, attempt: 1, text: "Hm. " } as const;
    const reset = { type: "ar-stream-reset", streamId, messageId, attempt: 2, reason: "again" } as const;
    const end = {
      type: "ar-stream-end",
      streamId,
      messageId,
      outcome: "completed",
      totalChunks: 0,
      endedAt: "",
    } as const;
    const citations = [{ url: "https://example.org", title: "Example" }];
    const thought = foldAll([...start, { ...thinking, ...after(1) }]);
    expect(thought.turns.at(-1)?.message?.reasoning).toBe("Hm. ");
    const anew = foldAll(
      [
        { ...reset, ...after(2) },
        { ...thinking, attempt: 2, text: "Ah.", ...after(3) },
      ],
      thought,
    );
    expect(anew.turns.at(-1)?.message?.reasoning).toBe("Ah.");
    const ended = apply(anew, { ...end, ...after(4), citations });
    expect(ended.turns.at(-1)?.message).toMatchObject({ reasoning: "Ah.", citations, status: "completed" });
  });

  it("says why it is tried again until text comes", () => {
    const again = {
      type: "ar-stream-attempt",
      streamId,
      attempt: 2,
      reason: "cut off",
      policy: "continue",
    } as const;
    const fold = apply(foldAll(start), { ...again, ...after(1) });
    expect(present(fold, [], undefined).active).toMatchObject({ attempt: 2, notice: "cut off" });
    const piece = { chunk: "a", text: "a", markers: [], chunkIndex: 0, chunkCount: 1, isFinal: false };
    const chunk = {
      type: "ar-stream-chunk",
      streamId,
      messageId,
      attempt: 2,
      ...piece,
      ...after(2),
    } as const;
    expect(present(apply(fold, chunk), [], undefined).active).not.toHaveProperty("notice");
  });
});
