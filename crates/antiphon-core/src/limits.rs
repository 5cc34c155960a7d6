//! Every bound of the server in one place. A bound that an operator may move is a default here and a setting in `[limits]`.

use std::time::Duration;

/// A request body or WebSocket message, in bytes; fixed by the protocol.
pub const MAX_BODY_BYTES: usize = 1_048_576;
/// One appended array of events, in bytes of stored JSON: a body's worth and what the envelope adds to it.
pub const MAX_APPEND_BYTES: usize = 4 << 20;
/// Events in one published array.
pub const MAX_APPEND_EVENTS: usize = 10_000;
/// The part of a channel's name before the colon, in characters.
pub const MAX_NAMESPACE_LENGTH: usize = 64;
/// The part of a channel's name after the colon, in characters: fits a stream id and any UUID with a prefix.
pub const MAX_CHANNEL_ID_LENGTH: usize = 128;
/// The type of a published event, in characters.
pub const MAX_EVENT_TYPE_LENGTH: usize = 64;
/// A publisher's event id and a client's message id, in characters.
pub const MAX_CLIENT_ID_LENGTH: usize = 128;
/// A person's message, in bytes of UTF-8: as much as a body holds.
pub const MAX_CONTENT_BYTES: usize = MAX_BODY_BYTES;
/// A room's name, in characters.
pub const MAX_ROOM_NAME_LENGTH: usize = 200;
/// Streams that wait behind the running one in one room.
pub const MAX_QUEUED_STREAMS: usize = 16;
/// One answer's spoken text and markers, in bytes: a stream that grows past it ends as truncated.
pub const MAX_ANSWER_BYTES: usize = 1 << 20;
/// Attempts that a configuration may allow for one stream.
pub const MAX_ATTEMPTS: u32 = 10;
/// A stream's age, queued and paused time included, before it ends as failed.
pub const MAX_STREAM_AGE: Duration = Duration::from_secs(3600);
/// Earlier messages that a prompt may hold; the context size usually allows fewer.
pub const MAX_PROMPT_MESSAGES: usize = 100;
/// Messages in one page of `GET messages`, and the number when the request names none.
pub const MAX_MESSAGE_PAGE: usize = 200;
/// See [`MAX_MESSAGE_PAGE`].
pub const DEFAULT_MESSAGE_PAGE: usize = 50;
/// Rooms of one user in a list.
pub const MAX_ROOM_LIST: usize = 1_000;
/// How long `?wait=true` waits for the whole answer before it answers 202.
pub const WAIT_FOR_ANSWER: Duration = Duration::from_secs(60);
/// Commands waiting for one room's owner.
pub const ROOM_COMMANDS: usize = 256;
/// How long a room without work stays in memory.
pub const ROOM_IDLE: Duration = Duration::from_secs(60);
/// Bytes of messages that a room in memory keeps besides the ones that still change: a prompt's worth.
pub const ROOM_WINDOW_BYTES: usize = 1 << 20;
/// Client message ids that a room in memory remembers; older ones are looked up in the records.
pub const ROOM_CLIENT_IDS: usize = 1_024;
/// How long a room's records may wait for what was accepted or has ended: meanwhile an answer's first words have the
/// processor for themselves.
pub const ROOM_PROJECT_DELAY: Duration = Duration::from_millis(20);
/// Events of a room after which its records are brought up to date though no stream ended: bounds the fold at a start.
pub const ROOM_PROJECT_EVENTS: u64 = 256;
/// Rooms that are read at once when a start looks for work left open.
pub const ROOM_SCAN_PAGE: usize = 200;
/// How long a deleted room's events stay, so that a client that looks at them can see them end.
pub const DELETED_ROOM_GRACE: Duration = Duration::from_secs(60);
/// How long a room waits before it tries a log again that refused an append; doubles up to [`ROOM_RETRY_MOST`].
pub const ROOM_RETRY_LEAST: Duration = Duration::from_millis(20);
/// See [`ROOM_RETRY_LEAST`].
pub const ROOM_RETRY_MOST: Duration = Duration::from_secs(5);
/// How long a room waits after an append in doubt for its shard's next epoch: one that has not begun by then was not needed.
pub const ROOM_NEW_EPOCH_WAIT: Duration = Duration::from_secs(1);
/// Rooms of a gained shard that are taken up at once: as many as keep the records' connections and the log busy.
pub const ROOM_TAKEOVERS: usize = 64;
/// Rooms of a list whose ends are asked for at once, where other processes have to be asked.
pub const ROOM_LIST_ENDS: usize = 32;
/// The type of a regular room, in characters.
pub const MAX_ROOM_TYPE_LENGTH: usize = 64;
/// Callers that wait for the ends of one room's streams.
pub const ROOM_WAITERS: usize = 64;
/// Times from a stop to a closed provider connection that are kept for the statistics.
pub const STOP_LATENCIES: usize = 1_024;
/// Connections that read the records' file at once.
pub const RECORDS_READERS: u32 = 4;
/// Connections of a process to PostgreSQL for the records: with those for leases, eight processes fit its default of 100.
pub const RECORDS_CONNECTIONS: u32 = 10;
/// Connections of a process to PostgreSQL for leases alone, so that no renewal waits behind the records.
pub const LEASE_CONNECTIONS: u32 = 2;
/// How long a connection to PostgreSQL may be waited for: whoever asked is refused, and may try again.
pub const RECORDS_CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long PostgreSQL may take for a statement, and may wait for the next one of a transaction, before it gives up: a
/// process that was suspended holds its locks no longer.
pub const RECORDS_STATEMENT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long all statements of one call may take as this process sees it: PostgreSQL's own answer is worth more.
pub const RECORDS_CALL_TIMEOUT: Duration = Duration::from_secs(4);
/// How often the records' database is asked whether it answers, for `/ready`.
pub const RECORDS_PROBE_INTERVAL: Duration = Duration::from_secs(1);
/// How long the records' database may be silent before a process is not ready: a restart of the database may pass unnoticed.
pub const RECORDS_SILENCE: Duration = Duration::from_secs(5);
/// How long bringing PostgreSQL's schema up to date may take, waiting for other processes that do so included.
pub const RECORDS_MIGRATION_TIMEOUT: Duration = Duration::from_secs(60);
/// The longest lease: one that seems to last longer was given before the database's clock was put back, and counts as
/// run out.
pub const MAX_LEASE: Duration = Duration::from_secs(60);
/// How long a process that has not been heard of stays in the list of processes.
pub const PROCESS_FORGOTTEN: Duration = Duration::from_secs(600);
/// The difference between this machine's clock and the database's above which `doctor` says so: times of messages and
/// tokens would be off by as much.
pub const CLOCK_SKEW_REPORTED: Duration = Duration::from_secs(1);
/// One chunk's raw text, in bytes: its JSON stays far below an append's bound even where each byte must be escaped.
pub const MAX_CHUNK_BYTES: usize = 16 * 1024;
/// Raw text that gathers while an append is under way, in bytes, before the provider is no longer read.
pub const MAX_GATHERED_BYTES: usize = 64 * 1024;
/// The pause before a second attempt; doubles with each further one up to [`ATTEMPT_BACKOFF_MOST`].
pub const ATTEMPT_BACKOFF: Duration = Duration::from_millis(200);
/// See [`ATTEMPT_BACKOFF`].
pub const ATTEMPT_BACKOFF_MOST: Duration = Duration::from_secs(2);

