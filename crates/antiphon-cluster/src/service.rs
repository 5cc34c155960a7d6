//! What this process answers to the others.

use crate::Answer;
use crate::follower::{Due, Follower, Followers};
use crate::message::proto::peer_server::Peer;
use crate::message::{
    channel, from_bounds, from_error, from_position, from_record, from_refusal, proto, to_event, to_position, to_read,
    unreadable,
};
use crate::ownership::Losses;
use crate::watching::Watching;
use antiphon_core::limits::{
    FOLLOW_LOOKUPS, FOLLOW_MESSAGE_CHANNELS, FOLLOW_TAIL_INTERVAL, MAX_APPEND_EVENTS, PEER_READ_BYTES, PEER_READ_EVENTS,
};
use antiphon_core::{AnswerError, ChannelName, Log, LogError, OwnedShards, Position, ReadLimit, Shard};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use std::sync::{Arc, OnceLock};
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tonic::{Request, Response, Status, Streaming};

/// The called side of everything.
pub(crate) struct Service {
    pub(crate) engine: Arc<OnceLock<Arc<dyn Log>>>,
    pub(crate) answer: Arc<OnceLock<Answer>>,
    pub(crate) owned: OwnedShards,
    /// Whether the engine follows the whole log, so that it can be read here though the shard is another's.
    pub(crate) has_copy: bool,
    pub(crate) followers: Arc<Followers>,
    pub(crate) watching: Arc<Watching>,
    pub(crate) losses: Arc<Losses>,
    pub(crate) stopped: CancellationToken,
}

impl Service {
    /// The engine, if the channel is this process's, or a copy of it will do.
    fn engine(&self, channel: &ChannelName, from_any_copy: bool) -> Result<&Arc<dyn Log>, LogError> {
        let is_owner = self.owned.epoch_of(channel).is_some();
        if !(is_owner || from_any_copy && self.has_copy) {
            return Err(LogError::NotOwner);
        }
        self.engine.get().ok_or(LogError::NotOwner)
    }

    async fn appended(&self, channel: &ChannelName, events: Vec<proto::Event>) -> Result<Vec<Position>, Refused> {
        if channel.is_room() || events.len() > MAX_APPEND_EVENTS {
            return Err(unreadable("an append that processes may hand on").into());
        }
        let events = events.into_iter().map(to_event).collect::<Result<_, _>>()?;
        Ok(self.engine(channel, false)?.append(channel, events).await?)
    }
}

/// A refusal to reply with, or a call that makes no sense.
enum Refused {
    Reply(LogError),
    Call(Status),
}

impl From<LogError> for Refused {
    fn from(error: LogError) -> Self {
        Self::Reply(error)
    }
}

impl From<Status> for Refused {
    fn from(status: Status) -> Self {
        Self::Call(status)
    }
}

fn reply<T, R>(
    result: Result<T, Refused>,
    done: impl FnOnce(T) -> R,
    refused: impl FnOnce(proto::Refused) -> R,
) -> Result<Response<R>, Status> {
    match result {
        Ok(value) => Ok(Response::new(done(value))),
        Err(Refused::Reply(error)) => Ok(Response::new(refused(from_error(error)))),
        Err(Refused::Call(status)) => Err(status),
    }
}

#[tonic::async_trait]
impl Peer for Service {
    async fn append(&self, request: Request<proto::AppendRequest>) -> Result<Response<proto::AppendReply>, Status> {
        let proto::AppendRequest { channel: name, events } = request.into_inner();
        let appended = self.appended(&channel(&name)?, events).await;
        let done = |positions: Vec<Position>| proto::AppendReply {
            positions: positions.iter().map(from_position).collect(),
            refused: None,
        };
        reply(appended, done, |refused| proto::AppendReply { refused: Some(refused), ..Default::default() })
    }

