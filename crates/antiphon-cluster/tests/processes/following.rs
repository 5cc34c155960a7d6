//! The live path by gRPC between processes.

use crate::deployment::{Deployment, Process, SECRET, channel, event, until};
use antiphon_core::limits::FOLLOW_QUEUE_BYTES;
use antiphon_core::{Backbone, ChannelName, Delivery, Event, EventKind, Position, ReadFrom, ReadLimit};
use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[derive(Default)]
struct Delivered {
    records: Vec<(ChannelName, Position)>,
    tails: Vec<(ChannelName, Position)>,
    lost: usize,
}

fn attach(process: &Process) -> Arc<Mutex<Delivered>> {
    let delivered = Arc::<Mutex<Delivered>>::default();
    let sink = delivered.clone();
    process.cluster.backbone().attach(Arc::new(move |delivery: Delivery<'_>| {
        let mut delivered = sink.lock();
        match delivery {
            Delivery::Records(records) => {
                delivered.records.extend(records.iter().map(|record| (record.channel.clone(), record.position)));
            }
            Delivery::Tail(channel, end) => delivered.tails.push((channel.clone(), end)),
            Delivery::Lost => delivered.lost += 1,
        }
    }));
    delivered
}

#[tokio::test(flavor = "multi_thread")]
async fn records_arrive_in_order_across_processes_and_a_follower_learns_what_it_missed() {
    let deployment = Deployment::new(4).await;
    let (owner, other) = (deployment.owner_in_memory(1).await, deployment.other(2, SECRET).await);
    let (here, there) = (attach(&owner), attach(&other));
    let log = owner.cluster.log();
    let before = log.append(&channel(1), vec![event(1)]).await.unwrap();
    for process in [&owner, &other] {
        process.cluster.backbone().follow(&channel(1));
    }
    until("where a followed channel ends", || there.lock().tails.contains(&(channel(1), before[0]))).await;
    assert!(there.lock().lost >= 1);
    let mut expected = Vec::new();
    for number in 0..500 {
        let positions = log.append(&channel(1), vec![event(number), event(number)]).await.unwrap();
        expected.extend(positions.into_iter().map(|position| (channel(1), position)));
        log.append(&channel(2), vec![event(number)]).await.unwrap();
    }
    until("all arrive", || there.lock().records.len() >= expected.len()).await;
    assert_eq!((&there.lock().records, &here.lock().records), (&expected, &expected));
    let last = expected.last().cloned().unwrap();
    until("the tail notice", || there.lock().tails.contains(&last)).await;
    other.cluster.backbone().unfollow(&channel(1));
    other.cluster.backbone().follow(&channel(2));
    let end = log.bounds(&channel(2)).await.unwrap().end;
    until("the other channel is followed", || there.lock().tails.contains(&(channel(2), end))).await;
    log.append(&channel(1), vec![event(0)]).await.unwrap();
    log.append(&channel(2), vec![event(0)]).await.unwrap();
    until("only that arrives", || there.lock().records.len() > expected.len()).await;
    assert_eq!(there.lock().records.last().map(|(channel, _)| channel.clone()), Some(channel(2)));
    owner.cluster.stop().await;
    other.cluster.stop().await;
    deployment.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn following_moves_with_the_owner_and_the_old_log_is_foreign() {
    let deployment = Deployment::new(1).await;
    let (first, other) = (deployment.owner_in_memory(1).await, deployment.other(2, SECRET).await);
    let delivered = attach(&other);
    let log = other.cluster.log();
    other.cluster.backbone().follow(&channel(1));
    let old = log.append(&channel(1), vec![event(1)]).await.unwrap()[0];
    let knows = |position| {
        let delivered = delivered.lock();
        delivered.records.iter().chain(&delivered.tails).any(|(_, known)| *known == position)
    };
    until("it is told", || knows(old)).await;
    let second = deployment.owner_in_memory(3).await;
    let lost = delivered.lock().lost;
    first.cluster.stop().await;
    until("it is told to ask the log", || delivered.lock().lost > lost).await;
    let limit = ReadLimit { events: 10, bytes: 1_000 };
    let read = log.read(&channel(1), ReadFrom::After(old), limit).await;
    assert_eq!(read.unwrap_err(), antiphon_core::LogError::Foreign);
    let new = log.append(&channel(1), vec![event(2)]).await.unwrap()[0];
    until("it is told by the new owner", || knows(new)).await;
    assert!(new.incarnation > old.incarnation);
    // A process that owns the shard itself takes delivery from its own engine.
    let here = attach(&second);
    second.cluster.backbone().follow(&channel(1));
    let next = log.append(&channel(1), vec![event(3)]).await.unwrap()[0];
    until("it is told at home", || here.lock().records.contains(&(channel(1), next))).await;
    second.cluster.stop().await;
    other.cluster.stop().await;
    deployment.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_that_the_leases_do_not_answer_is_told_of_its_successor() {
    let deployment = Deployment::new(2).await;
    let (first, records) = deployment.owner_in_memory_apart(1).await;
    until("it owns everything", || first.owns() == 2).await;
    let second = deployment.owner_in_memory(2).await;
    records.close().await;
    until("the other one took over", || second.owns() == 2).await;
    until("the first one knows", || first.owns() == 0).await;
    for process in [first, second] {
        process.cluster.stop().await;
    }
    deployment.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_does_not_read_costs_the_owner_nothing_and_is_told_that_it_lost() {
    let deployment = Deployment::new(1).await;
    let (owner, slow) = (deployment.owner_in_memory(1).await, deployment.other(2, SECRET).await);
    let quick = deployment.other(3, SECRET).await;
    let (gate, is_open) = (Arc::new(Mutex::new(())), Arc::<Mutex<(usize, usize)>>::default());
    let (waits, counts) = (gate.clone(), is_open.clone());
    slow.cluster.backbone().attach(Arc::new(move |delivery: Delivery<'_>| {
        // Tasks that wait on this thread of the runtime go on with another.
        tokio::task::block_in_place(|| drop(waits.lock()));
        let mut counts = counts.lock();
        match delivery {
            Delivery::Records(records) => counts.0 += records.len(),
            Delivery::Lost => counts.1 += 1,
            Delivery::Tail(..) => {}
        }
    }));
    let arrived = attach(&quick);
    let log = owner.cluster.log();
    let first = log.append(&channel(1), vec![event(0)]).await.unwrap()[0];
    for process in [&slow, &quick] {
        process.cluster.backbone().follow(&channel(1));
    }
    until("the quick one follows", || arrived.lock().tails.contains(&(channel(1), first))).await;
    until("the slow one follows", || is_open.lock().1 > 0).await;
    let lost = is_open.lock().1;
    let large = Event {
        kind: EventKind::Plain,
        json: Bytes::from(format!("{{\"x\":\"{}\"}}", "x".repeat(200_000))),
        event_id: None,
        provider_at: None,
    };
    let count = 3 * FOLLOW_QUEUE_BYTES / large.json.len();
    let closed = gate.lock_arc();
    let mut slowest = Duration::ZERO;
    for number in 1..=count {
        let since = Instant::now();
        log.append(&channel(1), vec![large.clone()]).await.unwrap();
        slowest = slowest.max(since.elapsed());
        until("the quick one keeps up", || arrived.lock().records.len() >= number).await;
    }
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    drop(closed);
    until("the slow one is told", || is_open.lock().1 > lost).await;
    assert!(is_open.lock().0 < count);
    for process in [owner, slow, quick] {
        process.cluster.stop().await;
    }
    deployment.close().await;
}