/// Subscriptions of one connection.
pub const MAX_SUBSCRIPTIONS: usize = 128;
/// Bytes that wait in one client's outbox before it is served from the log at its own pace instead.
pub const OUTBOX_BYTES: usize = 64 * 1024;
/// Frames that may wait for one client whatever their size: answers and notices that are not in the log.
pub const OUTBOX_FRAMES: usize = 256;
/// Channels whose missing events one process reads from the log at once: enough to hide the way to another process, and at
/// [`CATCH_UP_BYTES`] each 16 MiB.
pub const REPAIRS: usize = 256;
/// Records and bytes that one catch-up read takes from the log.
pub const CATCH_UP_EVENTS: usize = 256;
/// See [`CATCH_UP_EVENTS`].
pub const CATCH_UP_BYTES: usize = 64 * 1024;
/// Recent records that a followed channel keeps in memory, so that a short lag need not read the log.
pub const WINDOW_EVENTS: usize = 512;
/// See [`WINDOW_EVENTS`], in bytes of JSON.
pub const WINDOW_BYTES: usize = 256 * 1024;
/// Clients written to before a channel's writer lets other work run.
pub const CLIENTS_PER_TURN: usize = 64;
/// Members named in one presence notice.
pub const MAX_PRESENCE_MEMBERS: usize = 100;
/// How long a session without a connection may be taken over.
pub const SESSION_RESUME_WINDOW: Duration = Duration::from_secs(30);
/// Sessions without a connection that are remembered; the oldest goes first.
pub const MAX_DETACHED_SESSIONS: usize = 10_000;

