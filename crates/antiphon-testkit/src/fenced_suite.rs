//! What every engine that several processes write must do: one entry, [`run_all`], through which each engine is run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a suite fails by panicking")]

mod in_flight;
mod ownership;
mod takeover;

use crate::log_suite::Hook;
use crate::plain_event::{event, event_with_id, numbers, texts};
use antiphon_core::{
    ChannelName, Fenced, Log, LogError, NamespaceSettings, OnCommit, OnLost, Position, ReadFrom, ReadLimit, Record,
    Retention, Shard, Sharding,
};
use futures::future::BoxFuture;
use parking_lot::Mutex;
use rand::RngCore;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What an engine promises of one namespace. The suite declares the namespace as this says.
#[derive(Clone, Copy, Debug)]
pub struct Promise {
    /// The namespace that the suite uses.
    pub namespace: &'static str,
    /// True if the processes of a deployment share the log, so that it outlives each owner. Where it is false, an ownership
    /// begins with an empty log, and what takes two processes is not run.
    pub survives_owner: bool,
    /// What `Log::is_durable` must say.
    pub is_durable: bool,
}

/// What one process of a deployment opens its engine with.
pub struct Setting {
    /// Which deployment: a name that no other case has, fit for a topic's name or a key's prefix.
    pub deployment: String,
    /// Which process of it, from 0. One that was closed may be opened again.
    pub process: usize,
    /// The process's own folder: empty, or as its opening before left it.
    pub folder: PathBuf,
    /// The declared namespaces.
    pub namespaces: HashMap<String, NamespaceSettings>,
    /// Must be told of every committed record once, in order; of channels that were asked for only, where
    /// [`Opened::follow`] means something.
    pub on_commit: OnCommit,
    /// Must be told when the log ended an ownership.
    pub on_lost: OnLost,
    /// Which channel is in which shard.
    pub sharding: Sharding,
}

/// Asks for a channel's records.
pub type Follow = Box<dyn Fn(&ChannelName) + Send + Sync>;

/// An open engine of one process, which owns nothing. It follows the log: what is committed from now on is told.
pub struct Opened {
    /// The log.
    pub log: Arc<dyn Log>,
    /// The same engine's ownerships.
    pub fenced: Arc<dyn Fenced>,
    /// Asks for a channel on this process's `on_commit`; has nothing to do where all channels are told.
    pub follow: Follow,
    /// Closes the engine in order.
    pub close: Hook,
}

/// Runs the whole suite against an engine. Panics at the first thing that is not so.
pub async fn run_all<Make>(promise: Promise, make: Make)
where
    Make: Fn(Setting) -> BoxFuture<'static, Opened> + Send + Sync + 'static,
{
    let make: Arc<Make> = Arc::new(make);
    let bench = |case: &str| Bench {
        promise,
        make: Box::new({
            let make = make.clone();
            move |setting| make(setting)
        }),
        folder: tempfile::tempdir().expect("a folder for the engines"),
        deployment: format!("{case}-{:016x}", rand::rng().next_u64()),
    };
    ownership::appends_are_taken_between_begin_and_end_only(bench("between")).await;
    ownership::epochs_grow(bench("epochs")).await;
    ownership::an_owner_may_end_and_begin_again(bench("again")).await;
    ownership::commits_are_told_in_order(bench("told")).await;
    if !promise.survives_owner {
        println!("SKIPPED: takeovers between processes, as each process of this engine has a log of its own");
        return;
    }
    takeover::a_former_owner_is_refused_and_told(bench("former")).await;
    takeover::a_void_begin_ends_no_ownership(bench("void")).await;
    takeover::the_next_owner_goes_on_where_the_last_one_was(bench("next")).await;
    takeover::a_position_is_good_in_every_process(bench("positions")).await;
    takeover::event_ids_are_known_to_the_next_owner(bench("ids")).await;
    takeover::a_trim_is_seen_by_all(bench("trim")).await;
    takeover::a_process_that_was_closed_goes_on(bench("closed")).await;
    takeover::a_late_follower_reads_all(bench("late")).await;
    in_flight::appends_in_flight_are_there_once_or_not_at_all(bench("flight")).await;
}

/// One case's deployment, before any process is opened.
struct Bench {
    promise: Promise,
    make: Box<dyn Fn(Setting) -> BoxFuture<'static, Opened> + Send + Sync>,
    folder: tempfile::TempDir,
    deployment: String,
}

