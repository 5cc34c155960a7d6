// Made from the server's OpenAPI document (openapi.json) by scripts/generate.mjs. Do not edit:
// `npm run schema` writes it anew.

/** A person's message that was taken. */
export type Accepted = {
  /** The message. */
  readonly message: Message;
  /** Streams before that one; 0 = running, or done. */
  readonly queued: number;
  /** The stream that answers it; none in a room without an agent. */
  readonly streamId?: string | null;
};

/** Who answers, and what they are. */
export type AgentView = {
  /** A local model's file. */
  readonly file?: string | null;
  /** For `agentId`. */
  readonly id: string;
  /** The provider's kind. */
  readonly kind: string;
  /** The provider's name for the model. */
  readonly model: string;
  /** What people see. */
  readonly name: string;
  /** Whether it can answer now. */
  readonly ready: boolean;
  /** That file's SHA-256, hexadecimal. */
  readonly sha256?: string | null;
  /** True where no model answers. */
  readonly simulated: boolean;
  /** A local model's pace, measured on real answers. */
  readonly tokensPerSecond?: number | null;
};

/** Everyone who answers. */
export type AgentsView = {
  /** By id. */
  readonly agents: readonly AgentView[];
};

/** How fast a stop reaches the provider. */
export type CancelStats = {
  /** Chunks that were sent after a stop, over all stops. */
  readonly chunksAfter: number;
  /** How many stops were measured. */
  readonly count: number;
  /** From the stop to the closed connection: median, in milliseconds. */
  readonly p50: number;
  /** The same, 99th percentile. */
  readonly p99: number;
};

/** A channel as clients name it: `{type, id}`. */
export type ChannelReference = {
  /** The id. */
  readonly id: string;
  /** The namespace. */
  readonly type: string;
};

/** Channels that somebody is subscribed to. */
export type ChannelStats = {
  /** How many channels. */
  readonly activeChannels: number;
  /** Their names; for back-end callers only. */
  readonly channels: readonly string[];
  /** Whether the live path between processes works. Without it events come later, from the log. */
  readonly isConnected: boolean;
  /** How many of the channels this process follows over Redis now. */
  readonly redisSubscriptions: number;
  /** How many subscriptions to them. */
  readonly totalSubscriptions: number;
};

/** A source that a provider gave for an answer. */
export type Citation = {
  /** What is there. */
  readonly title?: string | null;
  /** An `http` or `https` address. */
  readonly url: string;
};

/** Why something is refused. */
export type Code = "invalid_json" | "position_invalid" | "unauthorized" | "forbidden" | "room_not_found" | "agent_not_found" | "stream_not_found" | "channel_not_found" | "not_found" | "method_not_allowed" | "conflict" | "position_foreign" | "position_future" | "position_expired" | "payload_too_large" | "invalid_request" | "rate_limited" | "queue_full" | "unavailable" | "internal";

/** The creator, in the shape of `RoomCreated`. */
export type CreatedBy = {
  /** The user's id. */
  readonly id: string;
};

/** A new guest, as they get it. */
export type Guest = {
  /** Until when it holds. */
  readonly expiresAt: string;
  /** A bearer token. */
  readonly token: string;
  /** `guest-…`. */
  readonly userId: string;
};

/** How far a person heard an answer. */
export type Heard = {
  /** UTF-16 code units of the stream's spoken text. */
  readonly offset: number;
};

/** One hop. */
export type Latency = {
  /** How many were measured. */
  readonly count: number;
  /** Median, in milliseconds. */
  readonly p50: number;
  /** 99th percentile, in milliseconds. */
  readonly p99: number;
};

/** How long an event takes from hop to hop. */
export type LatencyStats = {
  /** From the channel's writer to a client's socket. */
  readonly hubToSocket: Latency;
  /** From the log to the channel's writer. */
  readonly logToHub: Latency;
  /** From the model's piece to its place in the log. */
  readonly providerToLog: Latency;
};

/** A cue and where it stands. */
export type Marker = {
  /** What it directs. */
  readonly kind: MarkerKind;
  /** UTF-16 code units of the stream's spoken text before it. */
  readonly offset: number;
  /** What it directs it to: lower case, `[a-z0-9_-]`. */
  readonly value: string;
};

/** What a marker directs. */
export type MarkerKind = "emotion" | "gesture" | "pose" | "tone";

/** One member of a room's presence. */
export type Member = {
  /** On how many connections. */
  readonly connections: number;
  /** Who. */
  readonly userId: string;
};