/// How often a WebSocket client hears from the server.
pub const HEARTBEAT: Duration = Duration::from_secs(30);
/// How long a client may say nothing, Pong included, before its connection is closed.
pub const SILENT_CLIENT: Duration = Duration::from_secs(75);
/// How often an SSE client gets a comment.
pub const SSE_KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long a client may take to send its request's head.
pub const REQUEST_HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// What is still read of a body that is refused as too large, so that its sender reads the answer.
pub const MAX_DISCARDED_BYTES: usize = 16 << 20;
/// How long a client may take to send its request's body.
pub const REQUEST_BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// Open TCP connections of the whole process.
pub const MAX_CONNECTIONS: usize = 50_000;
/// Entries of `server.trusted_proxies`: each is compared with for every hop of every request.
pub const MAX_TRUSTED_PROXIES: usize = 256;
/// How long a ticket may wait to be used.
pub const TICKET_LIFETIME: Duration = Duration::from_secs(60);
/// Tickets that wait to be used; the oldest goes first.
pub const MAX_TICKETS: usize = 100_000;
/// A token or key in a header, in bytes: a header's usual bound.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;
/// A user's id (a token's `sub`), in bytes: fits an e-mail address, a UUID and an issuer's prefix.
pub const MAX_USER_ID_BYTES: usize = 256;
/// Channel patterns in one claim of a token, or of one API key.
pub const MAX_PATTERNS: usize = 64;
/// API keys of a configuration: each is compared with on every call that brings one.
pub const MAX_API_KEYS: usize = 256;
/// The shortest secret for HS256, in bytes: the hash's own length (RFC 7518, section 3.2).
pub const MIN_JWT_SECRET_BYTES: usize = 32;
/// A key set fetched from an identity provider, in bytes.
pub const MAX_JWKS_BYTES: usize = 256 * 1024;
/// Keys taken from such a set, and public keys of a configuration.
pub const MAX_JWKS_KEYS: usize = 64;
/// How long an identity provider may take to give its key set.
pub const JWKS_TIMEOUT: Duration = Duration::from_secs(5);
/// A fetched key set is asked for again after this long, so that a withdrawn key stops working.
pub const JWKS_MAX_AGE: Duration = Duration::from_secs(600);
/// Between two fetches, whatever unknown keys callers name.
pub const JWKS_MIN_INTERVAL: Duration = Duration::from_secs(10);
/// Callers of each kind that the rate limits tell apart; beyond it they share [`SHARED_LIMIT_KEYS`] allowances.
pub const MAX_LIMITED_CALLERS: usize = 100_000;
/// See [`MAX_LIMITED_CALLERS`].
pub const SHARED_LIMIT_KEYS: u64 = 1_024;
/// Arrays and objects within each other in a published event's data: what common JSON parsers take by default.
pub const MAX_DATA_DEPTH: usize = 100;
/// How long a guest's token holds.
pub const GUEST_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// Sentences for which a second model is asked for markers at once: it keeps up with speech, and a slow one holds the
/// answer's reading back.
pub const PLACING_ASKED_AT_ONCE: usize = 4;
/// How long a sentence waits for the markers of a second model before it goes out without.
pub const PLACING_TIMEOUT: Duration = Duration::from_millis(1500);
/// What is kept of a model's reasoning for one answer, in bytes: it is shown, never sent back, and long for some models.
pub const MAX_REASONING_BYTES: usize = 256 * 1024;
/// What a model may think for one answer, in bytes, kept or not: a day of reading, and a call that never ends is ended.
pub const MAX_REASONING_READ: usize = 2 << 20;
/// Citations of one answer: more than a provider's search gives.
pub const MAX_CITATIONS: usize = 50;
/// A citation's address and its title, in bytes each: longer addresses are left out, longer titles are cut.
pub const MAX_CITATION_BYTES: usize = 2048;