/// A process in a case.
struct Process {
    log: Arc<dyn Log>,
    fenced: Arc<dyn Fenced>,
    opened: Opened,
    committed: Arc<Mutex<Vec<Record>>>,
    lost: Arc<Mutex<Vec<(Shard, u32)>>>,
}

const SHARDS: u16 = 4;
const EVERYTHING: Retention = Retention { events: None, age: None, bytes: None };
const NO_LIMIT: ReadLimit = ReadLimit { events: usize::MAX, bytes: usize::MAX };
/// How long a process that does not own a shard may be behind it, and an owner may take to notice that it no longer is.
const PATIENCE: Duration = Duration::from_secs(30);

impl Bench {
    async fn open(&self, process: usize) -> Process {
        let (committed, lost) = (Arc::<Mutex<Vec<Record>>>::default(), Arc::<Mutex<Vec<_>>>::default());
        let folder = self.folder.path().join(process.to_string());
        std::fs::create_dir_all(&folder).expect("a folder for the process");
        let settings = NamespaceSettings { keep: EVERYTHING, ephemeral: false };
        let setting = Setting {
            deployment: self.deployment.clone(),
            process,
            folder,
            namespaces: HashMap::from([(self.promise.namespace.to_owned(), settings)]),
            on_commit: Arc::new({
                let committed = committed.clone();
                move |records: &[Record]| committed.lock().extend_from_slice(records)
            }),
            on_lost: Arc::new({
                let lost = lost.clone();
                move |shard, epoch| lost.lock().push((shard, epoch))
            }),
            sharding: sharding(),
        };
        let opened = (self.make)(setting).await;
        assert_eq!(opened.log.health(), Ok(()), "health of a log that was just opened");
        assert_eq!(opened.log.is_durable(self.promise.namespace), self.promise.is_durable);
        Process { log: opened.log.clone(), fenced: opened.fenced.clone(), opened, committed, lost }
    }

    /// The first channels of one shard.
    fn channels(&self, shard: Shard, count: usize) -> Vec<ChannelName> {
        let name =
            |number: u32| ChannelName::new(self.promise.namespace, &number.to_string()).expect("a channel's name");
        (0..).map(name).filter(|channel| sharding().shard_of(channel) == shard).take(count).collect()
    }

    fn channel(&self, shard: Shard) -> ChannelName {
        self.channels(shard, 1).remove(0)
    }
}

impl Process {
    async fn begin(&self, shard: Shard, epoch: u32) {
        self.fenced.begin(shard, epoch).await.unwrap_or_else(|error| panic!("begin of {shard} in {epoch}: {error}"));
    }

    async fn append(&self, channel: &ChannelName, texts: &[&str]) -> Vec<Position> {
        let events = texts.iter().map(|text| event(text)).collect();
        self.log.append(channel, events).await.expect("an append of the owner")
    }

    async fn append_numbered(&self, channel: &ChannelName, numbers: std::ops::Range<usize>) -> Vec<Position> {
        let mut positions = Vec::new();
        for number in numbers {
            positions.extend(self.append(channel, &[&number.to_string()]).await);
        }
        positions
    }

    /// One read of all that follows.
    async fn read(&self, channel: &ChannelName, from: ReadFrom) -> Vec<Record> {
        self.log.read(channel, from, NO_LIMIT).await.expect("a read")
    }

    /// Reads all that follows once this process has `last`: one that does not own the shard may be behind.
    async fn read_through(&self, channel: &ChannelName, from: ReadFrom, last: Position) -> Vec<Record> {
        let since = Instant::now();
        loop {
            let read = self.log.read(channel, from, NO_LIMIT).await;
            match read {
                Ok(records) if records.last().is_some_and(|record| record.position >= last) => return records,
                Ok(records) if records.is_empty() && from == ReadFrom::After(last) => return records,
                Ok(_) | Err(LogError::Unavailable { .. }) if since.elapsed() < PATIENCE => {}
                other => panic!("{last:?} is not there: {:?}", other.map(|records| numbers(&records))),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// What this process was told of a channel.
    fn told(&self, channel: &ChannelName) -> Vec<Record> {
        let mut told = self.committed.lock().clone();
        told.retain(|record| record.channel == *channel);
        told
    }

    async fn close(self) {
        (self.opened.close)().await;
    }
}

fn sharding() -> Sharding {
    Sharding::new(SHARDS).expect("a count of shards")
}

async fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < PATIENCE, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn positions(records: &[Record]) -> Vec<Position> {
    records.iter().map(|record| record.position).collect()
}