/** A message as clients and events show it. */
export type Message = {
  /** The room it is in, AR or not. */
  readonly arRoomId: string;
  /** The sources that the provider gave, in its order: a text's `[1]` is the first. */
  readonly citations?: readonly Citation[];
  /** Raw, markers included. */
  readonly content: string;
  /** When it was accepted, or its stream was. */
  readonly createdAt: string;
  readonly error?: StreamFault | null;
  readonly heard?: Heard | null;
  /** `msg-…`. */
  readonly id: string;
  /** Where the markers stand in `text`. */
  readonly markers: readonly Marker[];
  /** What the model thought before and while it answered, where the provider tells. Never spoken. */
  readonly reasoning?: string;
  /** Which of the two. */
  readonly role: SenderRole;
  /** The user's or the agent's id. */
  readonly senderId: string;
  /** Where it stands. */
  readonly status: MessageStatus;
  /** The stream that makes it, for an agent's. */
  readonly streamId?: string | null;
  /** What is spoken. */
  readonly text: string;
};

/** Some of a room's messages. */
export type MessagePage = {
  /** Oldest first. */
  readonly messages: readonly Message[];
  /** What this includes: a streaming message's text is exactly its chunks up to here. */
  readonly position: string;
};

/** Where a message stands. */
export type MessageStatus = "streaming" | "completed" | "interrupted" | "cancelled" | "truncated" | "failed";

/** How a stream ended. */
export type Outcome = "completed" | "interrupted" | "cancelled" | "truncated" | "failed";

/** The body of a problem. */
export type ProblemDetails = {
  /** Why something is refused. */
  readonly code: Code;
  /** What was wrong and what is allowed. */
  readonly detail: string;
  /** The HTTP status. */
  readonly status: number;
  /** The code in words. */
  readonly title: string;
  /** `urn:antiphon:problem:` and the code. */
  readonly type: string;
};

/** Live delivery in numbers. */
export type RealtimeStats = {
  /** How fast a stop reaches the provider. */
  readonly cancel: CancelStats;
  /** Channels that somebody is subscribed to. */
  readonly channels: ChannelStats;
  /**
   * How long an event takes from hop to hop, as far as both ends are in this process: a hop whose `count` is 0 was not
   * measured here.
   */
  readonly latency: LatencyStats;
  /** Server-sent events. */
  readonly sse: SseStats;
  /** `healthy`, or `degraded` while something that this process works worse without is away. */
  readonly status: string;
  /** WebSocket. */
  readonly websocket: WebSocketStats;
};

/** A room as clients and events show it. */
export type Room = {
  /** The agent that answers; always there in an AR room. */
  readonly agentId?: string | null;
  /** When it was made. */
  readonly createdAt: string;
  /** The same user, in the shape of `RoomCreated`. */
  readonly createdBy: CreatedBy;
  /** `room-…`. */
  readonly id: string;
  /** True for AR rooms. */
  readonly isARConversation: boolean;
  /** What the user calls it. */
  readonly name?: string | null;
  /** Whether it takes messages. */
  readonly status: RoomStatus;
  /** `ar-conversation` for AR rooms, the creator's word for regular ones. */
  readonly type: string;
  /** The user whose room it is. */
  readonly userId: string;
  /** Who may enter. */
  readonly visibility: Visibility;
};

/** The room was made. */
export type RoomCreatedEvent = {
  /** After this event. */
  readonly position: string;
  /** The room. */
  readonly room: Room;
  /** The room in which it happened. */
  readonly roomId: string;
  /** When. */
  readonly timestamp: string;
  readonly type: "room-created";
};

/** The room was deleted; after every stream's end. */
export type RoomDeletedEvent = {
  /** After this event. */
  readonly position: string;
  /** The room. */
  readonly room: Room;
  /** The room in which it happened. */
  readonly roomId: string;
  /** When. */
  readonly timestamp: string;
  readonly type: "room-deleted";
};

/** A person said something. */
export type MessageCreatedEvent = {
  /** The client's own id for it. */
  readonly clientMessageId?: string | null;
  /** What. */
  readonly message: Message;
  /** After this event. */
  readonly position: string;
  /** The room in which it happened. */
  readonly roomId: string;
  /** The stream that answers it, if one does. */
  readonly streamId?: string | null;
  /** When. */
  readonly timestamp: string;
  readonly type: "message-created";
};

