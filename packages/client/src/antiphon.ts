import { Channel } from "./channel.js";
import { Connection } from "./connection.js";
import type { Guest, RealtimeStats } from "./generated.js";
import { Rest, type TokenSource } from "./rest.js";
import { Room } from "./room.js";
import { nameOf } from "./link.js";
import type { Store } from "./store.js";
import { TIMING, type Timing } from "./timing.js";
import type { Agent, ConnectionState, RoomInfo, TransportName } from "./types.js";

/** Where the server is and who asks. */
export interface AntiphonOptions {
  /** The server's address, such as `location.origin`. */
  readonly url: string | URL;
  /** A JSON Web Token; a function is asked again when one has ended. */
  readonly token?: TokenSource;
  /** The ways that may be used; both where nothing is said: WebSocket, and SSE where that is blocked. */
  readonly transports?: readonly TransportName[];
  /** Another `fetch` than the global one. */
  readonly fetch?: typeof fetch;
  /** Another `WebSocket` than the global one. Without either, as in Node.js 20, SSE is used. */
  readonly WebSocket?: typeof WebSocket;
}

/**
 * A client of one server, for one user. It connects when the first room or channel is opened, or when somebody begins
 * to watch `connection`, and stays connected until `close`.
 */
export class Antiphon {
  /** How it stands with the server. */
  readonly connection: Store<ConnectionState>;
  readonly #connection: Connection;
  readonly #rest: Rest;
  readonly #timing: Timing;
  readonly #rooms = new Map<string, Room>();
  readonly #channels = new Map<string, Channel>();

  /** `timing` is for tests. */
  constructor(options: AntiphonOptions, timing: Timing = TIMING) {
    this.#timing = timing;
    this.#rest = new Rest(new URL(options.url), options.token, options.fetch ?? fetch, timing);
    const ways = {
      transports: options.transports ?? (["websocket", "sse"] as const),
      WebSocket: options.WebSocket ?? globalThis.WebSocket,
    };
    this.#connection = new Connection(this.#rest, ways, timing);
    this.connection = this.#connection.state;
  }

  /** Everyone who answers. */
  agents(): Promise<Agent[]> {
    return this.#rest.agents().then((agents) => [...agents]);
  }

  /** The user's rooms, newest first. */
  rooms(): Promise<RoomInfo[]> {
    return this.#rest.rooms().then((rooms) => [...rooms]);
  }

  /** Makes a room in which that agent answers. */
  createRoom(room: { agentId: string; name?: string }): Promise<RoomInfo> {
    return this.#rest.createRoom(room);
  }

  /** Deletes a room for good. */
  deleteRoom(id: string): Promise<void> {
    return this.#rest.deleteRoom(id);
  }

  /** Opens a room; the same object as long as it is open. */
  room(id: string): Room {
    const open = this.#rooms.get(id);
    if (open) return open;
    const parts = { rest: this.#rest, connection: this.#connection, timing: this.#timing };
    const room = new Room(id, parts, () => this.#rooms.delete(id));
    this.#rooms.set(id, room);
    return room;
  }

  /**
   * Follows the raw events of any channel that is not an open room: after `position`, from `start`, or from now on
   * where nothing is said. The same object as long as it is open.
   */
  channel(type: string, id: string, options: { position?: string } = {}): Channel {
    const name = nameOf({ type, id });
    const open = this.#channels.get(name);
    if (open) return open;
    const parts = { connection: this.#connection, timing: this.#timing };
    const channel = new Channel({ type, id }, options.position, parts, () => this.#channels.delete(name));
    this.#channels.set(name, channel);
    return channel;
  }

  /** Live delivery in numbers: how long an event takes from hop to hop. */
  stats(): Promise<RealtimeStats> {
    return this.#rest.stats();
  }

  /** Tries now rather than later, also after the server refused. */
  reconnectNow(): void {
    this.#connection.reconnectNow();
  }

  /** Leaves every room and channel and ends the connection. */
  close(): void {
    this.#connection.close();
    for (const room of [...this.#rooms.values()]) room.leave();
    for (const channel of [...this.#channels.values()]) channel.close();
  }
}

/** A new guest of a server in demo mode. */
export async function guest(url: string | URL): Promise<Guest> {
  return new Rest(new URL(url), undefined, fetch, TIMING).guest();
}
