//! The engine: the log in Redis, and what its parts share.

use crate::connect::within;
use crate::follower::RedisFollower;
use crate::keys::Keys;
use crate::known::{self, Known, Reach};
use crate::link::{Link, Up};
use crate::outage::Outage;
use crate::owned::{Owned, Term};
use crate::reply::{self, unexpected};
use crate::retention::{self, Forget, Overfull};
use crate::target::RedisTarget;
use crate::writer::group::Taken;
use crate::writer::{self, Append};
use crate::{health::Health, script};
use antiphon_core::limits::{
    APPEND_QUEUE, MAX_APPEND_BYTES, MAX_APPEND_EVENTS, MAX_CLIENT_ID_LENGTH, OWNERSHIP_END_TIMEOUT, REDIS_CALL_TIMEOUT,
    REDIS_CONNECT_TIMEOUT, REDIS_NOTICES, REDIS_PROBE_INTERVAL,
};
use antiphon_core::{
    BeginError, Bounds, ChannelName, Event, Fenced, Log, LogError, NamespaceSettings, OnCommit, OnLost, Position,
    ReadFrom, ReadLimit, Record, Shard, Sharding,
};
use redis::{ErrorKind, FromRedisValue, RedisError, RedisResult, ServerErrorKind, Value};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio_util::task::AbortOnDropHandle;

/// What holds for a namespace.
pub type Settings = Arc<dyn Fn(&str) -> NamespaceSettings + Send + Sync>;

/// How to open a [`RedisLog`].
#[derive(Clone)]
pub struct RedisOptions {
    /// Which Redis.
    pub target: RedisTarget,
    /// Which channel is in which shard.
    pub sharding: Sharding,
    /// What each namespace keeps.
    pub settings: Settings,
    /// Told of every record that this process commits, in order. Must not block. What other processes commit comes by
    /// [`RedisLog::follower`].
    pub on_commit: OnCommit,
    /// Told of an ownership that the log ended. Must not block.
    pub on_lost: OnLost,
    /// The highest incarnation that any shard is known to have had; a Redis that has lost a shard begins above it.
    pub incarnation_floor: u32,
    /// What holds where Redis does not let its settings be read: whether it syncs its log before it answers.
    pub is_durable_unless_known: bool,
    /// How long an append may take before it fails.
    pub append_timeout: Duration,
}

/// Why a log could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Redis does not answer, or not to us.
    #[error("no connection to Redis comes about: {0}")]
    Unreachable(String),
    /// It is too old.
    #[error("Redis {major}.{minor} is too old: use 6.2 or newer")]
    Version {
        /// The first part of its version.
        major: u32,
        /// The second.
        minor: u32,
    },
}

/// What the engine's parts share.
pub struct Shared {
    pub keys: Keys,
    pub link: Link,
    pub known: Arc<Known>,
    pub owned: Arc<Owned>,
    pub sharding: Sharding,
    pub settings: Settings,
    pub on_commit: OnCommit,
    pub follower: Arc<RedisFollower>,
    pub retention: Overfull,
    pub health: Health,
    pub call_timeout: Duration,
    owner: String,
    incarnation_floor: u32,
    is_durable_unless_known: bool,
    /// Behind sentinels a failover loses what the replica has not had yet.
    may_fail_over: bool,
    was_durable: AtomicBool,
    /// Held while a shard is begun or ended.
    lifecycles: Vec<Mutex<()>>,
}

/// The log in Redis Streams. Reads go to Redis from every process; appends are taken where the shard was begun.
pub struct RedisLog {
    shared: Arc<Shared>,
    _tasks: [AbortOnDropHandle<()>; 2],
}