    async fn read(&self, request: Request<proto::ReadRequest>) -> Result<Response<proto::ReadReply>, Status> {
        let request = request.into_inner();
        let channel = channel(&request.channel)?;
        let from = to_read(&channel, request.after.as_ref())?;
        let within = |asked: u64, most: usize| usize::try_from(asked).map_or(most, |asked| asked.min(most));
        let limit = ReadLimit {
            events: within(request.events, PEER_READ_EVENTS),
            bytes: within(request.bytes, PEER_READ_BYTES),
        };
        let read = async { Ok(self.engine(&channel, request.from_any_copy)?.read(&channel, from, limit).await?) };
        reply(
            read.await,
            |records| proto::ReadReply { records: records.iter().map(from_record).collect(), refused: None },
            |refused| proto::ReadReply { refused: Some(refused), ..Default::default() },
        )
    }

    async fn bounds(&self, request: Request<proto::BoundsRequest>) -> Result<Response<proto::BoundsReply>, Status> {
        let request = request.into_inner();
        let channel = channel(&request.channel)?;
        let bounds = async { Ok(self.engine(&channel, request.from_any_copy)?.bounds(&channel).await?) };
        let refused = |refused| proto::BoundsReply { refused: Some(refused), ..Default::default() };
        reply(bounds.await, |bounds| from_bounds(&bounds), refused)
    }

    async fn trim(&self, request: Request<proto::TrimRequest>) -> Result<Response<proto::TrimReply>, Status> {
        let request = request.into_inner();
        let channel = channel(&request.channel)?;
        let through = to_position(&channel, request.through.as_ref())?;
        let trimmed = async { Ok(self.engine(&channel, false)?.trim(&channel, through).await?) };
        let refused = |refused| proto::TrimReply { refused: Some(refused) };
        reply(trimmed.await, |()| proto::TrimReply { refused: None }, refused)
    }

    async fn ask(&self, request: Request<proto::AskRequest>) -> Result<Response<proto::AskReply>, Status> {
        use proto::ask_reply::Outcome;
        let proto::AskRequest { channel: name, question } = request.into_inner();
        let answer =
            self.answer.get().filter(|_| channel(&name).is_ok_and(|name| self.owned.epoch_of(&name).is_some()));
        let outcome = match answer {
            None => Outcome::NotOwner(proto::Nothing {}),
            Some(answer) => match answer(question).await {
                Ok(answer) => Outcome::Answer(answer),
                Err(AnswerError::Refused(refusal)) => Outcome::Refusal(from_refusal(refusal)),
                Err(AnswerError::NotOwner) => Outcome::NotOwner(proto::Nothing {}),
            },
        };
        Ok(Response::new(proto::AskReply { outcome: Some(outcome) }))
    }

    type FollowStream = BoxStream<'static, Result<proto::FollowReply, Status>>;

    async fn follow(
        &self,
        request: Request<Streaming<proto::FollowRequest>>,
    ) -> Result<Response<Self::FollowStream>, Status> {
        let mut requests = request.into_inner();
        let first = requests.message().await?.ok_or_else(|| unreadable("what to follow"))?;
        let shard = Shard(u16::try_from(first.shard).map_err(|_| unreadable("a shard"))?);
        let Some(engine) = self.engine.get().filter(|_| self.owned.epoch(shard).is_some()) else {
            let last = proto::FollowReply { not_owner: true, ..Default::default() };
            return Ok(Response::new(futures::stream::iter([Ok(last)]).boxed()));
        };
        let follower = self.followers.add(shard);
        let following = Following { followers: self.followers.clone(), follower: follower.clone() };
        let ended = self.stopped.child_token();
        let taking = take_requests(first, requests, follower, shard, self.owned.clone(), engine.clone());
        let reader = AbortOnDropHandle::new(tokio::spawn(cancelled_after(taking, ended.clone())));
        let replies = replies(following, self.owned.clone(), shard, ended, reader);
        Ok(Response::new(replies.boxed()))
    }

    async fn supersede(&self, request: Request<proto::SupersedeRequest>) -> Result<Response<proto::Nothing>, Status> {
        let proto::SupersedeRequest { shard, epoch } = request.into_inner();
        let shard = u16::try_from(shard).ok().map(Shard).filter(|shard| shard.0 < self.owned.sharding().count());
        self.losses.supersede(shard.ok_or_else(|| unreadable("a shard"))?, epoch);
        Ok(Response::new(proto::Nothing {}))
    }

