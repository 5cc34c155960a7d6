import type { Marker, Message, MessagePage, Room, RoomEvent, StreamView } from "../../src/generated.js";

/** One unit of an answer: a marker, or a piece of text. The model cuts between and within them, and so needs no parser. */
type Piece = { raw: string; text: string; markers: { kind: Marker["kind"]; value: string }[] };

const PIECES: readonly Piece[] = [
  { raw: "Hello ", text: "Hello ", markers: [] },
  { raw: "wörld", text: "wörld", markers: [] },
  { raw: "😀", text: "😀", markers: [] },
  { raw: "[not:one]", text: "[not:one]", markers: [] },
  { raw: "[emotion:happy]", text: "", markers: [{ kind: "emotion", value: "happy" }] },
  {
    raw: "[gesture:wave,pose:idle]",
    text: "",
    markers: [
      { kind: "gesture", value: "wave" },
      { kind: "pose", value: "idle" },
    ],
  },
  { raw: "[tone:unheard_of]", text: "", markers: [] },
  { raw: "a [b](c) ", text: "a [b](c) ", markers: [] },
];

/** What the model knows of one answer. */
type Answer = {
  id: string;
  streamId: string;
  status: Message["status"];
  state: "queued" | "active" | "paused" | "over";
  pieces: Piece[];
  reasoning: string;
  chunks: number;
  attempt: number;
  heard: number | undefined;
  startedAt: string | undefined;
};

/** Something that may happen; what cannot just now is passed over. The numbers choose. */
export type Step = { readonly what: number; readonly which: number; readonly much: number };

/** What the server would answer just after an event. */
export type Moment = {
  readonly event: RoomEvent;
  readonly page: MessagePage;
  readonly head: StreamView | undefined;
};

export const ROOM: Room = {
  id: "room-1",
  agentId: "anna",
  userId: "user-1",
  type: "ar-conversation",
  createdBy: { id: "user-1" },
  visibility: "private",
  status: "active",
  isARConversation: true,
  createdAt: "2026-01-01T00:00:00.000Z",
};

/** One of the moments; a negative place counts from the last. */
export function momentAt(moments: readonly Moment[], place: number): Moment {
  const moment = moments.at(place);
  if (!moment) throw new Error(`there are ${moments.length} moments`);
  return moment;
}

/** What every room event has. */
type Envelope = "roomId" | "timestamp" | "position";
type Said<E> = E extends unknown ? Omit<E, Envelope> : never;

/** A room of the server's, as far as clients see it: it makes events in an order that can be, and knows what they come to. */
export class RoomModel {
  readonly moments: Moment[] = [];
  readonly #lines: (Message | Answer)[] = [];
  #number = 0;
  #ids = 0;

  constructor(steps: readonly Step[]) {
    this.#emit({ type: "room-created", room: ROOM });
    for (const step of steps) this.#take(step);
  }

  get events(): RoomEvent[] {
    return this.moments.map((moment) => moment.event);
  }

  #emit(event: Said<RoomEvent>): void {
    this.#number++;
    const position = this.#number.toString(36).padStart(40, "-");
    const timestamp = new Date(1_767_225_600_000 + this.#number).toISOString();
    const whole = { ...event, roomId: ROOM.id, timestamp, position } as RoomEvent;
    this.moments.push({ event: whole, page: this.#page(position), head: this.#head() });
  }

  #answers(): Answer[] {
    return this.#lines.filter((line): line is Answer => "pieces" in line);
  }

  #open(): Answer[] {
    return this.#answers().filter((answer) => answer.state !== "over");
  }

  #page(position: string): MessagePage {
    return { position, messages: this.#lines.map((line) => ("pieces" in line ? messageOf(line) : line)) };
  }

