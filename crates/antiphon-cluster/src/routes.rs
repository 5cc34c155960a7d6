//! Which process owns which shard, as the table of leases said last. May be old: whoever is asked in vain says so.

use crate::leases::{LeaseError, LeaseTable};
use crate::peers::Peers;
use antiphon_core::limits::{MAX_PROCESSES, PEER_RETRY_LEAST, PEER_RETRY_MOST};
use antiphon_core::{Shard, Sharding};
use antiphon_sql::{Lease, ProcessRow};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

/// How long the table of leases may take to answer: it is asked again soon.
const ANSWER: Duration = Duration::from_secs(2);

/// An owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// The owner's id.
    pub(crate) process: String,
    /// Where it is reached.
    pub(crate) address: String,
    /// The epoch of its ownership.
    pub(crate) epoch: u32,
    /// False once its lease ran out or was given back, and nobody else has one yet. It may own the shard all the same.
    pub(crate) has_lease: bool,
}

/// What the leases said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) routes: BTreeMap<Shard, Route>,
    pub(crate) leases: Vec<Lease>,
    pub(crate) processes: Vec<ProcessRow>,
}

impl Table {
    /// The same table after the leases were read.
    fn next(&self, leases: Vec<Lease>, mut processes: Vec<ProcessRow>) -> Self {
        processes.truncate(MAX_PROCESSES);
        let mut routes = BTreeMap::new();
        for lease in &leases {
            let known = self.routes.get(&lease.shard).filter(|known| known.epoch == lease.epoch);
            let route = match (&lease.holder, known) {
                (Some(holder), _) => Route {
                    process: holder.process.clone(),
                    address: holder.address.clone(),
                    epoch: lease.epoch,
                    has_lease: true,
                },
                (None, Some(known)) => Route { has_lease: false, ..known.clone() },
                (None, None) => continue,
            };
            routes.insert(lease.shard, route);
        }
        Self { routes, leases, processes }
    }

    /// The processes that have a role.
    pub(crate) fn with_role(&self, role: &str) -> impl Iterator<Item = &ProcessRow> {
        self.processes.iter().filter(move |process| has_role(&process.roles, role))
    }
}

/// Whether a list of roles, words with commas between, has one.
pub(crate) fn has_role(roles: &str, role: &str) -> bool {
    roles.split(',').any(|word| word.trim() == role)
}

/// The list with that role too.
pub(crate) fn with_role(roles: &str, role: &str) -> String {
    match roles {
        "" => role.to_owned(),
        roles if has_role(roles, role) => roles.to_owned(),
        roles => format!("{roles},{role}"),
    }
}

/// The list without that role.
pub(crate) fn without_role(roles: &str, role: &str) -> String {
    roles.split(',').filter(|word| word.trim() != role).collect::<Vec<_>>().join(",")
}

/// The table, and who reads it anew.
pub(crate) struct Routes {
    leases: Arc<dyn LeaseTable>,
    table: watch::Sender<Arc<Table>>,
    readings: watch::Sender<u64>,
    asked: Notify,
}

impl Routes {
    pub(crate) fn new(leases: Arc<dyn LeaseTable>) -> Self {
        Self { leases, table: watch::Sender::default(), readings: watch::Sender::new(0), asked: Notify::new() }
    }

    /// The shard's owner, as far as is known.
    pub(crate) fn owner(&self, shard: Shard) -> Option<Route> {
        self.table.borrow().routes.get(&shard).cloned()
    }

    pub(crate) fn table(&self) -> Arc<Table> {
        self.table.borrow().clone()
    }

    /// The table's changes.
    pub(crate) fn watch(&self) -> watch::Receiver<Arc<Table>> {
        self.table.subscribe()
    }

    /// Moves with each reading, changed or not.
    pub(crate) fn readings(&self) -> watch::Receiver<u64> {
        self.readings.subscribe()
    }

