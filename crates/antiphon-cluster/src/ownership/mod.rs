//! Which shards this process owns: takes free ones up to its fair share, keeps them, gives them away, and loses them.

mod begin;
mod giving;
mod predecessor;
#[cfg(test)]
mod table;
#[cfg(test)]
mod tests;

use crate::leases::LeaseTable;
use crate::peers::Peers;
use crate::presence::TELLING;
use crate::routes::{Routes, Table, with_role, without_role};
use crate::timing::Timing;
use antiphon_core::{Fenced, OnLost, OwnedShards, Shard, ShardWork};
use antiphon_sql::ProcessRow;
use begin::{Done, From, Works};
use giving::Giving;
use parking_lot::Mutex;
use predecessor::Predecessors;
use rand::seq::SliceRandom;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

/// How often the time doubles for which a process that cannot begin ownerships stands aside.
const ASIDE_DOUBLINGS: u32 = 3;

/// The role that owns shards.
pub(crate) const ROLE: &str = "ai";

/// Ownerships that the log or a successor ended, until the task below looks at them. At most one of each a shard.
#[derive(Default)]
pub(crate) struct Losses {
    lost: Mutex<BTreeMap<Shard, u32>>,
    /// The epochs of successors.
    superseded: Mutex<BTreeMap<Shard, u32>>,
    rung: Notify,
}

impl Losses {
    /// For the engine.
    pub(crate) fn on_lost(self: &Arc<Self>) -> OnLost {
        let losses = self.clone();
        Arc::new(move |shard, epoch| {
            losses.lost.lock().insert(shard, epoch);
            losses.rung.notify_one();
        })
    }

    /// Another process owns the shard in this epoch.
    pub(crate) fn supersede(&self, shard: Shard, epoch: u32) {
        let mut superseded = self.superseded.lock();
        let known = superseded.entry(shard).or_default();
        *known = epoch.max(*known);
        drop(superseded);
        self.rung.notify_one();
    }
}

/// What the task needs.
pub(crate) struct OwnershipParts {
    pub(crate) process: Arc<str>,
    pub(crate) leases: Arc<dyn LeaseTable>,
    pub(crate) fenced: Arc<dyn Fenced>,
    /// What runs in the shards; none where nothing does.
    pub(crate) work: Option<Arc<dyn ShardWork>>,
    pub(crate) owned: OwnedShards,
    pub(crate) routes: Arc<Routes>,
    pub(crate) peers: Arc<Peers>,
    pub(crate) losses: Arc<Losses>,
    pub(crate) timing: Timing,
    /// Whether shards are moved so that all processes have about the same.
    pub(crate) balances: bool,
    /// What the others are told of this process.
    pub(crate) presence: watch::Sender<ProcessRow>,
}

/// A shard whose lease is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    /// The engine is being asked; whoever does that also renews the lease.
    Beginning,
    /// It is owned, in this epoch.
    Owned(u32),
    /// It is owned still, while what runs in it ends: it is to be another process's.
    Giving(u32),
    /// The engine is ending it.
    Ending,
}

/// How long a process that could not begin leaves all to the others.
struct Aside {
    /// At least, and while nobody else shares no longer than that.
    least: Instant,
    /// At most: longer after each failure, so that it does not keep taking shards from those that can own them.
    most: Instant,
}

struct Ownership {
    parts: OwnershipParts,
    works: Arc<Works>,
    held: BTreeMap<Shard, Held>,
    /// Shards that could not be begun here, and until when others have the first try.
    passed_on: HashMap<Shard, Instant>,
    /// Set while this process does not count among those that share.
    aside: Option<Aside>,
    /// Ownerships that could not be begun since one could.
    failures: u32,
    /// The process is about to leave, and gives away what it can before.
    is_retreating: bool,
    giving: Giving,
    looked_at: Instant,
    /// Until when nothing is taken: the leases were away, and those that ran out may be their owners' all the same.
    grace_until: Option<Instant>,
    predecessors: Predecessors,
    under_way: JoinSet<Done>,
}

/// Owns shards until `hand_over` says to give all of them away; answers it once that is done.
/// Once `retreat` is cancelled it takes nothing more, and gives away what is idle while others are there to take it.
pub(crate) async fn run(
    parts: OwnershipParts,
    retreat: CancellationToken,
    hand_over: oneshot::Receiver<oneshot::Sender<()>>,
) {
    let works = Works::new(&parts);
    let mut ownership = Ownership {
        parts,
        works: Arc::new(works),
        held: BTreeMap::new(),
        passed_on: HashMap::new(),
        aside: None,
        failures: 0,
        is_retreating: false,
        giving: Giving::default(),
        looked_at: Instant::now(),
        grace_until: None,
        predecessors: Predecessors::default(),
        under_way: JoinSet::new(),
    };
    let leaving = ownership.own(retreat, hand_over).await;
    ownership.leave().await;
    if let Some(leaving) = leaving {
        // Whoever asked may have gone.
        let _ = leaving.send(());
    }
}