/// One frame of a provider's stream, in bytes.
pub const MAX_PROVIDER_FRAME: usize = 1 << 20;
/// A provider's whole non-streaming answer, in bytes.
pub const MAX_PROVIDER_BODY: usize = 8 << 20;
/// The part of a provider's error that is read, in bytes: all of them are shorter.
pub const MAX_PROVIDER_ERROR: usize = 64 * 1024;
/// The part of a provider's error that goes to the log, in characters: enough to see what it is about.
pub const MAX_PROVIDER_DETAIL: usize = 300;
/// How long a connection to a provider may take.
pub const PROVIDER_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a provider may take for a whole answer that is not streamed.
pub const PROVIDER_WHOLE_TIMEOUT: Duration = Duration::from_secs(300);
/// How long a provider may say nothing between the end of its text and its terminal marker, which follow each other at once.
pub const PROVIDER_TAIL_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the end of a finished body is waited for, so that its connection can be used again.
pub const PROVIDER_DRAIN_TIMEOUT: Duration = Duration::from_millis(10);
/// How long a provider may take to answer with its headers.
pub const PROVIDER_HEADER_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a provider's stream may say nothing.
pub const PROVIDER_IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// The longest that a provider's `Retry-After` is waited for.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(30);

/// Appends that wait for the disk.
pub const APPEND_QUEUE: usize = 4_096;
/// Appends written and synced together.
pub const GROUP_COMMIT_APPENDS: usize = 1_024;
/// Publisher event ids remembered for one channel, besides retention: the oldest goes first.
pub const MAX_EVENT_IDS: usize = 10_000;
/// Bytes of events written and synced together: one largest append, so that nobody waits behind more than two.
pub const GROUP_COMMIT_BYTES: usize = 4 << 20;
/// Channels whose bookkeeping the disk engine keeps in memory: about 20 MB of it.
pub const CHANNEL_CACHE: usize = 65_536;
/// Records that one trimming step removes: a few milliseconds between two commits.
pub const TRIM_RECORDS: usize = 1_024;
/// Trimming steps for one channel in one retention pass, so that others get their turn.
pub const TRIM_STEPS: usize = 16;
/// Channels looked at in one retention pass: some milliseconds of work.
pub const RETENTION_CHANNELS: usize = 256;
/// Channels over their bounds that wait for a retention pass; the sweep finds the ones that do not fit.
pub const RETENTION_QUEUE: usize = 4_096;
/// Between two retention passes.
pub const RETENTION_INTERVAL: Duration = Duration::from_secs(1);
/// Between two sweeps over all channels for what has grown too old.
pub const RETENTION_SWEEP: Duration = Duration::from_secs(60);
/// What the follower of a shard stores with each batch of a local copy, in bytes: an offset, an epoch and their like.
pub const MAX_COPY_STATE_BYTES: usize = 64 << 10;
/// Events in memory before the disk engine writes them out as a table (a copy: up to twice as many); two more such lots may
/// be on their way.
pub const MEMTABLE_BYTES: u64 = 8 << 20;
/// Blocks of tables that the disk engine keeps in memory: catch-up reads are mostly of the newest events.
pub const BLOCK_CACHE_BYTES: u64 = 16 << 20;
/// Free disk space below which appends are refused: room for the three lots of [`MEMTABLE_BYTES`] and a journal's tail.
pub const DISK_RESERVE_BYTES: u64 = 32 << 20;
/// Between two looks at the free space: a fast disk takes less than a third of the reserve in that time.
pub const DISK_LOOK_INTERVAL: Duration = Duration::from_millis(10);
/// Events that the memory engine keeps over all its channels, in bytes; the oldest go first.
pub const MEMORY_LOG_BYTES: usize = 256 << 20;
/// Channels that the memory engine knows; ones without kept events are forgotten first.
pub const MEMORY_LOG_CHANNELS: usize = 100_000;
/// Channels, and clients, listed in the server's statistics.
pub const MAX_STATS_LIST: usize = 1_000;
/// Log lines that wait for a slow reader of standard error; more are dropped and counted.
pub const LOG_LINES: usize = 8_192;
/// A configuration file, and a file that holds a secret, in bytes.
pub const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// Answers that wait for a slot of the in-process model; beyond it they are refused.
pub const LOCAL_QUEUE: usize = 16;
/// Pieces of one answer of the in-process model that wait to be taken; then generation waits.
pub const LOCAL_PIECES: usize = 64;
/// Answers that the in-process model generates at once, whatever the machine: each holds its own attention cache.
pub const LOCAL_SLOTS: usize = 8;
/// Prompt tokens that the in-process model reads between two looks at whether its answer is still wanted.
pub const LOCAL_PROMPT_CHUNK: usize = 32;
/// Prompt prefixes whose attention cache the in-process model keeps; the least recently used goes first.
pub const LOCAL_PREFIXES: usize = 4;
/// See [`LOCAL_PREFIXES`], in bytes: a long conversation of a small model or a system prompt of a large one.
pub const LOCAL_PREFIX_BYTES: usize = 256 << 20;

