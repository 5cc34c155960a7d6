//! What every engine must do, whatever it stores in: one entry, [`run_all`], through which each engine is run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a suite fails by panicking")]

mod order;
mod places;
mod retention;

use crate::plain_event::{event, event_with_id, numbers, texts};
use antiphon_core::{ChannelName, Log, NamespaceSettings, OnCommit, Position, ReadFrom, ReadLimit, Record, Retention};
use futures::future::BoxFuture;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Something the engine is asked to do beside the log's own methods.
pub type Hook = Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// What an engine promises of one namespace. The suite declares the namespace as this says.
#[derive(Clone, Copy, Debug)]
pub struct Promise {
    /// The namespace that the suite uses.
    pub namespace: &'static str,
    /// True for a namespace that is declared ephemeral.
    pub is_ephemeral: bool,
    /// True if events are there again when the engine is closed and opened with the same folder.
    pub survives_restart: bool,
    /// What `Log::is_durable` must say.
    pub is_durable: bool,
}

/// What an engine is opened with.
pub struct Setting {
    /// An empty folder, or the one of the opening before. An engine that stores elsewhere takes its name as a key.
    pub folder: PathBuf,
    /// The declared namespaces.
    pub namespaces: HashMap<String, NamespaceSettings>,
    /// Must be told of every committed record.
    pub on_commit: OnCommit,
}

/// An open engine.
pub struct Opened {
    /// The log.
    pub log: Arc<dyn Log>,
    /// Enforces retention now.
    pub enforce_retention: Hook,
    /// Closes the engine in order; what is opened with the same folder afterwards is its successor.
    pub close: Hook,
}

/// Runs the whole suite against an engine. Panics at the first thing that is not so.
pub async fn run_all<Make>(promise: Promise, make: Make)
where
    Make: Fn(Setting) -> BoxFuture<'static, Opened> + Send + std::marker::Sync + 'static,
{
    let make: Arc<Make> = Arc::new(make);
    let bench = || Bench {
        promise,
        make: Box::new({
            let make = make.clone();
            move |setting| make(setting)
        }),
        folder: tempfile::tempdir().expect("a folder for the engine"),
    };
    order::numbers_are_dense_and_reads_in_order(bench()).await;
    order::an_array_is_one_and_stays_together(bench()).await;
    order::appenders_at_once_leave_no_gap_to_readers(bench(), 8).await;
    order::appenders_at_once_leave_no_gap_to_readers(bench(), 64).await;
    order::pages_add_up_to_one_read(bench()).await;
    order::commits_are_told_in_the_order_of_the_log(bench()).await;
    order::a_dropped_append_leaves_nothing_half_done(bench()).await;
    order::what_is_too_large_is_refused_whole(bench()).await;
    places::an_empty_channel_is_one_without_events(bench()).await;
    places::positions_are_checked(bench()).await;
    places::event_ids_are_not_appended_twice(bench()).await;
    places::an_event_id_stands_for_one_event(bench()).await;
    places::a_restart_keeps_what_was_promised(bench()).await;
    retention::a_trim_forgets_and_numbers_go_on(bench()).await;
    retention::event_ids_are_forgotten_with_their_events(bench()).await;
    retention::each_bound_trims_the_oldest(bench()).await;
    retention::a_reader_sees_a_trim_as_expiry_and_never_as_a_gap(bench()).await;
}

/// One case's engine, before it is opened.
struct Bench {
    promise: Promise,
    make: Box<dyn Fn(Setting) -> BoxFuture<'static, Opened> + Send + std::marker::Sync>,
    folder: tempfile::TempDir,
}

/// An engine in a case.
struct Running {
    log: Arc<dyn Log>,
    opened: Opened,
    committed: Arc<Mutex<Vec<Record>>>,
}

const EVERYTHING: Retention = Retention { events: None, age: None, bytes: None };
const NO_LIMIT: ReadLimit = ReadLimit { events: usize::MAX, bytes: usize::MAX };

impl Bench {
    async fn open(&self) -> Running {
        self.open_keeping(EVERYTHING).await
    }

    async fn open_keeping(&self, keep: Retention) -> Running {
        let committed = Arc::new(Mutex::new(Vec::new()));
        let settings = NamespaceSettings { keep, ephemeral: self.promise.is_ephemeral };
        let setting = Setting {
            folder: self.folder.path().to_owned(),
            namespaces: HashMap::from([(self.promise.namespace.to_owned(), settings)]),
            on_commit: Arc::new({
                let committed = committed.clone();
                move |records: &[Record]| committed.lock().extend_from_slice(records)
            }),
        };
        let opened = (self.make)(setting).await;
        assert_eq!(opened.log.health(), Ok(()), "health of a log that was just opened");
        assert_eq!(opened.log.is_durable(self.promise.namespace), self.promise.is_durable);
        Running { log: opened.log.clone(), opened, committed }
    }

    fn channel(&self, id: &str) -> ChannelName {
        ChannelName::new(self.promise.namespace, id).expect("a channel's name")
    }
}

impl Running {
    async fn close(self) {
        (self.opened.close)().await;
    }

    async fn append_texts(&self, channel: &ChannelName, texts: &[&str]) -> Vec<Position> {
        let events = texts.iter().map(|text| event(text)).collect();
        self.log.append(channel, events).await.expect("an append")
    }

    async fn append_numbered(&self, channel: &ChannelName, numbers: std::ops::Range<usize>) -> Vec<Position> {
        let mut positions = Vec::new();
        for number in numbers {
            positions.extend(self.append_texts(channel, &[&number.to_string()]).await);
        }
        positions
    }

    async fn read_all(&self, channel: &ChannelName, from: ReadFrom) -> Vec<Record> {
        self.log.read(channel, from, NO_LIMIT).await.expect("a read")
    }
}