impl Ownership {
    async fn own(
        &mut self,
        retreat: CancellationToken,
        mut hand_over: oneshot::Receiver<oneshot::Sender<()>>,
    ) -> Option<oneshot::Sender<()>> {
        // Only now others leave it its share: a process that starts may yet take long to read its log.
        self.set_sharing(true);
        if !self.parts.balances {
            // What is taken now stays: those that start at the same time are waited for.
            tokio::time::sleep(self.parts.timing.renew).await;
        }
        let mut readings = self.parts.routes.readings();
        readings.mark_changed();
        self.looked_at = Instant::now();
        let losses = self.parts.losses.clone();
        let mut renewals = tokio::time::interval(self.parts.timing.renew);
        renewals.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                leaving = &mut hand_over => return leaving.ok(),
                () = retreat.cancelled(), if !self.is_retreating => {
                    self.is_retreating = true;
                    self.set_sharing(false);
                }
                _ = renewals.tick() => {
                    self.renew().await;
                    self.come_back();
                }
                Ok(()) = readings.changed() => self.look().await,
                Some(done) = self.under_way.join_next() => {
                    if let Ok(done) = done {
                        self.settle(done);
                    }
                    self.take_losses();
                }
                () = losses.rung.notified() => self.take_losses(),
            }
        }
    }

    /// Prolongs what is owned. With the table away everything stays as it is: nobody else can take it.
    async fn renew(&mut self) {
        let held: Vec<(Shard, u32)> = self
            .held
            .iter()
            .filter_map(|(shard, held)| match held {
                Held::Owned(epoch) | Held::Giving(epoch) => Some((*shard, *epoch)),
                Held::Beginning | Held::Ending => None,
            })
            .collect();
        if held.is_empty() {
            return;
        }
        let renewed = self.parts.leases.renew(&self.parts.process, &held, self.parts.timing.ttl);
        let Ok(Ok(still)) = tokio::time::timeout(TELLING, renewed).await else { return };
        for (shard, epoch) in held {
            if !still.contains(&shard) {
                tracing::warn!(%shard, epoch, "the lease of a shard is another process's");
                self.end(shard, None);
            }
        }
    }

    /// Looks at the leases: what is another's, what is too much, what is free.
    async fn look(&mut self) {
        let now = Instant::now();
        if now - std::mem::replace(&mut self.looked_at, now) > self.parts.timing.gap {
            self.grace_until = Some(now + self.parts.timing.grace);
        }
        self.grace_until.take_if(|until| *until <= now);
        let table = self.parts.routes.table();
        for (shard, route) in &table.routes {
            let Some(Held::Owned(epoch) | Held::Giving(epoch)) = self.held.get(shard) else { continue };
            if route.has_lease && route.epoch > *epoch && *route.process != *self.parts.process {
                tracing::warn!(%shard, epoch, by = route.epoch, "another process took a shard over");
                self.end(*shard, None);
            }
        }
        let fair = self.fair_share(&table);
        let is_kept = |held: &&Held| matches!(held, Held::Beginning | Held::Owned(_));
        let kept = self.held.values().filter(is_kept).count();
        if self.parts.balances {
            self.give(kept.saturating_sub(fair));
        }
        if self.aside.is_none() && self.grace_until.is_none() && !self.is_retreating {
            self.take(&table, fair.saturating_sub(kept)).await;
        }
    }

    /// How many others share.
    fn others(&self, table: &Table) -> usize {
        table.with_role(ROLE).filter(|process| *process.id != *self.parts.process).count()
    }

    /// How many shards each process has at most, while all have about the same.
    fn fair_share(&self, table: &Table) -> usize {
        let others = self.others(table);
        let own = usize::from(self.aside.is_none());
        if self.is_retreating && others > 0 {
            return 0;
        }
        usize::from(self.parts.owned.sharding().count()).div_ceil((others + own).max(1))
    }

    async fn take(&mut self, table: &Table, most: usize) {
        let now = Instant::now();
        self.passed_on.retain(|_, until| *until > now);
        // A lease that is ours though we do not know of it: the answer to taking or releasing it was lost.
        let is_ours = |process: &str| *process == *self.parts.process;
        let mut free: Vec<(Shard, Option<u32>)> = table
            .leases
            .iter()
            .filter(|lease| !self.held.contains_key(&lease.shard) && !self.passed_on.contains_key(&lease.shard))
            .filter_map(|lease| match &lease.holder {
                None => Some((lease.shard, None)),
                Some(holder) => is_ours(&holder.process).then_some((lease.shard, Some(lease.epoch))),
            })
            .collect();
        // In another order than the others, so that they do not all reach for the same.
        free.shuffle(&mut rand::rng());
        free.truncate(most);
        let (leases, process, ttl) = (&self.parts.leases, &self.parts.process, self.parts.timing.ttl);
        let taking = free.into_iter().map(|(shard, ours)| async move {
            if let Some(epoch) = ours {
                return Some((shard, From::Over(epoch)));
            }
            let taken = tokio::time::timeout(TELLING, leases.take(shard, process, ttl)).await;
            Some((shard, From::Taken(taken.ok()?.ok()??)))
        });
        for (shard, from) in futures::future::join_all(taking).await.into_iter().flatten() {
            tracing::info!(%shard, "a shard is taken");
            let before = table.routes.get(&shard).filter(|before| *before.process != *self.parts.process);
            self.predecessors.note(shard, before);
            self.begin(shard, from);
        }
    }

    fn begin(&mut self, shard: Shard, from: From) {
        // An ownership that was in force is given more time: its rooms are still there.
        let times = if self.parts.owned.epoch(shard).is_some() { 2 } else { 1 };
        self.held.insert(shard, Held::Beginning);
        self.under_way.spawn(self.works.clone().begin(shard, from, self.parts.timing.patience * times));
    }

    /// The shard is no longer this process's, from this moment on; `lease` is given back.
    fn end(&mut self, shard: Shard, lease: Option<u32>) {
        self.parts.owned.lose(shard);
        self.held.insert(shard, Held::Ending);
        self.under_way.spawn(self.works.clone().end(shard, lease));
    }

    fn settle(&mut self, done: Done) {
        match done {
            Done::Began(shard, epoch) => {
                tracing::info!(%shard, epoch, "a shard is owned");
                self.held.insert(shard, Held::Owned(epoch));
                self.failures = 0;
                self.admit(shard);
                self.parts.owned.gain(shard, epoch);
                self.predecessors.tell(&self.parts.peers, shard, epoch);
            }
            Done::Lost(shard) => {
                tracing::warn!(%shard, "the lease of a shard went to another process before it was begun");
                self.end(shard, None);
            }
            Done::Failed(shard, epoch) => {
                let (now, pause) = (Instant::now(), self.parts.timing.patience / 2);
                self.passed_on.insert(shard, now + pause);
                self.end(shard, Some(epoch));
                self.failures += 1;
                if self.failures > 1 || !self.held.values().any(|held| matches!(held, Held::Owned(_))) {
                    let longer = pause.saturating_mul(1 << (self.failures - 1).min(ASIDE_DOUBLINGS));
                    self.aside = Some(Aside { least: now + pause, most: now + longer });
                    self.set_sharing(false);
                }
            }
            Done::Vacated(shard, epoch) => {
                // Whatever else became of it meanwhile has its own course.
                if self.held.get(&shard) == Some(&Held::Giving(epoch)) {
                    tracing::info!(%shard, epoch, "a shard is given to another process");
                    self.end(shard, Some(epoch));
                }
            }
            Done::Stopped(shard) => self.end(shard, None),
            Done::Ended(shard) => {
                self.held.remove(&shard);
            }
        }
    }

    fn come_back(&mut self) {
        let is_alone = self.others(&self.parts.routes.table()) == 0;
        let is_over = |aside: &mut Aside| Instant::now() >= if is_alone { aside.least } else { aside.most };
        if self.aside.take_if(is_over).is_some() {
            self.set_sharing(!self.is_retreating);
        }
    }

    /// Tells the others whether they are to leave this process its share.
    fn set_sharing(&self, shares: bool) {
        self.parts.presence.send_if_modified(|process| {
            let roles = if shares { with_role(&process.roles, ROLE) } else { without_role(&process.roles, ROLE) };
            std::mem::replace(&mut process.roles, roles) != process.roles
        });
    }

    /// Asks for a new epoch of what the log ended. The shard stays owned meanwhile, so that its rooms need not start anew.
    fn take_losses(&mut self) {
        let superseded = std::mem::take(&mut *self.parts.losses.superseded.lock());
        for (shard, by) in superseded {
            if let Some(&(Held::Owned(epoch) | Held::Giving(epoch))) = self.held.get(&shard)
                && epoch < by
            {
                tracing::warn!(%shard, epoch, by, "another process says that it took a shard over");
                self.end(shard, None);
            }
        }
        let lost = std::mem::take(&mut *self.parts.losses.lost.lock());
        for (shard, lost) in lost {
            match self.held.get(&shard) {
                Some(Held::Owned(epoch)) if *epoch <= lost => {
                    tracing::warn!(%shard, epoch, "the log ended an ownership, and is asked for a new epoch");
                    self.begin(shard, From::Over(lost));
                }
                // It may concern what has begun just now: looked at when that is known.
                Some(Held::Beginning) => {
                    self.parts.losses.lost.lock().entry(shard).or_insert(lost);
                }
                Some(Held::Giving(epoch)) if *epoch <= lost => self.end(shard, Some(*epoch)),
                Some(Held::Owned(_) | Held::Giving(_) | Held::Ending) | None => {}
            }
        }
    }

    /// Gives everything away: the rooms first, then the log, then the leases.
    async fn leave(&mut self) {
        self.works.stopped.cancel();
        for (shard, held) in self.held.clone() {
            self.parts.owned.lose(shard);
            if let Held::Owned(epoch) | Held::Giving(epoch) = held {
                self.end(shard, Some(epoch));
            }
        }
        while let Some(done) = self.under_way.join_next().await {
            match done {
                Ok(Done::Began(shard, epoch) | Done::Failed(shard, epoch)) => self.end(shard, Some(epoch)),
                Ok(done) => self.settle(done),
                Err(_) => {}
            }
        }
    }
}