impl RedisLog {
    /// Connects.
    ///
    /// # Errors
    /// Where Redis cannot be reached or used.
    pub async fn open(options: RedisOptions) -> Result<Self, OpenError> {
        let RedisOptions { target, sharding, .. } = options;
        let outage = Arc::new(Outage::new("the log", target.clone()));
        let link = Link::new(target.clone(), outage.clone());
        let mut state = link.watch();
        let up = tokio::time::timeout(2 * REDIS_CONNECT_TIMEOUT, state.wait_for(Result::is_ok)).await;
        let up = match up {
            Ok(Ok(state)) => state.clone().map_err(OpenError::Unreachable)?,
            _ => {
                return Err(OpenError::Unreachable(link.up().err().map(|error| error.to_string()).unwrap_or_default()));
            }
        };
        let (major, minor) = up.server.version;
        if (major, minor) < (6, 2) {
            return Err(OpenError::Version { major, minor });
        }
        let known = Arc::new(Known::new(sharding));
        let owned = Arc::new(Owned::new(options.on_lost));
        let follower = RedisFollower::new(target.clone(), outage, sharding, known.clone(), owned.clone());
        let shared = Arc::new(Shared {
            keys: Keys::new(&target.prefix),
            link,
            known,
            owned,
            sharding,
            settings: options.settings,
            on_commit: options.on_commit,
            follower: Arc::new(follower),
            retention: Overfull::default(),
            health: Health::default(),
            call_timeout: options.append_timeout,
            owner: uuid::Uuid::new_v4().simple().to_string(),
            incarnation_floor: options.incarnation_floor,
            is_durable_unless_known: options.is_durable_unless_known,
            may_fail_over: target.master.is_some(),
            was_durable: AtomicBool::new(false),
            lifecycles: sharding.all().map(|_| Mutex::default()).collect(),
        });
        let tasks = [
            AbortOnDropHandle::new(tokio::spawn(retention::run(Arc::downgrade(&shared)))),
            AbortOnDropHandle::new(tokio::spawn(look(Arc::downgrade(&shared)))),
        ];
        Ok(Self { shared, _tasks: tasks })
    }

    /// The live path that belongs to this log.
    pub fn follower(&self) -> Arc<RedisFollower> {
        self.shared.follower.clone()
    }

    /// Which log a shard is, as far as this process has seen.
    pub fn incarnation(&self, shard: Shard) -> Option<u32> {
        Some(self.shared.known.of(shard).incarnation).filter(|incarnation| *incarnation > 0)
    }

    /// Forgets now what is over its bounds, in the shards that this process owns.
    ///
    /// # Errors
    /// Where Redis does not answer.
    pub async fn enforce_retention(&self) -> Result<(), LogError> {
        self.shared.sweep().await
    }

    /// Ends every ownership; appends under way are answered.
    pub async fn close(&self) {
        for term in self.shared.owned.terms() {
            self.end(term.shard).await;
        }
    }
}

impl Drop for RedisLog {
    fn drop(&mut self) {
        // Their writers hold what is shared, and end with them.
        self.shared.owned.clear();
    }
}

/// Looks each second whether the owned shards are still what they were.
async fn look(shared: Weak<Shared>) {
    loop {
        tokio::time::sleep(REDIS_PROBE_INTERVAL).await;
        let Some(shared) = shared.upgrade() else { return };
        for term in shared.owned.terms() {
            // Where nothing is appended nobody else finds out.
            if shared.link.up().is_ok_and(|up| up.server.run_id != term.run_id) {
                shared.owned.lose(&term, "Redis was started anew, or is another one");
                continue;
            }
            let before = shared.known.of(term.shard);
            let Ok(hash) = shared.query::<Vec<Option<String>>>(&known::ask(&shared.keys, term.shard)).await else {
                break;
            };
            let is = |at: usize, expected: &str| hash.get(at).and_then(Option::as_deref) == Some(expected);
            let counter = hash.get(1).and_then(Option::as_deref).and_then(|counter| counter.parse().ok());
            let reach = Reach { incarnation: term.incarnation, counter: counter.unwrap_or(0) };
            let is_ours = is(0, &term.incarnation.to_string()) && is(2, &term.epoch.to_string()) && is(3, &term.owner);
            if !is_ours || (before.incarnation == term.incarnation && reach < before) {
                shared.owned.lose(&term, "Redis says otherwise");
            }
        }
    }
}

