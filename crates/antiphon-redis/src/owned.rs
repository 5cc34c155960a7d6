//! The shards that this process owns by the log's own word, and how it learns that it no longer does.

use crate::writer::Append;
use antiphon_core::{OnLost, Shard};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// One ownership, as scripts compare it.
#[derive(Debug, PartialEq, Eq)]
pub struct Term {
    pub shard: Shard,
    pub epoch: u32,
    pub incarnation: u32,
    /// Who it is, among all who ever owned the shard.
    pub owner: String,
    /// The server on which it began: after a restart or a failover nobody can tell what it still has.
    pub run_id: String,
}

struct Ownership {
    term: Arc<Term>,
    appends: mpsc::Sender<Append>,
    writer: JoinHandle<()>,
    /// A `begin` is under way, which would end it.
    is_being_replaced: bool,
    /// It ended while that was so.
    has_ended: bool,
}

/// All of them.
pub struct Owned {
    shards: Mutex<HashMap<Shard, Ownership>>,
    on_lost: OnLost,
}

impl Owned {
    pub fn new(on_lost: OnLost) -> Self {
        Self { shards: Mutex::default(), on_lost }
    }

    /// Where the shard's appends go.
    pub fn appends(&self, shard: Shard) -> Option<mpsc::Sender<Append>> {
        let shards = self.shards.lock();
        shards.get(&shard).filter(|ownership| !ownership.has_ended).map(|ownership| ownership.appends.clone())
    }

    pub fn term(&self, shard: Shard) -> Option<Arc<Term>> {
        let shards = self.shards.lock();
        shards.get(&shard).filter(|ownership| !ownership.has_ended).map(|ownership| ownership.term.clone())
    }

    pub fn terms(&self) -> Vec<Arc<Term>> {
        self.shards.lock().values().map(|ownership| ownership.term.clone()).collect()
    }

    /// A `begin` is tried: an end that it causes is no loss.
    pub fn replacing(&self, shard: Shard) {
        if let Some(ownership) = self.shards.lock().get_mut(&shard) {
            ownership.is_being_replaced = true;
        }
    }

    /// It did not succeed.
    pub fn not_replaced(&self, shard: Shard) {
        let mut shards = self.shards.lock();
        let Some(ownership) = shards.get_mut(&shard) else { return };
        ownership.is_being_replaced = false;
        if ownership.has_ended {
            let epoch = ownership.term.epoch;
            shards.remove(&shard);
            drop(shards);
            (self.on_lost)(shard, epoch);
        }
    }

    /// It did.
    pub fn insert(&self, term: Arc<Term>, appends: mpsc::Sender<Append>, writer: JoinHandle<()>) {
        let ownership = Ownership { appends, writer, is_being_replaced: false, has_ended: false, term };
        self.shards.lock().insert(ownership.term.shard, ownership);
    }

    /// This process ends it; what is returned ends once its appends are answered.
    pub fn remove(&self, shard: Shard) -> Option<JoinHandle<()>> {
        self.shards.lock().remove(&shard).map(|ownership| ownership.writer)
    }

    /// Nothing is owned any more, and nobody is told.
    pub fn clear(&self) {
        self.shards.lock().clear();
    }

    /// The log ended it.
    pub fn lose(&self, term: &Term, why: &str) {
        let mut shards = self.shards.lock();
        match shards.get_mut(&term.shard).filter(|ownership| *ownership.term == *term) {
            Some(ownership) if ownership.is_being_replaced => ownership.has_ended = true,
            Some(_) => {
                shards.remove(&term.shard);
                drop(shards);
                tracing::warn!("shard {} is no longer ours in epoch {}: {why}", term.shard, term.epoch);
                (self.on_lost)(term.shard, term.epoch);
            }
            None => {}
        }
    }

    /// A notice of the log bears this epoch.
    pub fn saw_epoch(&self, shard: Shard, epoch: u32) {
        if let Some(term) = self.term(shard)
            && term.epoch < epoch
        {
            self.lose(&term, "a later epoch has begun");
        }
    }
}
