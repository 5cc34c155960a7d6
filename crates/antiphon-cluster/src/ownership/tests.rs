//! Ownership against leases whose clock and outages the tests make.

use super::table::FakeTable;
use super::*;
use crate::peers::Peers;
use crate::secret::Secret;
use antiphon_core::limits::{SHARD_HELD_BACK, SHARD_IDLE_WAIT};
use antiphon_core::{BeginError, LogError, Sharding};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

const TAKEOVER: Duration = Duration::from_secs(5);
const SHARDS: u16 = 8;

/// The epoch in force of each shard, and whose it is: what an engine would find in the log.
type InForce = Arc<Mutex<BTreeMap<Shard, (u32, String)>>>;

struct FakeFence {
    process: String,
    in_force: InForce,
    is_away: AtomicBool,
}

#[async_trait::async_trait]
impl Fenced for FakeFence {
    async fn begin(&self, shard: Shard, epoch: u32) -> Result<(), BeginError> {
        tokio::time::sleep(Duration::from_millis(20)).await;
        if self.is_away.load(Ordering::SeqCst) {
            return Err(LogError::Unavailable { reason: "away".into() }.into());
        }
        let mut in_force = self.in_force.lock();
        if let Some((higher, _)) = in_force.get(&shard).filter(|(known, _)| *known >= epoch) {
            return Err(BeginError::Superseded { epoch: *higher });
        }
        in_force.insert(shard, (epoch, self.process.clone()));
        Ok(())
    }

    async fn end(&self, _shard: Shard) {}
}

/// What runs in one process's shards.
#[derive(Default)]
struct FakeWork {
    answers: Mutex<BTreeMap<Shard, usize>>,
    held_back: Mutex<BTreeSet<Shard>>,
    vacated: Mutex<BTreeSet<Shard>>,
}

#[async_trait::async_trait]
impl ShardWork for FakeWork {
    fn under_way(&self, shard: Shard) -> usize {
        self.answers.lock().get(&shard).copied().unwrap_or(0)
    }

    fn hold_back(&self, shard: Shard) {
        self.held_back.lock().insert(shard);
    }

    async fn vacate(&self, shard: Shard) {
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(self.under_way(shard), 0, "an answer is broken off");
        self.vacated.lock().insert(shard);
    }

    fn admit(&self, shard: Shard) {
        self.held_back.lock().remove(&shard);
        self.vacated.lock().remove(&shard);
    }
}

struct Process {
    work: Arc<FakeWork>,
    retreat: CancellationToken,
    table: FakeTable,
    fence: Arc<FakeFence>,
    owned: OwnedShards,
    losses: Arc<Losses>,
    announcing: CancellationToken,
    hand_over: Option<oneshot::Sender<oneshot::Sender<()>>>,
    _tasks: Vec<AbortOnDropHandle<()>>,
}

struct Deployment {
    table: FakeTable,
    in_force: InForce,
    sharding: Sharding,
}

impl Deployment {
    fn new() -> Self {
        let sharding = Sharding::new(SHARDS).unwrap();
        Self { table: FakeTable::new(sharding), in_force: InForce::default(), sharding }
    }

    async fn join(&self, id: &str) -> Process {
        let table = self.table.another_way();
        let leases: Arc<dyn LeaseTable> = Arc::new(table.clone());
        let timing = Timing::of(TAKEOVER);
        let row = ProcessRow { id: id.into(), address: "127.0.0.1:1".into(), roles: "api".into() };
        leases.announce(&row, timing.ttl).await.unwrap();
        let presence = watch::Sender::new(row);
        let routes = Arc::new(Routes::new(leases.clone()));
        routes.read().await.unwrap();
        let fence = Arc::new(FakeFence {
            process: id.into(),
            in_force: self.in_force.clone(),
            is_away: AtomicBool::new(false),
        });
        let owned = OwnedShards::none(self.sharding);
        let losses = Arc::<Losses>::default();
        let (hand_over, leaving) = oneshot::channel();
        let announcing = CancellationToken::new();
        let announce = crate::presence::announce(leases.clone(), presence.subscribe(), timing, announcing.clone());
        let (work, retreat) = (Arc::<FakeWork>::default(), CancellationToken::new());
        let retreating = retreat.clone();
        let parts = OwnershipParts {
            work: Some(work.clone()),
            process: id.into(),
            leases,
            fenced: fence.clone(),
            owned: owned.clone(),
            routes: routes.clone(),
            peers: Arc::new(Peers::new(Secret::new(None).unwrap())),
            losses: losses.clone(),
            timing,
            balances: true,
            presence,
        };
        let read = async move {
            routes.run(timing.look, &Peers::new(Secret::new(None).unwrap()), &CancellationToken::new()).await;
        };
        let own = async move { run(parts, retreating, leaving).await };
        let tasks = vec![tokio::spawn(announce), tokio::spawn(read), tokio::spawn(own)];
        let tasks = tasks.into_iter().map(AbortOnDropHandle::new).collect();
        Process { work, retreat, table, fence, owned, losses, announcing, hand_over: Some(hand_over), _tasks: tasks }
    }