impl Shared {
    /// One command on the shared connection.
    pub async fn query<T: FromRedisValue>(&self, command: &redis::Cmd) -> Result<T, LogError> {
        let up = self.link.up()?;
        let mut connection = up.connection.clone();
        let answer = within(REDIS_CALL_TIMEOUT, command.query_async(&mut connection)).await;
        answer.map_err(|error| self.failed(&up, &error))
    }

    /// A call failed.
    pub fn failed(&self, up: &Up, error: &RedisError) -> LogError {
        let is_replica_now = error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly);
        if error.is_timeout() || error.is_unrecoverable_error() || is_replica_now {
            up.give_up();
        }
        LogError::Unavailable { reason: error.to_string() }
    }

    /// Whether an append has brought its channel over what is kept.
    pub fn is_over_bounds(&self, channel: &ChannelName, taken: &Taken) -> bool {
        let keep = (self.settings)(channel.namespace()).keep;
        keep.events.is_some_and(|events| taken.kept_events > events)
            || keep.bytes.is_some_and(|bytes| taken.kept_bytes > bytes)
    }

    async fn begin_term(&self, shard: Shard, epoch: u32) -> Result<(Term, Reach), BeginError> {
        let up = self.link.up()?;
        let seen = self.known.of(shard);
        // A failover may lose what was acknowledged; what a single server syncs it keeps.
        let keeps = up.server.is_durable(self.is_durable_unless_known) && !self.may_fail_over;
        let mut script = script::BEGIN.prepare_invoke();
        script.key(self.keys.shard(shard)).key(self.keys.notices(shard)).arg(epoch).arg(&self.owner);
        script.arg(seen.incarnation).arg(seen.counter).arg(self.incarnation_floor).arg(&up.server.run_id);
        script.arg(&up.server.earlier_replication_id).arg(u8::from(keeps)).arg(REDIS_NOTICES);
        script.arg(&up.server.replication_id);
        let mut connection = up.connection.clone();
        let answer: RedisResult<Value> = within(REDIS_CALL_TIMEOUT, script.invoke_async(&mut connection)).await;
        let parsed = answer.and_then(parse_begin).map_err(|error| self.failed(&up, &error))?;
        let reach = parsed.map_err(|epoch| BeginError::Superseded { epoch })?;
        self.known.saw(shard, reach);
        let (owner, run_id) = (self.owner.clone(), up.server.run_id.clone());
        Ok((Term { shard, epoch, incarnation: reach.incarnation, owner, run_id }, reach))
    }
}

fn parse_begin(answer: Value) -> RedisResult<Result<Reach, u32>> {
    let items = reply::items(answer)?;
    match items.as_slice() {
        [_, epoch] => Ok(Err(reply::number(epoch)?)),
        [_, incarnation, counter] => {
            Ok(Ok(Reach { incarnation: reply::number(incarnation)?, counter: reply::number(counter)? }))
        }
        _ => Err(unexpected()),
    }
}

#[async_trait::async_trait]
impl Log for RedisLog {
    async fn append(&self, channel: &ChannelName, events: Vec<Event>) -> Result<Vec<Position>, LogError> {
        check_size(&events)?;
        let same_as = same_as(&events)?;
        let shard = self.shared.sharding.shard_of(channel);
        let appends = self.shared.owned.appends(shard).ok_or(LogError::NotOwner)?;
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let (answer, answered) = oneshot::channel();
        let repeats = vec![None; events.len()];
        let append = Append { channel: channel.clone(), events, same_as, repeats, answer };
        appends.send(append).await.map_err(|_| LogError::NotOwner)?;
        answered
            .await
            .unwrap_or_else(|_| Err(LogError::Unavailable { reason: "the ownership of the shard ended".to_owned() }))
    }

    async fn read(&self, channel: &ChannelName, from: ReadFrom, limit: ReadLimit) -> Result<Vec<Record>, LogError> {
        self.shared.read_channel(channel, from, limit).await
    }