/** The work that a message asks for. For back ends, not sent to people. */
export type ArMessageRequestEvent = {
  /** Who answers. */
  readonly agentId: string;
  /** What was asked. */
  readonly content: string;
  /** The person's message. */
  readonly messageId: string;
  /** After this event. */
  readonly position: string;
  /** The message that the stream makes. */
  readonly replyMessageId: string;
  /** The room in which it happened. */
  readonly roomId: string;
  /** The stream that will answer it. */
  readonly streamId: string;
  /** When. */
  readonly timestamp: string;
  readonly type: "ar-message-request";
  /** Who asked. */
  readonly userId: string;
};

/** A stream's place in the queue, at acceptance and at each change. */
export type StreamQueuedEvent = {
  /** After this event. */
  readonly position: string;
  /** Streams before it; 0 = running. */
  readonly queued: number;
  /** The room in which it happened. */
  readonly roomId: string;
  /** Which stream. */
  readonly streamId: string;
  /** When. */
  readonly timestamp: string;
  readonly type: "stream-queued";
  /** `room` (behind another answer of the room) or `model` (the model is busy with other rooms). */
  readonly waitingFor?: string | null;
};

/** A stream began; once, whatever restarts. */
export type ArStreamStartEvent = {
  /** Who answers. */
  readonly agentId: string;
  /** Whether its events survive `kill -9` and power loss. */
  readonly durable: boolean;
  /** The message it makes. */
  readonly messageId: string;
  /** After this event. */
  readonly position: string;
  /** The room in which it happened. */
  readonly roomId: string;
  /** When. */
  readonly startedAt: string;
  /** Which stream. */
  readonly streamId: string;
  /** When. */
  readonly timestamp: string;
  readonly type: "ar-stream-start";
  /** Who asked. */
  readonly userId: string;
};

/** A piece of the answer. */
export type ArStreamChunkEvent = {
  /** From 1. */
  readonly attempt: number;
  /** Raw, whole markers. */
  readonly chunk: string;
  /** How many are merged. */
  readonly chunkCount: number;
  /** From 0, dense; the first one's where several are merged. */
  readonly chunkIndex: number;
  /** True on the last chunk of a completed stream. */
  readonly isFinal: boolean;
  /** Offsets count UTF-16 code units of the stream's whole spoken text. */
  readonly markers: readonly Marker[];
  /** The message it makes. */
  readonly messageId: string;
  /** After this event. */
  readonly position: string;
  /** The room in which it happened. */
  readonly roomId: string;
  /** Which stream. */
  readonly streamId: string;
  /** What of it is spoken. */
  readonly text: string;
  /** When. */
  readonly timestamp: string;
  readonly type: "ar-stream-chunk";
  /** Known kind, unknown value. */
  readonly unknownMarkers?: readonly Marker[];
};

/** A piece of what the model thinks before and while it answers. Never spoken, and no chunk. */
export type ArStreamReasoningEvent = {
  /** From 1. */
  readonly attempt: number;
  /** The message it makes. */
  readonly messageId: string;
  /** After this event. */
  readonly position: string;
  /** The room in which it happened. */
  readonly roomId: string;
  /** Which stream. */
  readonly streamId: string;
  /** The piece. */
  readonly text: string;
  /** When. */
  readonly timestamp: string;
  readonly type: "ar-stream-reasoning";
};

/** Drop what came before of this stream, its reasoning included: `chunk_index` and offsets start again. */
export type ArStreamResetEvent = {
  /** The attempt that begins. */
  readonly attempt: number;
  /** The message it makes. */
  readonly messageId: string;
  /** After this event. */
  readonly position: string;
  /** Why. */
  readonly reason: string;
  /** The room in which it happened. */
  readonly roomId: string;
  /** Which stream. */
  readonly streamId: string;
  /** When. */
  readonly timestamp: string;
  readonly type: "ar-stream-reset";
};

/** Another try that keeps what came before; after a reset of its attempt, how that is made. */
export type ArStreamAttemptEvent = {
  /** The attempt that begins. */
  readonly attempt: number;
  /** `restart`, `continue` or `finish`: what is done. */
  readonly policy: string;
  /** After this event. */
  readonly position: string;
  /** Why. */
  readonly reason: string;
  /** The room in which it happened. */
  readonly roomId: string;
  /** Which stream. */
  readonly streamId: string;
  /** When. */
  readonly timestamp: string;
  readonly type: "ar-stream-attempt";
};