/// One message from a server to a command of the terminal, in bytes: merged chunks of a whole answer, escaped, fit.
pub const MAX_SERVER_MESSAGE_BYTES: usize = 16 << 20;
/// Lines of standard input that a command reads ahead.
pub const INPUT_LINES: usize = 1_024;
/// Events that `antiphon publish` sends in one array: some milliseconds of a server's work.
pub const PUBLISH_BATCH_EVENTS: usize = 500;
/// See [`PUBLISH_BATCH_EVENTS`], in bytes of JSON: well within a body.
pub const PUBLISH_BATCH_BYTES: usize = 512 * 1024;
/// How long `antiphon publish` tries one array without success: longer than any restart.
pub const PUBLISH_PATIENCE: Duration = Duration::from_secs(300);
/// The first pause of a command before it connects again; doubles up to [`RECONNECT_MOST`], each jittered.
pub const RECONNECT_LEAST: Duration = Duration::from_millis(200);
/// See [`RECONNECT_LEAST`]: short enough that a person who waits does not give up.
pub const RECONNECT_MOST: Duration = Duration::from_secs(10);
/// How long a command waits for the answer to one call.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// Lines that a person has typed and the server has not accepted yet.
pub const CHAT_PENDING: usize = 64;
/// Streams and messages that `antiphon chat` remembers, so that none is shown twice: more than one page of messages.
pub const CHAT_REMEMBERED: usize = 256;
/// Typed lines that the up arrow brings back.
pub const CHAT_HISTORY: usize = 100;
/// Tokens of the answer that `antiphon doctor --call` asks a model for: a greeting, and the start of a thought before it.
pub const DOCTOR_ANSWER_TOKENS: u32 = 32;

