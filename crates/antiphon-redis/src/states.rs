//! The state of each answer as a hash that outside programs can read, made from the committed events of rooms.

use crate::connect::within;
use crate::keys::Keys;
use crate::link::Link;
use crate::outage::Outage;
use crate::outbox::Outbox;
use crate::target::RedisTarget;
use antiphon_core::limits::{REDIS_CALL_TIMEOUT, REDIS_STATE_EXPIRY};
use antiphon_core::{AR_ROOM, EventKind, Outcome, Record, RoomEvent, StreamStatus};
use redis::{Pipeline, RedisResult};
use std::sync::Arc;
use tokio_util::task::AbortOnDropHandle;

/// Mirrors streams to hashes `ar:stream:{streamId}`: `streamId`, `roomId`, `messageId`, `agentId`, `userId`, `status`,
/// `queued`, `startedAt`, `endedAt`, `outcome`, as far as they are known. Best effort: what Redis does not take is left out.
pub struct StreamStates {
    outbox: Arc<Outbox>,
    _writer: AbortOnDropHandle<()>,
}

impl StreamStates {
    /// Begins to connect; has to be called within a runtime.
    pub fn new(target: RedisTarget) -> Self {
        let outbox = Arc::new(Outbox::default());
        let writer = AbortOnDropHandle::new(tokio::spawn(write(target, outbox.clone())));
        Self { outbox, _writer: writer }
    }

    /// Takes what this process committed. Never blocks.
    pub fn note(&self, records: &[Record]) {
        let is_state = |record: &&Record| record.kind != EventKind::Chunk && record.channel.namespace() == AR_ROOM;
        let mut states = records.iter().filter(is_state).cloned().peekable();
        if states.peek().is_some() {
            self.outbox.push(states);
        }
    }
}

async fn write(target: RedisTarget, outbox: Arc<Outbox>) {
    let keys = Keys::new(&target.prefix);
    let outage = Outage::new("the mirror of streams' states", target.clone());
    let link = Link::new(target, Arc::new(outage));
    loop {
        let records = outbox.take().await;
        let mut changes = redis::pipe();
        records.iter().for_each(|record| add(&mut changes, &keys, record));
        let Ok(up) = link.up() else {
            outbox.leave_out(records.len());
            continue;
        };
        let mut connection = up.connection.clone();
        let written: RedisResult<()> = within(REDIS_CALL_TIMEOUT, changes.query_async(&mut connection)).await;
        if let Err(error) = written {
            tracing::debug!("the states of some streams are not in Redis: {error}");
            if error.is_timeout() || error.is_unrecoverable_error() {
                up.give_up();
            }
        }
    }
}

/// Adds what an event changes.
fn add(changes: &mut Pipeline, keys: &Keys, record: &Record) {
    let Ok((event, timestamp)) = RoomEvent::decode(&record.json) else { return };
    let Some((stream_id, mut fields)) = fields(event) else { return };
    let key = keys.stream_state(&stream_id);
    fields.push(("streamId", stream_id));
    fields.push(("roomId", record.channel.id().to_owned()));
    fields.push(("updatedAt", timestamp.to_string()));
    fields.push(("position", record.position.to_string()));
    let mut set = redis::cmd("HSET");
    set.arg(&key);
    for (name, value) in fields {
        set.arg(name).arg(value);
    }
    changes.add_command(set).ignore();
    changes.cmd("EXPIRE").arg(&key).arg(REDIS_STATE_EXPIRY.as_secs()).ignore();
}

fn fields(event: RoomEvent) -> Option<(String, Vec<(&'static str, String)>)> {
    let status = |status: StreamStatus| ("status", word(&status));
    match event {
        RoomEvent::ArMessageRequest { stream_id, agent_id, user_id, reply_message_id, .. } => {
            let ids = vec![("agentId", agent_id), ("userId", user_id), ("messageId", reply_message_id)];
            Some((stream_id, ids))
        }
        // The running one is at place 0, and `ar-stream-start` says that it runs.
        RoomEvent::StreamQueued { stream_id, queued: 0, .. } => Some((stream_id, vec![("queued", "0".to_owned())])),
        RoomEvent::StreamQueued { stream_id, queued, .. } => {
            Some((stream_id, vec![status(StreamStatus::Queued), ("queued", queued.to_string())]))
        }
        RoomEvent::ArStreamStart { stream_id, message_id, agent_id, user_id, started_at, durable } => {
            let fields = vec![
                status(StreamStatus::Active),
                ("messageId", message_id),
                ("agentId", agent_id),
                ("userId", user_id),
                ("startedAt", started_at.to_string()),
                ("durable", durable.to_string()),
                ("queued", "0".to_owned()),
            ];
            Some((stream_id, fields))
        }
        RoomEvent::ArStreamPause { stream_id, .. } => Some((stream_id, vec![status(StreamStatus::Paused)])),
        RoomEvent::ArStreamResume { stream_id, .. } => Some((stream_id, vec![status(StreamStatus::Active)])),
        RoomEvent::ArStreamEnd { stream_id, message_id, outcome, ended_at, .. } => {
            let ended = match outcome {
                Outcome::Completed => StreamStatus::Completed,
                Outcome::Interrupted => StreamStatus::Interrupted,
                Outcome::Cancelled => StreamStatus::Cancelled,
                Outcome::Truncated | Outcome::Failed => StreamStatus::Failed,
            };
            let fields = vec![
                status(ended),
                ("messageId", message_id),
                ("outcome", word(&outcome)),
                ("endedAt", ended_at.to_string()),
            ];
            Some((stream_id, fields))
        }
        _ => None,
    }
}

/// The word that stands for a value on the wire.
fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}
