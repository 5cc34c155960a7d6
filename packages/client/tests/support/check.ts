import type { Antiphon } from "../../src/antiphon.js";
import type { MessagePage, RoomEvent } from "../../src/generated.js";
import type { Room } from "../../src/room.js";
import type { Message, RoomState } from "../../src/types.js";

/** Resolves once a room's state is so; the state at the end of its patience is in the error. */
export async function until(
  room: Room,
  isSo: (state: RoomState) => boolean,
  patience = 15_000,
): Promise<RoomState> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      clearTimeout(timer);
      unsubscribe();
    };
    const look = (): void => {
      const state = room.state.get();
      if (!isSo(state)) return;
      end();
      resolve(state);
    };
    const timer = setTimeout(() => {
      end();
      reject(new Error(`the room did not come to that: ${JSON.stringify(room.state.get(), undefined, 1)}`));
    }, patience);
    const unsubscribe = room.state.subscribe(look);
    look();
  });
}

/** How many answers are over. */
export function answered(state: RoomState): number {
  return state.messages.filter(({ role, status }) => role === "assistant" && status !== "streaming").length;
}

/** What a message is, however it was learned. */
export function essence(message: Pick<Message, "id" | "content" | "text" | "markers" | "status">) {
  const { id, content, text, markers, status } = message;
  return { id, content, text, markers, status };
}

/** The messages as the server has them. */
export async function messagesOf(
  url: string,
  token: string,
  roomId: string,
): Promise<MessagePage["messages"]> {
  const headers = { authorization: `Bearer ${token}` };
  const response = await fetch(`${url}/api/ar-rooms/${roomId}/messages?limit=200`, { headers });
  return ((await response.json()) as MessagePage).messages;
}

/** Watches a room's events and finds what must not be: positions that do not grow, chunks that do not follow. */
export class Witness {
  readonly faults: string[] = [];
  readonly ends = new Map<string, number>();
  readonly #next = new Map<string, number>();
  #position = "";

  constructor(room: Room) {
    room.on((event) => this.#see(event));
  }

  #see(event: RoomEvent): void {
    if (event.position <= this.#position) this.faults.push(`${event.type} came again at ${event.position}`);
    this.#position = event.position;
    if (event.type === "ar-stream-start" || event.type === "ar-stream-reset")
      this.#next.set(event.streamId, 0);
    if (event.type === "ar-stream-end")
      this.ends.set(event.streamId, (this.ends.get(event.streamId) ?? 0) + 1);
    if (event.type !== "ar-stream-chunk") return;
    const next = this.#next.get(event.streamId) ?? event.chunkIndex;
    if (next !== event.chunkIndex) this.faults.push(`chunk ${event.chunkIndex} came where ${next} was due`);
    this.#next.set(event.streamId, event.chunkIndex + event.chunkCount);
  }
}

/** Resolves once the connection is so. */
export async function connected(client: Antiphon, isSo: (status: string) => boolean): Promise<void> {
  await new Promise<void>((resolve) => {
    const unsubscribe = client.connection.subscribe(look);
    function look(): void {
      if (!isSo(client.connection.get().status)) return;
      unsubscribe();
      resolve();
    }
    look();
  });
}