/// Shards of a deployment: each has a lease, and a Kafka partition where there is Kafka.
pub const MAX_SHARDS: u16 = 256;
/// Shards where nothing is said: enough for as many processes that answer, and few enough to renew all leases at once.
pub const DEFAULT_SHARDS: u16 = 8;

/// One message between two processes, in bytes: a read's bytes, a largest record beyond them, and their envelopes.
pub const PEER_MESSAGE_BYTES: usize = 16 << 20;
/// Records that one read brings from another process: a largest append.
pub const PEER_READ_EVENTS: usize = MAX_APPEND_EVENTS;
/// See [`PEER_READ_EVENTS`], in bytes of JSON.
pub const PEER_READ_BYTES: usize = MAX_APPEND_BYTES;
/// How long a connection to another process may take: they stand in one network.
pub const PEER_CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How often a connection between processes is probed, and how long an answer may take: a dead one is noticed after both.
pub const PEER_KEEPALIVE: Duration = Duration::from_secs(1);
/// How long a call is tried again while ownership moves: a takeover, and a client still waits.
pub const PEER_PATIENCE: Duration = Duration::from_secs(10);
/// How often a process asks the owners of shards whether they answer it, for `/ready`.
pub const PEER_PROBE_INTERVAL: Duration = Duration::from_secs(1);
/// How long a process that has a copy of the log asks the owner where a channel ends, before its copy has to do.
pub const PEER_BOUNDS_TIMEOUT: Duration = Duration::from_millis(500);
/// How long an owner may take to answer a question that it has: a `?wait=true` and what stands around it.
pub const PEER_ANSWER_TIMEOUT: Duration = Duration::from_secs(75);
/// The first pause before a call that found no owner is made again; doubles up to [`PEER_RETRY_MOST`].
pub const PEER_RETRY_LEAST: Duration = Duration::from_millis(10);
/// See [`PEER_RETRY_LEAST`].
pub const PEER_RETRY_MOST: Duration = Duration::from_millis(200);
/// Calls and streams of one connection between processes: each shard has one stream, and hundreds of calls may wait.
pub const PEER_STREAMS: u32 = 4_096;
/// Bytes in flight on one connection between processes, and on one call or stream of it: some may stand without holding up the rest.
pub const PEER_CONNECTION_WINDOW: u32 = 16 << 20;
/// See [`PEER_CONNECTION_WINDOW`].
pub const PEER_STREAM_WINDOW: u32 = 1 << 20;
/// Records that wait for one process that follows a shard; beyond it they are left out, and it is told to read the log.
pub const FOLLOW_QUEUE_RECORDS: usize = 16_384;
/// See [`FOLLOW_QUEUE_RECORDS`], in bytes of JSON.
pub const FOLLOW_QUEUE_BYTES: usize = 8 << 20;
/// Bytes of records that go to a following process in one message, unless one record is larger.
pub const FOLLOW_MESSAGE_BYTES: usize = 256 * 1024;
/// Channels named in one message between processes: 150 kB of them.
pub const FOLLOW_MESSAGE_CHANNELS: usize = 1_000;
/// Channels of one shard that one process may follow: more than its clients' subscriptions.
pub const MAX_FOLLOWED_CHANNELS: usize = 1 << 20;
/// Between two tail notices of a followed shard; three that fail to come, and the stream is opened anew.
pub const FOLLOW_TAIL_INTERVAL: Duration = Duration::from_secs(1);
/// Ends of newly followed channels that are looked up at once.
pub const FOLLOW_LOOKUPS: usize = 32;
/// How often a process looks which rooms its clients view: much less than the shortest grace of an unviewed answer.
pub const WATCHING_INTERVAL: Duration = Duration::from_millis(200);
/// How often it tells owners so though nothing changed; three times unheard, and its viewers no longer count.
pub const WATCHING_REPEAT: Duration = Duration::from_secs(1);
/// Processes of a deployment that are known at once: beyond it leases would be the least of the trouble.
pub const MAX_PROCESSES: usize = 1_024;
/// Shards whose ownership begins at once: reading a log's tail is work for the engine.
pub const SHARDS_BEGUN_AT_ONCE: usize = 16;
/// Shards that a process gives away at one look at the leases, so that the others can tell how far it is.
pub const SHARDS_GIVEN_AT_ONCE: usize = 4;
/// How long a process that has more than its share waits for a shard in which no answer runs. Then one is kept from
/// beginning new ones.
pub const SHARD_IDLE_WAIT: Duration = Duration::from_secs(60);
/// How long a shard may be kept from beginning answers before that is given up for another [`SHARD_IDLE_WAIT`]: a message
/// waits no longer for being moved.
pub const SHARD_HELD_BACK: Duration = Duration::from_secs(30);
/// How long rooms may take to write down where they are when they leave.
pub const ROOMS_LEAVE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an engine may take to end an ownership before its lease is given back all the same.
pub const OWNERSHIP_END_TIMEOUT: Duration = Duration::from_secs(5);
/// The shared secret of a deployment's processes, in bytes at most.
pub const MAX_PEER_SECRET_BYTES: usize = 1_024;