    async fn bounds(&self, channel: &ChannelName) -> Result<Bounds, LogError> {
        self.shared.bounds_of(channel).await
    }

    async fn trim(&self, channel: &ChannelName, through: Position) -> Result<(), LogError> {
        let shard = self.shared.sharding.shard_of(channel);
        let term = self.shared.owned.term(shard).ok_or(LogError::NotOwner)?;
        match self.shared.check(channel, through).await {
            Ok(()) => self.shared.forget(&term, channel, Forget::Through(through.number)).await,
            Err(LogError::Expired) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn is_durable(&self, namespace: &str) -> bool {
        let shared = &self.shared;
        if let Ok(up) = shared.link.up() {
            let is_durable = up.server.is_durable(shared.is_durable_unless_known) && !shared.may_fail_over;
            shared.was_durable.store(is_durable, Ordering::Relaxed);
        }
        !(shared.settings)(namespace).ephemeral && shared.was_durable.load(Ordering::Relaxed)
    }

    fn health(&self) -> Result<(), LogError> {
        self.shared.link.up()?;
        self.shared.health.check()
    }
}

#[async_trait::async_trait]
impl Fenced for RedisLog {
    async fn begin(&self, shard: Shard, epoch: u32) -> Result<(), BeginError> {
        let shared = &self.shared;
        let Some(lifecycle) = shared.lifecycles.get(usize::from(shard.0)) else {
            return Err(LogError::NotOwner.into());
        };
        let _guard = lifecycle.lock().await;
        shared.owned.replacing(shard);
        let (term, reach) = match shared.begin_term(shard, epoch).await {
            Ok(begun) => begun,
            Err(error) => {
                shared.owned.not_replaced(shard);
                return Err(error);
            }
        };
        // Whatever owners before this one wrote is handed over before what this one writes.
        shared.follower.until(shard, reach).await;
        let term = Arc::new(term);
        let (appends, receiver) = mpsc::channel(APPEND_QUEUE);
        let writer = tokio::spawn(writer::run(self.shared.clone(), term.clone(), receiver));
        shared.owned.insert(term, appends, writer);
        Ok(())
    }

    async fn end(&self, shard: Shard) {
        let Some(lifecycle) = self.shared.lifecycles.get(usize::from(shard.0)) else { return };
        let _guard = lifecycle.lock().await;
        if let Some(writer) = self.shared.owned.remove(shard) {
            let _ = tokio::time::timeout(OWNERSHIP_END_TIMEOUT, writer).await;
        }
    }
}

fn check_size(events: &[Event]) -> Result<(), LogError> {
    let bytes = events.iter().map(|event| event.json.len()).sum();
    if bytes > MAX_APPEND_BYTES || events.len() > MAX_APPEND_EVENTS {
        return Err(LogError::TooLarge { bytes, allowed: MAX_APPEND_BYTES });
    }
    // A character takes up to four bytes of UTF-8.
    let allowed = 4 * MAX_CLIENT_ID_LENGTH;
    match events.iter().filter_map(|event| event.event_id.as_ref()).map(String::len).max() {
        Some(bytes) if bytes > allowed => Err(LogError::TooLarge { bytes, allowed }),
        _ => Ok(()),
    }
}

/// Which events say again what one before them in the same array says.
fn same_as(events: &[Event]) -> Result<Vec<Option<usize>>, LogError> {
    let mut first: HashMap<&str, usize> = HashMap::new();
    let mut same_as = Vec::with_capacity(events.len());
    for (place, event) in events.iter().enumerate() {
        // An empty id is none.
        let Some(event_id) = event.event_id.as_deref().filter(|id| !id.is_empty()) else {
            same_as.push(None);
            continue;
        };
        let earlier = *first.entry(event_id).or_insert(place);
        match events.get(earlier) {
            Some(said) if earlier != place && !event.repeats(&said.json) => {
                return Err(LogError::Taken { event_id: event_id.to_owned() });
            }
            _ => same_as.push((earlier != place).then_some(earlier)),
        }
    }
    Ok(same_as)
}