  #head(): StreamView | undefined {
    const head = this.#open()[0];
    if (!head || head.state === "over") return undefined;
    const { streamId, id: messageId, state: status, startedAt } = head;
    const view = { streamId, messageId, roomId: ROOM.id, agentId: "anna", userId: "user-1", connections: [] };
    return { ...view, status, startedAt: startedAt ?? null };
  }

  #take({ what, which, much }: Step): void {
    const running = this.#open().find((answer) => answer.state === "active" || answer.state === "paused");
    const over = this.#answers().filter((answer) => answer.state === "over" && answer.startedAt);
    const queued = this.#open().filter((answer) => answer.state === "queued");
    if (what <= 1) this.#say();
    else if (what === 2 && queued.length > 1) this.#end(pick(queued.slice(1), which), "cancelled");
    else if (what === 3 && over.length > 0) this.#interruptOver(pick(over, which), much);
    else if (what === 4) this.#retry(pick(this.#answers(), which));
    else if (running) this.#takeOfRunning(running, { what, which, much });
  }

  #takeOfRunning(running: Answer, { what, which, much }: Step): void {
    if (what === 5) this.#again(running, much % 2 === 0);
    else if (what === 6) this.#hold(running);
    else if (what === 7) this.#interrupt(running, much);
    else if (what === 8)
      this.#end(running, pick(["completed", "cancelled", "failed", "truncated"] as const, much));
    else if (what === 9) this.#think(running, which);
    else if (running.state === "active") this.#chunk(running, which, much);
  }

  #say(): void {
    const id = `msg-${++this.#ids}`;
    const createdAt = "2026-01-01T00:00:00.000Z";
    const content = `What is ${id}? [emotion:happy]`;
    const role = "user" as const;
    const line = {
      id,
      arRoomId: ROOM.id,
      senderId: "user-1",
      role,
      content,
      text: content,
      markers: [],
      createdAt,
    };
    const message: Message = { ...line, status: "completed" };
    const streamId = `stream-${++this.#ids}`;
    this.#lines.push(message);
    this.#emit({ type: "message-created", message, clientMessageId: `cm-${id}`, streamId });
    this.#enqueue(streamId);
  }

  #enqueue(streamId: string): void {
    const queued = this.#open().length;
    const fresh = {
      pieces: [],
      reasoning: "",
      chunks: 0,
      attempt: 0,
      heard: undefined,
      startedAt: undefined,
    };
    const answer: Answer = {
      id: `msg-${++this.#ids}`,
      streamId,
      status: "streaming",
      state: "queued",
      ...fresh,
    };
    this.#lines.push(answer);
    this.#emit({ type: "stream-queued", streamId, queued, ...(queued > 0 ? { waitingFor: "room" } : {}) });
    if (queued === 0) this.#start(answer);
  }

  #start(answer: Answer): void {
    [answer.state, answer.attempt, answer.startedAt] = ["active", 1, "2026-01-01T00:00:01.000Z"];
    const { streamId, id: messageId, startedAt } = answer;
    this.#emit({
      type: "ar-stream-start",
      streamId,
      messageId,
      agentId: "anna",
      userId: "user-1",
      startedAt,
      durable: true,
    });
  }

  #chunk(answer: Answer, which: number, much: number): void {
    const offset = lengthOf(answer);
    const pieces = [pick(PIECES, which), ...(much % 3 === 0 ? [pick(PIECES, much)] : [])];
    const added = piecesAt(pieces, offset);
    const { streamId, id: messageId, attempt, chunks: chunkIndex } = answer;
    answer.pieces.push(...pieces);
    answer.chunks++;
    const [chunk, text] = [added.content, added.text];
    const place = { streamId, messageId, attempt, chunkIndex, chunkCount: 1, isFinal: false };
    this.#emit({ type: "ar-stream-chunk", ...place, chunk, text, markers: added.markers });
  }

  #think(answer: Answer, which: number): void {
    const { streamId, id: messageId, attempt } = answer;
    answer.reasoning += `thought ${which} `;
    this.#emit({ type: "ar-stream-reasoning", streamId, messageId, attempt, text: `thought ${which} ` });
  }

  #again(answer: Answer, isFromTheStart: boolean): void {
    if (answer.state !== "active") return;
    const { streamId, id: messageId } = answer;
    const attempt = ++answer.attempt;
    const reason = "the provider broke off";
    if (isFromTheStart) {
      [answer.pieces, answer.chunks, answer.reasoning] = [[], 0, ""];
      this.#emit({ type: "ar-stream-reset", streamId, messageId, attempt, reason });
    } else this.#emit({ type: "ar-stream-attempt", streamId, attempt, reason, policy: "continue" });
  }

  #hold(answer: Answer): void {
    const { streamId } = answer;
    const isPaused = answer.state === "paused";
    answer.state = isPaused ? "active" : "paused";
    this.#emit({ type: isPaused ? "ar-stream-resume" : "ar-stream-pause", streamId, by: "user-1" });
  }

  #interrupt(answer: Answer, much: number): void {
    this.#hear(answer, much);
    this.#end(answer, "interrupted");
  }

  #hear(answer: Answer, much: number): void {
    const { streamId, attempt } = answer;
    // Some do not say how far they heard it.
    const place = much % 5 === 0 ? undefined : much % (lengthOf(answer) + 2);
    if (place !== undefined) {
      answer.pieces = heardPieces(answer.pieces, place);
      answer.heard = lengthOf(answer);
    }
    answer.status = "interrupted";
    const by = { streamId, userId: "user-1", interruptedAt: "2026-01-01T00:00:02.000Z", attempt };
    this.#emit({
      type: "ar-stream-interrupt",
      ...by,
      ...(place === undefined ? {} : { heard: { offset: place } }),
    });
  }

  #interruptOver(answer: Answer, much: number): void {
    if (answer.heard === undefined) this.#hear(answer, much);
  }

  #end(answer: Answer, outcome: "completed" | "cancelled" | "failed" | "truncated" | "interrupted"): void {
    const { streamId, id: messageId, chunks: totalChunks, heard } = answer;
    [answer.state, answer.status] = ["over", outcome];
    const error = outcome === "failed" ? { error: { code: "provider_error", message: "it failed" } } : {};
    const more = { ...error, ...(heard === undefined ? {} : { heard: { offset: heard } }) };
    this.#emit({
      type: "ar-stream-end",
      streamId,
      messageId,
      outcome,
      totalChunks,
      endedAt: "2026-01-01T00:00:03.000Z",
      ...more,
    });
    this.#moveUp();
  }

  #moveUp(): void {
    this.#open().forEach((answer, queued) => {
      if (answer.state !== "queued") return;
      this.#emit({ type: "stream-queued", streamId: answer.streamId, queued });
      if (queued === 0) this.#start(answer);
    });
  }

  #retry(answer: Answer | undefined): void {
    if (answer?.state === "over" && answer.status !== "completed") this.#enqueue(`stream-${++this.#ids}`);
  }
}