/** A stream was held. */
export type ArStreamPauseEvent = {
  /** Who did it: a user's id. */
  readonly by: string;
  /** After this event. */
  readonly position: string;
  /** The room in which it happened. */
  readonly roomId: string;
  /** Which stream. */
  readonly streamId: string;
  /** When. */
  readonly timestamp: string;
  readonly type: "ar-stream-pause";
};

/** A held stream goes on. */
export type ArStreamResumeEvent = {
  /** Who did it: a user's id. */
  readonly by: string;
  /** After this event. */
  readonly position: string;
  /** The room in which it happened. */
  readonly roomId: string;
  /** Which stream. */
  readonly streamId: string;
  /** When. */
  readonly timestamp: string;
  readonly type: "ar-stream-resume";
};

/** A person interrupted; not an end. */
export type ArStreamInterruptEvent = {
  /** The attempt that was heard. */
  readonly attempt: number;
  readonly heard?: Heard | null;
  /** When. */
  readonly interruptedAt: string;
  /** After this event. */
  readonly position: string;
  /** The room in which it happened. */
  readonly roomId: string;
  /** Which stream. */
  readonly streamId: string;
  /** When. */
  readonly timestamp: string;
  readonly type: "ar-stream-interrupt";
  /** Who. */
  readonly userId: string;
};

/** The stream's one terminal event. */
export type ArStreamEndEvent = {
  /** The sources that the provider gave. */
  readonly citations?: readonly Citation[];
  /** When. */
  readonly endedAt: string;
  readonly error?: StreamFault | null;
  /** The provider's own word. */
  readonly finishReason?: string | null;
  readonly heard?: Heard | null;
  /** The message it made. */
  readonly messageId: string;
  /** How. */
  readonly outcome: Outcome;
  /** After this event. */
  readonly position: string;
  /** The room in which it happened. */
  readonly roomId: string;
  /** Which stream. */
  readonly streamId: string;
  /** When. */
  readonly timestamp: string;
  /** Sent since the last reset. */
  readonly totalChunks: number;
  readonly type: "ar-stream-end";
  readonly usage?: Usage | null;
};

/** Another process, or this one after a restart, answers for the room's open streams. */
export type OwnerChangedEvent = {
  /** After this event. */
  readonly position: string;
  /** Why. */
  readonly reason: string;
  /** The room in which it happened. */
  readonly roomId: string;
  /** The stream that ran. */
  readonly streamId?: string | null;
  /** When. */
  readonly timestamp: string;
  readonly type: "owner-changed";
};

/** What happens in a room. */
export type RoomEvent =
  | RoomCreatedEvent
  | RoomDeletedEvent
  | MessageCreatedEvent
  | ArMessageRequestEvent
  | StreamQueuedEvent
  | ArStreamStartEvent
  | ArStreamChunkEvent
  | ArStreamReasoningEvent
  | ArStreamResetEvent
  | ArStreamAttemptEvent
  | ArStreamPauseEvent
  | ArStreamResumeEvent
  | ArStreamInterruptEvent
  | ArStreamEndEvent
  | OwnerChangedEvent;

/** The caller's rooms. */
export type RoomList = {
  /** Newest first. */
  readonly rooms: readonly RoomView[];
};

/** Whether a room takes messages. */
export type RoomStatus = "active" | "deleted";

/** A room, and the position that this includes. */
export type RoomView = Room & {
  /** Where to go on reading its channel. */
  readonly position: string;
};

/** Who said a message. */
export type SenderRole = "user" | "assistant";

/** The first message on every connection. */
export type ConnectedNotice = {
  /** This connection. */
  readonly clientId: string;
  /** How often a heartbeat comes. */
  readonly heartbeatSeconds: number;
  /** For a person. */
  readonly message: string;
  /** The secret that takes the session over on another connection. */
  readonly resumeToken: string;
  /** The session it belongs to. */
  readonly sessionId: string;
  /** Now. */
  readonly timestamp: string;
  readonly type: "connected";
};

/** A subscription was accepted. */
export type SubscribedNotice = {
  /** Of which channel. */
  readonly channel: ChannelReference;
  /** Delivery starts after this. */
  readonly position: string;
  /** The request it answers. */
  readonly requestId?: unknown;
  readonly type: "subscribed";
};

/** The past is done and live begins. */
export type CaughtUpNotice = {
  /** Of which channel. */
  readonly channel: ChannelReference;
  /** Where. */
  readonly position: string;
  readonly type: "caught-up";
};

