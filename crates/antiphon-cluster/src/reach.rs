//! Which owners this process reaches: asked in the background, so that whoever wants to know waits for nothing.

use crate::message::proto;
use crate::owners::Owners;
use crate::peers::Failure;
use antiphon_core::Shard;
use antiphon_core::limits::{PEER_CONNECT_TIMEOUT, PEER_PATIENCE, PEER_PROBE_INTERVAL};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap, HashSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::Code;

/// A shard whose channels this process can do nothing for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unserved {
    /// Which.
    pub shard: Shard,
    /// Why not.
    pub why: WhyUnserved,
    /// Whether that is more than a change of owners: calls are refused rather than wait for its end.
    pub lasts: bool,
}

/// Why a shard's channels cannot be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WhyUnserved {
    /// No process owns it.
    NoOwner,
    /// The owner does not take this process's secret.
    Secret,
    /// The owner does not answer.
    Silent,
}

/// The way to the owners, and what was seen of it.
pub(crate) struct Reach {
    owners: Owners,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// What came of asking the processes that own shards, by their addresses.
    asked: HashMap<String, Result<(), WhyUnserved>>,
    /// When each shard was served last.
    served: BTreeMap<Shard, Instant>,
}

impl Reach {
    pub(crate) fn new(owners: Owners) -> Self {
        Self { owners, seen: Mutex::default() }
    }

    /// What is not served now.
    pub(crate) fn unserved(&self) -> Vec<Unserved> {
        let (table, now) = (self.owners.routes.table(), Instant::now());
        let mut seen = self.seen.lock();
        let mut unserved = Vec::new();
        for shard in self.owners.owned.sharding().all() {
            let route =
                table.routes.get(&shard).filter(|route| route.has_lease && *route.process != *self.owners.process);
            let outcome = match route {
                _ if self.owners.owned.epoch(shard).is_some() => Ok(()),
                Some(route) => seen.asked.get(&route.address).copied().unwrap_or(Err(WhyUnserved::Silent)),
                None => Err(WhyUnserved::NoOwner),
            };
            match outcome {
                Ok(()) => drop(seen.served.insert(shard, now)),
                Err(why) => {
                    let is_over = seen.served.get(&shard).is_none_or(|at| now - *at >= PEER_PATIENCE);
                    unserved.push(Unserved { shard, why, lasts: is_over || why == WhyUnserved::Secret });
                }
            }
        }
        unserved
    }

    /// Asks the owners whether they answer, now and then and whenever they change, until stopped.
    pub(crate) async fn run(&self, stopped: &CancellationToken) {
        let mut routes = self.owners.routes.watch();
        loop {
            let table = routes.borrow_and_update().clone();
            let others = table.routes.values().filter(|route| *route.process != *self.owners.process);
            let addresses: HashSet<&str> =
                others.filter(|route| route.has_lease).map(|route| route.address.as_str()).collect();
            let asking =
                addresses.into_iter().map(|address| async move { (address.to_owned(), self.ask(address).await) });
            let asked = tokio::select! {
                () = stopped.cancelled() => return,
                asked = futures::future::join_all(asking) => asked,
            };
            self.seen.lock().asked = asked.into_iter().collect();
            self.unserved();
            tokio::select! {
                () = stopped.cancelled() => return,
                () = tokio::time::sleep(PEER_PROBE_INTERVAL) => {}
                Ok(()) = routes.changed() => {}
            }
        }
    }

    async fn ask(&self, address: &str) -> Result<(), WhyUnserved> {
        let mut client = self.owners.peers.client(address).map_err(|_| WhyUnserved::Silent)?;
        // Of no process: a call that changes nothing there.
        let asking = client.watching(proto::WatchingRequest::default());
        match tokio::time::timeout(PEER_CONNECT_TIMEOUT * 2, asking).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(status)) if status.code() == Code::Unauthenticated => Err(WhyUnserved::Secret),
            Ok(Err(status)) => match Failure::from(status) {
                Failure::Refused(_) => Ok(()),
                Failure::NotSent(_) | Failure::Broken(_) => Err(WhyUnserved::Silent),
            },
            Err(_) => Err(WhyUnserved::Silent),
        }
    }
}