/// Records of one shard that an owner has on their way to Kafka at once; what comes meanwhile goes with the next.
pub const KAFKA_IN_FLIGHT: usize = 2;
/// Between two records of one shard while appends keep coming: a record has its price at the broker and at everybody who
/// follows, whatever it brings.
pub const KAFKA_GATHER: Duration = Duration::from_millis(5);
/// Bytes that are not gathered any longer, though a record is under way.
pub const KAFKA_GATHER_BYTES: usize = 64 * 1024;
/// Events of one Kafka record: each has an index of two bytes.
pub const KAFKA_RECORD_EVENTS: usize = 60_000;
/// One Kafka record, in bytes: the largest group with the largest event ids and channel names.
pub const KAFKA_RECORD_BYTES: usize = 12 << 20;
/// Kafka records that are applied to the local copy together, and in bytes.
pub const KAFKA_BATCH_RECORDS: usize = 512;
/// See [`KAFKA_BATCH_RECORDS`].
pub const KAFKA_BATCH_BYTES: usize = 4 << 20;
/// How long a read waits for a local copy that is behind the position which it was asked for.
pub const KAFKA_COPY_WAIT: Duration = Duration::from_secs(5);
/// How long one question to Kafka that is not an append may take.
pub const KAFKA_CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a new owner may take to read what its shard's partition has and its copy has not.
pub const KAFKA_BEGIN_TIMEOUT: Duration = Duration::from_secs(60);
/// Between two looks at whether Kafka answers, for the health report.
pub const KAFKA_PROBE_INTERVAL: Duration = Duration::from_secs(2);
/// How much longer than a stream may live the topic has to keep its records: a takeover and clocks that differ.
pub const KAFKA_RETENTION_MARGIN: Duration = Duration::from_secs(3600);
/// How often an owner that writes nothing looks whether somebody else took over.
pub const KAFKA_LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How far a broker's clock may be from ours before the doctor speaks of it: retention goes by both.
pub const KAFKA_CLOCK_SKEW: Duration = Duration::from_secs(2);

