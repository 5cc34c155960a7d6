//! The log as every process of a deployment sees it: its own engine where that has the channel, the owner's otherwise.

use crate::message::{
    from_event, from_position, from_read, proto, to_bounds, to_error, to_position, to_record, unreadable,
};
use crate::owners::{Call, Outcome, Owners, Unanswered};
use antiphon_core::limits::{PEER_BOUNDS_TIMEOUT, PEER_PATIENCE};
use antiphon_core::{
    Bounds, ChannelHash, ChannelName, Event, Log, LogError, Position, ReadFrom, ReadLimit, Record, Shard,
};
use std::sync::{Arc, OnceLock};
use tonic::Status;

/// Where a process that is not a channel's owner reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// In its own engine, which has whatever any process has.
    Local,
    /// In its own engine, whose copy of the log may be behind: where a channel ends is asked of the owner.
    Copy,
    /// At the owner, or, while that is away, in a relay's copy.
    Owner,
}

/// Roles whose processes have a copy of the whole log.
const COPIES: &str = "relay";

/// A process's engine and the way to the others'.
pub(crate) struct ClusterLog {
    pub(crate) owners: Owners,
    pub(crate) engine: Arc<OnceLock<Arc<dyn Log>>>,
    pub(crate) reads: Reads,
    /// What holds in a process without an engine.
    pub(crate) durable: bool,
}

impl From<Unanswered> for LogError {
    fn from(unanswered: Unanswered) -> Self {
        let (Unanswered::Nobody(reason) | Unanswered::InDoubt(reason)) = unanswered;
        LogError::Unavailable { reason }
    }
}

/// An engine's answer, which may be that it does not own the shard at this very moment.
pub(crate) fn outcome<T>(result: Result<T, LogError>) -> Outcome<Result<T, LogError>> {
    match result {
        Err(LogError::NotOwner) => Outcome::NotOwner,
        result => Outcome::Done(result),
    }
}

/// The same of an engine elsewhere.
fn reply<T>(
    refused: Option<proto::Refused>,
    done: impl FnOnce() -> Result<T, Status>,
) -> Result<Outcome<Result<T, LogError>>, Status> {
    match refused {
        Some(refused) => Ok(outcome(Err(to_error(refused)))),
        None => done().map(|done| Outcome::Done(Ok(done))),
    }
}

impl ClusterLog {
    fn engine(&self) -> Result<&Arc<dyn Log>, LogError> {
        self.engine
            .get()
            .ok_or_else(|| LogError::Unavailable { reason: "the process has no engine, or not yet".into() })
    }

    fn shard(&self, channel: &ChannelName) -> Shard {
        self.owners.owned.sharding().shard_of(channel)
    }

    fn is_local(&self, channel: &ChannelName) -> bool {
        self.reads != Reads::Owner || self.owners.owned.epoch_of(channel).is_some()
    }

    async fn bounds_of_owner(&self, channel: &ChannelName) -> Result<Bounds, LogError> {
        let call = Call {
            is_repeatable: true,
            timeout: PEER_PATIENCE,
            here: &|| {
                Box::pin(async move {
                    match self.engine() {
                        Ok(engine) => outcome(engine.bounds(channel).await),
                        Err(error) => Outcome::Done(Err(error)),
                    }
                })
            },
            there: &|mut client, from_any_copy| {
                Box::pin(async move {
                    let request = proto::BoundsRequest { channel: channel.as_str().to_owned(), from_any_copy };
                    let mut bounds = client.bounds(request).await?.into_inner();
                    reply(bounds.refused.take(), || to_bounds(channel, &bounds))
                })
            },
            copies: Some(COPIES),
        };
        self.owners.call(self.shard(channel), call).await?
    }
}

