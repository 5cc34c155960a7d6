//! Each process knows which shards it can do nothing for, and why, without asking when it is asked.

use crate::deployment::{Deployment, SECRET, until};
use antiphon_cluster::WhyUnserved;
use antiphon_core::Shard;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_served_is_known_with_its_reason() {
    let deployment = Deployment::new(2).await;
    let early = deployment.other(1, SECRET).await;
    let unserved = early.cluster.unserved();
    let shards: Vec<Shard> = unserved.iter().map(|unserved| unserved.shard).collect();
    assert_eq!(shards, [Shard(0), Shard(1)]);
    assert!(unserved.iter().all(|unserved| unserved.why == WhyUnserved::NoOwner && unserved.lasts), "{unserved:?}");

    let (owner, stranger) = (deployment.owner(2).await, deployment.other(3, "another").await);
    until("the owner serves itself", || owner.cluster.unserved().is_empty()).await;
    until("the owner answers", || early.cluster.unserved().is_empty()).await;
    let is_refused = || {
        let unserved = stranger.cluster.unserved();
        unserved.len() == 2 && unserved.iter().all(|unserved| unserved.why == WhyUnserved::Secret && unserved.lasts)
    };
    until("the stranger knows that it is refused", is_refused).await;

    owner.cluster.stop().await;
    let is_waiting = || {
        let unserved = early.cluster.unserved();
        unserved.len() == 2 && unserved.iter().all(|unserved| unserved.why == WhyUnserved::NoOwner && !unserved.lasts)
    };
    until("it is no more than a change of owners at first", is_waiting).await;
    early.cluster.stop().await;
    stranger.cluster.stop().await;
    deployment.close().await;
}