    /// Waits until each process owns so many, and all of them everything, each shard once.
    async fn shared(&self, within: Duration, shares: &[(&Process, usize)]) {
        let since = Instant::now();
        loop {
            let counts: Vec<usize> = shares.iter().map(|(process, _)| process.count()).collect();
            let mut shards: Vec<Shard> = shares.iter().flat_map(|(process, _)| process.shards().into_keys()).collect();
            shards.sort();
            if shares.iter().zip(&counts).all(|((_, share), count)| share == count)
                && (shares.iter().map(|(_, share)| share).sum::<usize>() < usize::from(SHARDS)
                    || shards == self.sharding.all().collect::<Vec<_>>())
            {
                return;
            }
            assert!(since.elapsed() <= within, "after {:?}: {counts:?}", since.elapsed());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Process {
    fn shards(&self) -> BTreeMap<Shard, u32> {
        self.owned.watch().borrow().clone()
    }

    /// So many answers run in all of its shards.
    fn works(&self, answers: usize) {
        *self.work.answers.lock() = self.shards().into_keys().map(|shard| (shard, answers)).collect();
    }

    fn count(&self) -> usize {
        self.shards().len()
    }

    async fn leave(&mut self) {
        let (left, has_left) = oneshot::channel();
        self.hand_over.take().unwrap().send(left).unwrap();
        has_left.await.unwrap();
        self.announcing.cancel();
    }
}

#[tokio::test(start_paused = true)]
async fn shards_are_shared_evenly_as_processes_come_and_go() {
    let deployment = Deployment::new();
    let first = deployment.join("a").await;
    deployment.shared(Duration::from_secs(1), &[(&first, 8)]).await;
    let mut second = deployment.join("b").await;
    deployment.shared(TAKEOVER, &[(&first, 4), (&second, 4)]).await;
    let third = deployment.join("c").await;
    let since = Instant::now();
    while first.count() + second.count() + third.count() < 8 || third.count() < 2 {
        assert!(since.elapsed() < TAKEOVER);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!([&first, &second, &third].iter().all(|process| process.count() <= 3));
    second.leave().await;
    assert_eq!(second.count(), 0);
    deployment.shared(TAKEOVER, &[(&first, 4), (&third, 4), (&second, 0)]).await;
    for process in [&first, &third] {
        for (shard, epoch) in process.shards() {
            assert_eq!(deployment.in_force.lock()[&shard], (epoch, process.fence.process.clone()));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_vanishes_is_succeeded_within_the_takeover_time() {
    let deployment = Deployment::new();
    let first = deployment.join("a").await;
    let second = deployment.join("b").await;
    deployment.shared(TAKEOVER, &[(&first, 4), (&second, 4)]).await;
    drop(first);
    deployment.shared(TAKEOVER, &[(&second, 8)]).await;
}

#[tokio::test(start_paused = true)]
async fn with_the_table_away_owners_go_on() {
    let deployment = Deployment::new();
    let first = deployment.join("a").await;
    let second = deployment.join("b").await;
    deployment.shared(TAKEOVER, &[(&first, 4), (&second, 4)]).await;
    let before = (first.shards(), second.shards());
    for process in [&first, &second] {
        process.table.is_away.store(true, Ordering::SeqCst);
    }
    tokio::time::sleep(TAKEOVER * 10).await;
    assert_eq!((first.shards(), second.shards()), before);
    // Each may be the first that the table answers again: no lease has been renewed, and nobody is known to live.
    for (process, later) in [(&first, Duration::from_secs(1)), (&second, TAKEOVER)] {
        process.table.is_away.store(false, Ordering::SeqCst);
        tokio::time::sleep(later).await;
    }
    assert_eq!((first.shards(), second.shards()), before, "each goes on with what it had, in its epochs");
    drop(first);
    deployment.shared(TAKEOVER, &[(&second, 8)]).await;
}

#[tokio::test(start_paused = true)]
async fn what_nobody_owns_once_the_table_is_back_is_taken_soon() {
    let deployment = Deployment::new();
    let first = deployment.join("a").await;
    let second = deployment.join("b").await;
    deployment.shared(TAKEOVER, &[(&first, 4), (&second, 4)]).await;
    second.table.is_away.store(true, Ordering::SeqCst);
    drop(first);
    tokio::time::sleep(TAKEOVER * 2).await;
    second.table.is_away.store(false, Ordering::SeqCst);
    deployment.shared(TAKEOVER, &[(&second, 8)]).await;
}

#[tokio::test(start_paused = true)]
async fn one_that_was_cut_off_or_asleep_loses_what_others_took_with_its_first_renewal() {
    let deployment = Deployment::new();
    let first = deployment.join("a").await;
    deployment.shared(TAKEOVER, &[(&first, 8)]).await;
    first.table.is_away.store(true, Ordering::SeqCst);
    let second = deployment.join("b").await;
    deployment.shared(TAKEOVER, &[(&second, 8)]).await;
    assert_eq!(first.count(), 8, "it does not know yet");
    first.table.is_away.store(false, Ordering::SeqCst);
    deployment.shared(TAKEOVER / 10, &[(&first, 0)]).await;
    deployment.shared(TAKEOVER, &[(&first, 4), (&second, 4)]).await;
}

#[tokio::test(start_paused = true)]
async fn one_that_the_table_does_not_answer_believes_its_successor() {
    let deployment = Deployment::new();
    let first = deployment.join("a").await;
    deployment.shared(TAKEOVER, &[(&first, 8)]).await;
    first.table.is_away.store(true, Ordering::SeqCst);
    let before = first.shards();
    first.losses.supersede(Shard(2), before[&Shard(2)]);
    first.losses.supersede(Shard(3), before[&Shard(3)] + 1);
    first.losses.supersede(Shard(3), before[&Shard(3)]);
    deployment.shared(TAKEOVER / 10, &[(&first, 7)]).await;
    let left = before.into_iter().filter(|(shard, _)| *shard != Shard(3)).collect::<BTreeMap<_, _>>();
    assert_eq!(first.shards(), left, "an earlier owner says nothing new");
}

#[tokio::test(start_paused = true)]
async fn what_the_log_ended_is_owned_again_in_a_higher_epoch_without_being_lost_meanwhile() {
    let deployment = Deployment::new();
    // The leases were restored from an old copy: the log is far above them.
    for shard in deployment.sharding.all() {
        deployment.in_force.lock().insert(shard, (41, "old".into()));
    }
    let first = deployment.join("a").await;
    deployment.shared(TAKEOVER, &[(&first, 8)]).await;
    assert_eq!(first.shards()[&Shard(3)], 42);
    let mut watched = first.owned.watch();
    watched.mark_unchanged();
    let on_lost = first.losses.on_lost();
    on_lost(Shard(3), 41);
    on_lost(Shard(5), 42);
    watched.changed().await.unwrap();
    assert_eq!(watched.borrow_and_update().get(&Shard(5)), Some(&43));
    tokio::time::sleep(TAKEOVER).await;
    assert!(!watched.has_changed().unwrap(), "an end that is over already means nothing");
}

#[tokio::test(start_paused = true)]
async fn shards_that_an_engine_does_not_let_begin_go_to_a_process_whose_engine_does() {
    let deployment = Deployment::new();
    let first = deployment.join("a").await;
    first.fence.is_away.store(true, Ordering::SeqCst);
    let second = deployment.join("b").await;
    deployment.shared(TAKEOVER * 4, &[(&second, 8)]).await;
    first.fence.is_away.store(false, Ordering::SeqCst);
    deployment.shared(TAKEOVER * 6, &[(&first, 4), (&second, 4)]).await;
    // And one that owned them already, and is cut off from the log now.
    second.fence.is_away.store(true, Ordering::SeqCst);
    let on_lost = second.losses.on_lost();
    for (shard, epoch) in second.shards() {
        on_lost(shard, epoch);
    }
    deployment.shared(TAKEOVER * 4, &[(&first, 8)]).await;
}

#[tokio::test(start_paused = true)]
async fn a_lease_whose_taking_was_not_answered_is_not_stuck() {
    let deployment = Deployment::new();
    deployment.table.is_mute.store(true, Ordering::SeqCst);
    let ttl = Duration::from_secs(3600);
    assert!(deployment.table.take(Shard(2), "a", ttl).await.is_err());
    let first = deployment.join("a").await;
    deployment.shared(TAKEOVER, &[(&first, 8)]).await;
}

#[tokio::test(start_paused = true)]
async fn only_shards_in_which_no_answer_runs_are_given_away() {
    let deployment = Deployment::new();
    let first = deployment.join("a").await;
    deployment.shared(TAKEOVER, &[(&first, 8)]).await;
    first.works(1);
    first.work.answers.lock().remove(&Shard(2));
    let before = first.shards();
    let second = deployment.join("b").await;
    deployment.shared(TAKEOVER, &[(&first, 7), (&second, 1)]).await;
    tokio::time::sleep(SHARD_IDLE_WAIT / 2).await;
    assert!(second.shards().contains_key(&Shard(2)) && first.count() == 7);
    assert!(first.work.held_back.lock().is_empty() && before.len() == 8);
    // Answers end one by one.
    for (left, shard) in [(6, 5), (5, 3), (4, 0)] {
        first.work.answers.lock().remove(&Shard(shard));
        deployment.shared(TAKEOVER / 5, &[(&first, left), (&second, 8 - left)]).await;
    }
    first.work.answers.lock().clear();
    tokio::time::sleep(SHARD_IDLE_WAIT * 2).await;
    assert_eq!((first.count(), second.count()), (4, 4), "it has its share");
    assert!(first.work.held_back.lock().is_empty());
}

#[tokio::test(start_paused = true)]
async fn where_answers_always_run_one_shard_at_a_time_is_kept_from_beginning_more() {
    let deployment = Deployment::new();
    let first = deployment.join("a").await;
    deployment.shared(TAKEOVER, &[(&first, 8)]).await;
    first.works(3);
    first.work.answers.lock().insert(Shard(6), 2);
    let since = Instant::now();
    let second = deployment.join("b").await;
    while first.work.held_back.lock().is_empty() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(since.elapsed() >= SHARD_IDLE_WAIT && since.elapsed() < SHARD_IDLE_WAIT + TAKEOVER);
    assert_eq!(*first.work.held_back.lock(), BTreeSet::from([Shard(6)]), "the one with the fewest answers");
    // They take too long, so the shard goes on for a while.
    tokio::time::sleep(SHARD_HELD_BACK + TAKEOVER / 10).await;
    assert!(first.work.held_back.lock().is_empty() && first.count() == 8);
    tokio::time::sleep(SHARD_IDLE_WAIT - TAKEOVER / 5).await;
    assert!(first.work.held_back.lock().is_empty());
    tokio::time::sleep(TAKEOVER).await;
    first.work.answers.lock().remove(&Shard(6));
    deployment.shared(TAKEOVER / 5, &[(&first, 7), (&second, 1)]).await;
    // The next one, and nobody needs it any more.
    while *first.work.held_back.lock() == BTreeSet::from([Shard(6)]) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    drop(second);
    tokio::time::sleep(TAKEOVER).await;
    deployment.shared(TAKEOVER, &[(&first, 8)]).await;
    assert!(first.work.held_back.lock().is_empty() && first.work.vacated.lock().is_empty());
}

#[tokio::test(start_paused = true)]
async fn one_that_is_about_to_leave_gives_away_what_is_idle_while_others_are_there() {
    let deployment = Deployment::new();
    let mut first = deployment.join("a").await;
    deployment.shared(TAKEOVER, &[(&first, 8)]).await;
    first.retreat.cancel();
    tokio::time::sleep(TAKEOVER).await;
    assert_eq!(first.count(), 8, "there is nobody else");
    first.works(1);
    first.work.answers.lock().remove(&Shard(1));
    let second = deployment.join("b").await;
    deployment.shared(TAKEOVER, &[(&first, 7), (&second, 1)]).await;
    first.work.answers.lock().remove(&Shard(7));
    deployment.shared(TAKEOVER, &[(&first, 6), (&second, 2)]).await;
    drop(second);
    tokio::time::sleep(TAKEOVER).await;
    assert_eq!(first.count(), 6, "it takes nothing");
    first.leave().await;
    assert_eq!(first.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn one_that_can_begin_nothing_more_does_not_keep_taking_shards_from_one_that_can() {
    let deployment = Deployment::new();
    let (first, second) = (deployment.join("a").await, deployment.join("b").await);
    deployment.shared(TAKEOVER * 4, &[(&first, 4), (&second, 4)]).await;
    // What it owns goes on.
    first.fence.is_away.store(true, Ordering::SeqCst);
    let on_lost = first.losses.on_lost();
    for (shard, epoch) in first.shards().into_iter().take(2) {
        on_lost(shard, epoch);
    }
    let (mut served, mut looks) = (0, 0);
    for _ in 0..1_000 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        served += first.count() + second.count();
        looks += usize::from(SHARDS);
    }
    assert!(served * 100 > looks * 90, "{served} of {looks}");
    assert_eq!(first.count(), 2, "and what it owns stays its own");
}