    /// A shard that nobody has the lease of, if there is one.
    pub(crate) fn without_owner(&self, sharding: Sharding) -> Option<Shard> {
        let table = self.table.borrow();
        sharding.all().find(|shard| !table.routes.get(shard).is_some_and(|route| route.has_lease))
    }

    /// Has the table read at once; comes back when that is done, or soon without.
    pub(crate) async fn refresh(&self) {
        let mut readings = self.readings.subscribe();
        self.asked.notify_one();
        // Old routes are no error: the call that follows finds out.
        let _ = tokio::time::timeout(PEER_RETRY_MOST, readings.changed()).await;
    }

    /// Reads the table once.
    pub(crate) async fn read(&self) -> Result<(), LeaseError> {
        let both = futures::future::try_join(self.leases.all(), self.leases.processes());
        let (leases, processes) = tokio::time::timeout(ANSWER, both)
            .await
            .map_err(|_| LeaseError("the table of leases does not answer in time".into()))??;
        self.table.send_if_modified(|table| {
            let next = table.next(leases, processes);
            let is_new = **table != next;
            if is_new {
                *table = Arc::new(next);
            }
            is_new
        });
        self.readings.send_modify(|readings| *readings += 1);
        Ok(())
    }

    /// Reads the table every `interval`, and whenever somebody asks for it.
    pub(crate) async fn run(&self, interval: Duration, peers: &Peers, stopped: &CancellationToken) {
        let mut is_away = false;
        loop {
            tokio::select! {
                () = stopped.cancelled() => return,
                () = self.asked.notified() => {}
                () = tokio::time::sleep(interval) => {}
            }
            match self.read().await {
                Ok(()) => {
                    if std::mem::take(&mut is_away) {
                        tracing::info!("the table of leases answers again");
                    }
                    self.let_go(peers);
                }
                Err(error) => {
                    if !std::mem::replace(&mut is_away, true) {
                        tracing::warn!(%error, "the table of leases is away: owners stay as they are until it is back");
                    }
                }
            }
            // Many callers that ask at once cost one reading, not one each.
            tokio::time::sleep(PEER_RETRY_LEAST).await;
        }
    }
    /// Connections are kept to whoever lives or owns something.
    fn let_go(&self, peers: &Peers) {
        let table = self.table();
        let living = table.processes.iter().map(|process| process.address.as_str());
        let owning = table.routes.values().map(|route| route.address.as_str());
        peers.keep(&living.chain(owning).collect::<HashSet<_>>());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use antiphon_sql::Holder;

    fn lease(epoch: u32, holder: Option<&str>) -> Lease {
        let holder = holder.map(|id| Holder { process: id.into(), address: format!("{id}:1") });
        Lease { shard: Shard(0), epoch, holder, incarnation: 0 }
    }

    #[test]
    fn a_route_outlives_its_lease_until_another_epoch_begins() {
        let held = Table::default().next(vec![lease(1, Some("a"))], Vec::new());
        assert!(held.routes[&Shard(0)].has_lease);
        let ran_out = held.next(vec![lease(1, None)], Vec::new());
        assert_eq!((ran_out.routes[&Shard(0)].process.as_str(), ran_out.routes[&Shard(0)].has_lease), ("a", false));
        let taken = ran_out.next(vec![lease(2, Some("b"))], Vec::new());
        assert_eq!(taken.routes[&Shard(0)].address, "b:1");
        assert!(taken.next(vec![lease(3, None)], Vec::new()).routes.is_empty());
    }

    #[test]
    fn roles_are_whole_words() {
        assert!(has_role("api, ai", "ai") && !has_role("api,realtime", "ai"));
        assert_eq!(
            [with_role("api", "ai"), with_role("api, ai", "ai"), with_role("", "ai")],
            ["api,ai", "api, ai", "ai"]
        );
        assert_eq!([without_role("api, ai", "ai"), without_role("ai", "ai")], ["api", ""]);
    }
}