/// How long a connection to Redis may take to come about: it stands in our network.
pub const REDIS_CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long Redis may take for one call: a sync of a busy disk, and not so long that nobody waits for it any more.
pub const REDIS_CALL_TIMEOUT: Duration = Duration::from_secs(3);
/// How often a connection to Redis is probed, and whether we still own what we own.
pub const REDIS_PROBE_INTERVAL: Duration = Duration::from_secs(1);
/// How long a probe may take.
pub const REDIS_PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// The first pause before Redis is tried again; doubles up to [`REDIS_RECONNECT_MOST`], each jittered.
pub const REDIS_RECONNECT_LEAST: Duration = Duration::from_millis(20);
/// See [`REDIS_RECONNECT_LEAST`].
pub const REDIS_RECONNECT_MOST: Duration = Duration::from_secs(1);
/// Notices that a shard keeps for followers: seconds of them, and whoever is further behind reads the log.
pub const REDIS_NOTICES: usize = 2_048;
/// Notices of a shard that a follower takes at once.
pub const REDIS_NOTICE_BATCH: usize = 1_024;
/// How long a follower's read waits for a notice: also how soon a dead connection is noticed.
pub const REDIS_FOLLOW_BLOCK: Duration = Duration::from_secs(1);
/// How long a new owner waits until its process has delivered what the owners before it wrote.
pub const REDIS_FOLLOW_WAIT: Duration = Duration::from_secs(2);
/// Channels whose new events a follower asks for at once.
pub const REDIS_FETCH_CHANNELS: usize = 64;
/// New events of one channel that a follower asks for at once.
pub const REDIS_FETCH_EVENTS: usize = 100;
/// Events that a follower catches up with by itself; beyond that its reader is told to read the log.
pub const REDIS_FETCH_BEHIND: u64 = 10_000;
/// Events of the first page of a read, whose sizes are not known yet: the largest ones take 128 MB.
pub const REDIS_FIRST_PAGE: usize = 32;
/// Events of a further page of a read.
pub const REDIS_PAGE: usize = 1_024;
/// Bytes of a further page of a read, by the sizes of the page before.
pub const REDIS_PAGE_BYTES: usize = 1 << 20;
/// Between two scripts of one writer while appends keep coming: a script has its price, whatever it brings.
pub const REDIS_GATHER: Duration = Duration::from_millis(3);
/// Bytes that are not gathered any longer.
pub const REDIS_GATHER_BYTES: usize = 64 * 1024;
/// Copies of a channel's events that Redis keeps where it is not the log: a follower's short absence.
pub const REDIS_COPIES: usize = 1_000;
/// How long they stand there after the last one: rooms come and go.
pub const REDIS_COPIES_EXPIRY: Duration = Duration::from_secs(3600);
/// Records that wait for a Redis that nobody waits for; beyond it they are left out.
pub const REDIS_OUTBOX_RECORDS: usize = 16_384;
/// See [`REDIS_OUTBOX_RECORDS`], in bytes of JSON.
pub const REDIS_OUTBOX_BYTES: usize = 16 << 20;
/// Records that go to such a Redis in one call.
pub const REDIS_OUTBOX_BATCH: usize = 512;
/// Between two tail notices of one that publishes; three missed, and whoever follows reads the log. While nobody is heard, it
/// does so each time.
pub const REDIS_TAIL_INTERVAL: Duration = Duration::from_secs(1);
/// How long none of those that publish may be silent before the log is read: two tail notices.
pub const REDIS_SILENCE: Duration = Duration::from_secs(2);
/// Reasons of one outage of Redis that are logged: a broken connection, a refused one, and some that alternate.
pub const REDIS_OUTAGE_REASONS: usize = 4;
/// Channels that tail notices tell of: each is named in three, and these are many more than move in that time.
pub const REDIS_TAIL_CHANNELS: usize = 65_536;
/// Channels in one tail notice, some 100 kB.
pub const REDIS_TAIL_NAMES: usize = 1_000;
/// Publishers whose tail notices are expected.
pub const REDIS_PUBLISHERS: usize = 1_024;
/// Channels subscribed to in one command.
pub const REDIS_SUBSCRIBE_BATCH: usize = 1_000;
/// How long the state of a stream stands in Redis after its last change.
pub const REDIS_STATE_EXPIRY: Duration = Duration::from_secs(24 * 3600);
/// How far Redis's clock may be from ours before the doctor speaks of it: retention goes by Redis's.
pub const REDIS_CLOCK_SKEW: Duration = Duration::from_secs(2);