function pick<T>(list: readonly T[], which: number): T {
  return list[which % list.length] as T;
}

function piecesAt(
  pieces: readonly Piece[],
  start: number,
): { content: string; text: string; markers: Marker[] } {
  const all = { content: "", text: "", markers: [] as Marker[] };
  for (const piece of pieces) {
    all.markers.push(...piece.markers.map((marker) => ({ ...marker, offset: start + all.text.length })));
    all.content += piece.raw;
    all.text += piece.text;
  }
  return all;
}

function lengthOf(answer: Answer): number {
  return piecesAt(answer.pieces, 0).text.length;
}

/** The pieces up to there, the last one cut between two characters. */
function heardPieces(pieces: readonly Piece[], offset: number): Piece[] {
  const heard: Piece[] = [];
  let left = offset;
  for (const piece of pieces) {
    let text = "";
    for (const character of piece.text) {
      if (character.length > left) break;
      left -= character.length;
      text += character;
    }
    const isWhole = text === piece.text;
    if (!isWhole) left = 0;
    heard.push(isWhole ? piece : { raw: text, text, markers: [] });
    if (!isWhole) break;
  }
  return heard;
}

function messageOf(answer: Answer): Message {
  const { id, streamId, status, heard, reasoning } = answer;
  const by = { arRoomId: ROOM.id, senderId: "anna", role: "assistant" as const, createdAt: ROOM.createdAt };
  const thought = reasoning ? { reasoning } : {};
  const whole = { id, streamId, status, ...by, ...piecesAt(answer.pieces, 0), ...thought };
  return heard === undefined ? whole : { ...whole, heard: { offset: heard } };
}
