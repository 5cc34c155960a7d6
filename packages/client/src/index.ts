export { Antiphon, guest, type AntiphonOptions } from "./antiphon.js";
export type { Channel, ChannelState } from "./channel.js";
export { AntiphonError, type ErrorCode } from "./error.js";
export type { RawEvent } from "./link.js";
export type {
  Accepted,
  Code,
  Guest,
  Latency,
  Marker,
  MarkerKind,
  RealtimeStats,
  ArStreamChunkEvent,
  ArStreamEndEvent,
  ArStreamInterruptEvent,
  ArStreamReasoningEvent,
  RoomEvent,
  ArStreamResetEvent,
  ArStreamStartEvent,
  MessageCreatedEvent,
  Outcome,
  StreamQueuedEvent,
} from "./generated.js";
export type { Room } from "./room.js";
export type { Store } from "./store.js";
export type {
  ActiveStream,
  Agent,
  Citation,
  ConnectionState,
  Message,
  Queued,
  RoomInfo,
  RoomState,
  TransportName,
} from "./types.js";