/** An `ar-message` is durable. */
export type AcceptedNotice = {
  /** The message. */
  readonly message: Message;
  /** Its place; 0 = running. */
  readonly queued: number;
  /** The request it answers. */
  readonly requestId?: unknown;
  /** The stream that answers it. */
  readonly streamId?: string | null;
  readonly type: "accepted";
};

/** A request that has no other answer was done. */
export type OkNotice = {
  /** The request it answers. */
  readonly requestId: unknown;
  readonly type: "ok";
};

/** The connection is alive. */
export type HeartbeatNotice = {
  /** The same, in the older word for it. */
  readonly serverTime: string;
  /** Now. */
  readonly timestamp: string;
  readonly type: "heartbeat";
};

/** The answer to a `ping`. */
export type PongNotice = {
  /** The request it answers. */
  readonly requestId?: unknown;
  /** Now. */
  readonly timestamp: string;
  readonly type: "pong";
};

/** A refusal. */
export type ErrorNotice = {
  readonly channel?: ChannelReference | null;
  /** Why something is refused. */
  readonly code: Code;
  /** What was wrong and what is allowed. */
  readonly message: string;
  /** The request it answers. */
  readonly requestId?: unknown;
  /** When trying again makes sense. */
  readonly retryAfterMs?: number | null;
  readonly type: "error";
};

/** An SSE connection that came with a ticket is refused, where a browser can read it. */
export type RefusedNotice = {
  /** Why something is refused. */
  readonly code: Code;
  /** What was wrong and what is allowed. */
  readonly message: string;
  readonly type: "refused";
};

/** Who is in a room. */
export type PresenceNotice = {
  /** Each user once. */
  readonly members: readonly Member[];
  /** Which. */
  readonly roomId: string;
  /** Now. */
  readonly timestamp: string;
  readonly type: "presence";
};

/** The server leaves. */
export type GoodbyeNotice = {
  /** Why. */
  readonly reason: string;
  /** Come back after this long; jittered, so that not all come at once. */
  readonly reconnectAfterMs: number;
  readonly type: "goodbye";
};

/** A message from the server to one client. */
export type ServerMessage =
  | ConnectedNotice
  | SubscribedNotice
  | CaughtUpNotice
  | AcceptedNotice
  | OkNotice
  | HeartbeatNotice
  | PongNotice
  | ErrorNotice
  | RefusedNotice
  | PresenceNotice
  | GoodbyeNotice;

/** One open connection. */
export type SseClient = {
  /** The channel it follows. */
  readonly channel: string;
  /** Its id. */
  readonly clientId: string;
};

/** Server-sent events. */
export type SseStats = {
  /** Each open connection; for back-end callers only. */
  readonly clients: readonly SseClient[];
  /** Open now. */
  readonly totalConnections: number;
  /** Events written since the start. */
  readonly totalEvents: number;
};

/** Why a stream failed, as clients may know it. */
export type StreamFault = {
  /**
   * `truncated`, `provider_error`, `provider_refused`, `provider_unreachable`, `provider_timeout`, `too_long`,
   * `declined`, `crashed`, `expired` or `agent_not_found`.
   */
  readonly code: string;
  /** A sentence for a person, without internals. */
  readonly message: string;
};

/** Where a stream stands. */
export type StreamStatus = "queued" | "active" | "paused" | "interrupted" | "completed" | "cancelled" | "failed";

/** Where a stream stands. */
export type StreamView = {
  /** Who answers. */
  readonly agentId: string;
  /** The clients that watch its room; filled in where clients are known. */
  readonly connections: readonly string[];
  /** The message that it makes. */
  readonly messageId: string;
  /** The room that it is in. */
  readonly roomId: string;
  /** When it started; nothing while it is queued. */
  readonly startedAt?: string | null;
  /** Where it stands. */
  readonly status: StreamStatus;
  /** The stream. */
  readonly streamId: string;
  /** Who asked. */
  readonly userId: string;
};

/** A ticket as its owner gets it. */
export type Ticket = {
  /** Until when. */
  readonly expiresAt: string;
  /** For `?ticket=`, once. */
  readonly ticket: string;
};

/** Tokens that a provider counted. */
export type Usage = {
  /** In the answer. */
  readonly completionTokens: number;
  /** In the prompt. */
  readonly promptTokens: number;
  /** Both. */
  readonly totalTokens: number;
};

/** Who may find and enter a regular room. AR rooms are private. */
export type Visibility = "private" | "public" | "invite";

/** WebSocket. */
export type WebSocketStats = {
  /** Open now. */
  readonly totalConnections: number;
  /** Events written since the start. */
  readonly totalEvents: number;
};