#[async_trait::async_trait]
impl Log for ClusterLog {
    /// A room's events are written by its owner alone, so that nothing of an owner whose time is over reaches its
    /// successor's log: they are never handed on. Other events go to the owner wherever it is. Where the owner's answer was
    /// lost, the append is made again only if every event has an id, as it may have been taken.
    async fn append(&self, channel: &ChannelName, events: Vec<Event>) -> Result<Vec<Position>, LogError> {
        if channel.is_room() {
            self.owners.owned.epoch_of(channel).ok_or(LogError::NotOwner)?;
            return self.engine()?.append(channel, events).await;
        }
        let events = &events;
        let request = &proto::AppendRequest {
            channel: channel.as_str().to_owned(),
            events: events.iter().map(from_event).collect(),
        };
        let call = Call {
            is_repeatable: events.iter().all(|event| event.event_id.is_some()),
            timeout: PEER_PATIENCE,
            here: &|| {
                Box::pin(async {
                    match self.engine() {
                        Ok(engine) => outcome(engine.append(channel, events.clone()).await),
                        Err(error) => Outcome::Done(Err(error)),
                    }
                })
            },
            there: &|mut client, _| {
                Box::pin(async move {
                    let proto::AppendReply { positions, refused } = client.append(request.clone()).await?.into_inner();
                    reply(refused, || {
                        if positions.len() != events.len() {
                            return Err(unreadable("a position of an appended event"));
                        }
                        positions.iter().map(|position| to_position(channel, Some(position))).collect()
                    })
                })
            },
            copies: None,
        };
        self.owners.call(self.shard(channel), call).await?
    }

    async fn read(&self, channel: &ChannelName, from: ReadFrom, limit: ReadLimit) -> Result<Vec<Record>, LogError> {
        if self.is_local(channel) {
            return self.engine()?.read(channel, from, limit).await;
        }
        let request = &proto::ReadRequest {
            channel: channel.as_str().to_owned(),
            after: from_read(channel, from)?,
            events: limit.events as u64,
            bytes: limit.bytes as u64,
            from_any_copy: false,
        };
        let call = Call {
            is_repeatable: true,
            timeout: PEER_PATIENCE,
            here: &|| {
                Box::pin(async move {
                    match self.engine() {
                        Ok(engine) => outcome(engine.read(channel, from, limit).await),
                        Err(error) => Outcome::Done(Err(error)),
                    }
                })
            },
            there: &|mut client, from_any_copy| {
                Box::pin(async move {
                    let request = proto::ReadRequest { from_any_copy, ..request.clone() };
                    let proto::ReadReply { records, refused } = client.read(request).await?.into_inner();
                    reply(refused, || records.into_iter().map(to_record).collect())
                })
            },
            copies: Some(COPIES),
        };
        self.owners.call(self.shard(channel), call).await?
    }

    /// In a process whose copy may be behind, the owner's, so that whoever saw an event at another process finds it here.
    async fn bounds(&self, channel: &ChannelName) -> Result<Bounds, LogError> {
        if !self.is_local(channel) {
            return self.bounds_of_owner(channel).await;
        }
        if self.reads == Reads::Copy && self.owners.owned.epoch_of(channel).is_none() {
            let asked = tokio::time::timeout(PEER_BOUNDS_TIMEOUT, self.bounds_of_owner(channel)).await;
            if let Ok(Ok(bounds)) = asked {
                return Ok(bounds);
            }
        }
        self.engine()?.bounds(channel).await
    }

    async fn trim(&self, channel: &ChannelName, through: Position) -> Result<(), LogError> {
        // Its hash is not sent.
        if through.channel != ChannelHash::of(channel) {
            return Err(LogError::Foreign);
        }
        let call = Call {
            is_repeatable: true,
            timeout: PEER_PATIENCE,
            here: &|| {
                Box::pin(async move {
                    match self.engine() {
                        Ok(engine) => outcome(engine.trim(channel, through).await),
                        Err(error) => Outcome::Done(Err(error)),
                    }
                })
            },
            there: &|mut client, _| {
                Box::pin(async move {
                    let through = Some(from_position(&through));
                    let request = proto::TrimRequest { channel: channel.as_str().to_owned(), through };
                    reply(client.trim(request).await?.into_inner().refused, || Ok(()))
                })
            },
            copies: None,
        };
        self.owners.call(self.shard(channel), call).await?
    }

    fn is_durable(&self, namespace: &str) -> bool {
        self.engine.get().map_or(self.durable, |engine| engine.is_durable(namespace))
    }

    /// The engine's. Without one: fails while a shard has no owner, as appends to it are refused in the end.
    fn health(&self) -> Result<(), LogError> {
        match (self.engine.get(), self.owners.routes.without_owner(self.owners.owned.sharding())) {
            (Some(engine), _) => engine.health(),
            (None, None) => Ok(()),
            (None, Some(shard)) => {
                Err(LogError::Unavailable { reason: format!("no process owns shard {shard} at the moment") })
            }
        }
    }
}