    async fn watching(
        &self,
        request: Request<proto::WatchingRequest>,
    ) -> Result<Response<proto::WatchingReply>, Status> {
        let known = self.watching.take(request.get_ref());
        Ok(Response::new(proto::WatchingReply { known }))
    }
}

/// Follows until it is dropped.
struct Following {
    followers: Arc<Followers>,
    follower: Arc<Follower>,
}

impl Drop for Following {
    fn drop(&mut self) {
        self.followers.remove(&self.follower);
    }
}

async fn cancelled_after(task: impl Future<Output = ()>, ended: CancellationToken) {
    task.await;
    ended.cancel();
}

/// Takes what a follower asks for, until it stops asking.
async fn take_requests(
    first: proto::FollowRequest,
    mut requests: Streaming<proto::FollowRequest>,
    follower: Arc<Follower>,
    shard: Shard,
    owned: OwnedShards,
    engine: Arc<dyn Log>,
) {
    let mut next = Some(first);
    while let Some(proto::FollowRequest { follow, unfollow, .. }) = next {
        let of_shard = |names: Vec<String>| -> Vec<ChannelName> {
            let channels = names.iter().take(FOLLOW_MESSAGE_CHANNELS).filter_map(|name| ChannelName::parse(name).ok());
            channels.filter(|channel| owned.sharding().shard_of(channel) == shard).collect()
        };
        follower.unfollow(&of_shard(unfollow));
        let follow = of_shard(follow);
        if !follower.follow(&follow) {
            tracing::warn!(%shard, "a process follows more channels than are allowed, and is cut off");
            return;
        }
        // Looked up after following, so that nothing falls between.
        let ends = futures::stream::iter(follow).map(|channel| {
            let engine = &engine;
            async move { engine.bounds(&channel).await.map(|bounds| (channel, bounds.end)) }
        });
        let ends: Vec<_> = ends.buffer_unordered(FOLLOW_LOOKUPS).collect().await;
        // One that cannot be looked up is told by its next record, or when the stream is opened again.
        follower.tell_ends(ends.into_iter().flatten().filter(|(_, end)| end.number > 0).collect());
        next = requests.message().await.ok().flatten();
    }
}

/// What is said to one follower. Whatever it holds goes when it is dropped.
struct Replies {
    following: Following,
    lost: futures::future::BoxFuture<'static, ()>,
    ended: CancellationToken,
    tick: Interval,
    is_over: bool,
    _reader: AbortOnDropHandle<()>,
}

fn replies(
    following: Following,
    owned: OwnedShards,
    shard: Shard,
    ended: CancellationToken,
    reader: AbortOnDropHandle<()>,
) -> impl Stream<Item = Result<proto::FollowReply, Status>> + Send {
    let mut shards = owned.watch();
    let lost = Box::pin(async move {
        // An error would say that nothing is owned any more.
        let _ = shards.wait_for(|owned| !owned.contains_key(&shard)).await;
    });
    let mut tick = tokio::time::interval(FOLLOW_TAIL_INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let replies = Replies { following, lost, ended, tick, is_over: false, _reader: reader };
    futures::stream::unfold(replies, |mut replies| async move {
        if replies.is_over {
            return None;
        }
        let follower = replies.following.follower.clone();
        let due = tokio::select! {
            biased;
            () = replies.ended.cancelled() => return None,
            () = &mut replies.lost => None,
            _ = replies.tick.tick() => Some(follower.due(true)),
            () = follower.something() => Some(follower.due(false)),
        };
        replies.is_over = due.is_none();
        Some((Ok(follow_reply(due)), replies))
    })
}

fn follow_reply(due: Option<Due>) -> proto::FollowReply {
    let Some(Due { is_lost, records, tails }) = due else {
        return proto::FollowReply { not_owner: true, ..Default::default() };
    };
    let tail = |(channel, end): (ChannelName, Position)| proto::Tail {
        channel: channel.as_str().to_owned(),
        end: Some(from_position(&end)),
    };
    proto::FollowReply {
        lost: is_lost,
        records: records.iter().map(from_record).collect(),
        tails: tails.into_iter().map(tail).collect(),
        not_owner: false,
    }
}
