//! What a process gets that joins, and what is left in one that leaves.

use crate::deployment::{Deployment, Process, TAKEOVER, until};
use antiphon_core::Shard;
use std::collections::BTreeSet;

fn shards(process: &Process) -> BTreeSet<Shard> {
    process.cluster.owned().watch().borrow().keys().copied().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_gets_nothing_before_it_is_ready_and_then_only_what_is_idle() {
    let deployment = Deployment::new(4).await;
    let first = deployment.owner(1).await;
    until("the first owns all", || first.owns() == 4).await;
    let second = deployment.unready_owner(2).await;
    // Where it counted already, the first would have looked many times and given half away.
    tokio::time::sleep(TAKEOVER / 2).await;
    assert_eq!((first.owns(), first.work.vacated.lock().len()), (4, 0));
    let idle = Shard(2);
    *first.work.busy.lock() = shards(&first).into_iter().filter(|shard| *shard != idle).collect();
    second.start(2);
    until("the second has what is idle", || second.owns() == 1).await;
    tokio::time::sleep(TAKEOVER / 2).await;
    assert_eq!((first.owns(), shards(&second)), (3, BTreeSet::from([idle])));
    first.work.busy.lock().remove(&Shard(0));
    until("it has its share", || second.owns() == 2).await;
    assert_eq!(shards(&second), BTreeSet::from([Shard(0), idle]));
    assert_eq!(*first.work.vacated.lock(), [idle, Shard(0)]);
    first.cluster.stop().await;
    second.cluster.stop().await;
    deployment.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_about_to_leave_keeps_only_what_is_busy() {
    let deployment = Deployment::new(4).await;
    let (first, second) = (deployment.owner(1).await, deployment.owner(2).await);
    until("each has its share", || first.owns() == 2 && second.owns() == 2).await;
    let busy = *shards(&first).first().unwrap();
    first.work.busy.lock().insert(busy);
    first.cluster.retreat();
    until("the second has the rest", || second.owns() == 3).await;
    assert_eq!(shards(&first), BTreeSet::from([busy]));
    first.cluster.hand_over().await;
    until("the second has all", || second.owns() == 4).await;
    first.cluster.stop().await;
    second.cluster.stop().await;
    deployment.close().await;
}
