//! Appends, reads and questions of processes that do not own what they are about.

use crate::deployment::{Deployment, SECRET, channel, event, until};
use antiphon_core::limits::PEER_PATIENCE;
use antiphon_core::{ChannelName, Code, Event, LogError, ReadFrom, ReadLimit};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

const LIMIT: ReadLimit = ReadLimit { events: 100, bytes: 1 << 20 };

#[tokio::test(flavor = "multi_thread")]
async fn every_process_sees_the_owners_log_and_asks_its_rooms() {
    let deployment = Deployment::new(4).await;
    let (owner, other) = (deployment.owner(1).await, deployment.other(2, SECRET).await);
    let log = other.cluster.log();
    assert!(!log.is_durable("jobs") && owner.cluster.log().is_durable("jobs"));
    let jobs = channel(1);
    let positions = log.append(&jobs, vec![event(1), event(2)]).await.unwrap();
    assert_eq!(log.bounds(&jobs).await.unwrap().end, positions[1]);
    let records = log.read(&jobs, ReadFrom::After(positions[0]), LIMIT).await.unwrap();
    assert_eq!((records.len(), records[0].position, &records[0].json), (1, positions[1], &event(2).json));
    assert_eq!(log.read(&channel(2), ReadFrom::After(positions[0]), LIMIT).await.unwrap_err(), LogError::Foreign);
    let future = antiphon_core::Position { address: 99, number: 99, ..positions[1] };
    assert_eq!(log.read(&jobs, ReadFrom::After(future), LIMIT).await.unwrap_err(), LogError::Future);
    log.trim(&jobs, positions[0]).await.unwrap();
    assert_eq!(log.read(&jobs, ReadFrom::Start, LIMIT).await.unwrap().len(), 1);
    until("its own table tells it of owners", || log.health().is_ok()).await;
    let answer = other.cluster.elsewhere().ask(&jobs, Bytes::from_static(b"who?")).await.unwrap();
    assert_eq!(answer, "1: who?");
    let room = ChannelName::parse("ar-room:1").unwrap();
    assert_eq!(log.append(&room, vec![event(1)]).await.unwrap_err(), LogError::NotOwner, "rooms write where they are");
    owner.cluster.log().append(&room, vec![event(1)]).await.unwrap();
    owner.cluster.stop().await;
    other.cluster.stop().await;
    deployment.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_ownership_moves_nothing_is_lost_and_nothing_taken_twice() {
    let deployment = Deployment::new(4).await;
    let mut owners = vec![deployment.owner(1).await];
    let other = deployment.other(100, SECRET).await;
    let appending = (0..4).map(|writer| {
        let (log, elsewhere) = (other.cluster.log(), other.cluster.elsewhere());
        tokio::spawn(async move {
            for number in 0..150 {
                log.append(&channel(writer), vec![event(2 * number), event(2 * number + 1)]).await.unwrap();
                if number % 10 == 0 {
                    elsewhere.ask(&channel(writer), Bytes::from_static(b"?")).await.unwrap();
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
    });
    let appending: Vec<_> = appending.collect();
    for id in 2..4 {
        owners.push(deployment.owner(id).await);
        until("a process that joins gets its share", || owners.last().unwrap().owns() > 0).await;
        let leaver = owners.remove(0);
        leaver.cluster.stop().await;
        until("what a process leaves is taken", || owners.iter().map(|owner| owner.owns()).sum::<usize>() == 4).await;
    }
    for writer in appending {
        writer.await.unwrap();
    }
    for writer in 0..4 {
        let records = deployment.outside.everything(&channel(writer)).await;
        let expected: Vec<Bytes> = (0..300).map(|number| event(number).json).collect();
        assert_eq!(records.into_iter().map(|record| record.json).collect::<Vec<_>>(), expected);
    }
    deployment.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_that_finds_that_it_is_none_is_asked_again() {
    let deployment = Deployment::new(1).await;
    let (owner, other) = (deployment.owner(1).await, deployment.other(2, SECRET).await);
    until("there is an owner", || owner.owns() == 1).await;
    for (asker, who) in [(&owner, "itself"), (&other, "another process")] {
        owner.disowns.store(3, Ordering::SeqCst);
        let answer = asker.cluster.elsewhere().ask(&channel(1), Bytes::from_static(b"?")).await.unwrap();
        assert_eq!((&answer[..], owner.disowns.load(Ordering::SeqCst)), (&b"1: ?"[..], 0), "asked by {who}");
    }
    owner.disowns.store(usize::MAX, Ordering::SeqCst);
    let since = Instant::now();
    let asking = other.cluster.elsewhere();
    let answered = tokio::spawn(async move { asking.ask(&channel(1), Bytes::new()).await });
    // Until there is a process that really owns it.
    until("it is asked again and again", || owner.disowns.load(Ordering::SeqCst) < usize::MAX - 3).await;
    owner.cluster.stop().await;
    let second = deployment.owner(3).await;
    assert_eq!(answered.await.unwrap().unwrap(), "3: ");
    assert!(since.elapsed() < PEER_PATIENCE);
    second.cluster.stop().await;
    other.cluster.stop().await;
    deployment.close().await;
}

fn with_id(number: usize) -> Event {
    Event { event_id: Some(format!("e{number}")), ..event(number) }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_in_doubt_is_made_again_only_where_its_events_have_ids() {
    let deployment = Arc::new(Deployment::new(1).await);
    let (first, other) = (deployment.owner_apart(1), deployment.other(2, SECRET).await);
    until("the first owns", || first.process.owns() == 1).await;
    first.process.shared.as_ref().unwrap().is_stuck.store(true, Ordering::SeqCst);
    let (log, again) = (other.cluster.log(), other.cluster.log());
    let without = tokio::spawn(async move { log.append(&channel(1), vec![event(1)]).await });
    let with = tokio::spawn(async move { again.append(&channel(1), vec![with_id(2)]).await });
    while deployment.outside.everything(&channel(1)).await.len() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let second = deployment.owner(3).await;
    first.kill();
    assert!(matches!(without.await.unwrap(), Err(LogError::Unavailable { .. })));
    let given = with.await.unwrap().unwrap();
    let kept = deployment.outside.everything(&channel(1)).await;
    assert_eq!(kept.len(), 2, "nothing was taken twice");
    let of_event = kept.iter().find(|record| record.json == event(2).json).unwrap();
    assert_eq!(given, [of_event.position]);
    second.cluster.stop().await;
    deployment.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_owner_is_succeeded_and_steps_back_when_it_wakes() {
    let deployment = Arc::new(Deployment::new(1).await);
    let (first, other) = (deployment.owner_apart(1), deployment.other(2, SECRET).await);
    until("the first owns", || first.process.owns() == 1).await;
    let log = other.cluster.log();
    log.append(&channel(1), vec![event(1)]).await.unwrap();
    let second = deployment.owner(3).await;
    let suspended = first.suspend();
    log.append(&channel(1), vec![with_id(2)]).await.unwrap();
    assert_eq!((first.process.owns(), second.owns()), (1, 1), "it does not know yet");
    drop(suspended);
    until("it finds out", || first.process.owns() == 0).await;
    log.append(&channel(1), vec![event(3)]).await.unwrap();
    assert_eq!(deployment.outside.everything(&channel(1)).await.len(), 3);
    first.kill();
    second.cluster.stop().await;
    deployment.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_secret_nothing_is_answered() {
    let deployment = Deployment::new(1).await;
    let (owner, stranger) = (deployment.owner(1).await, deployment.other(2, "another").await);
    until("there is an owner", || owner.owns() == 1).await;
    let since = Instant::now();
    let refused = stranger.cluster.log().append(&channel(1), vec![event(1)]).await.unwrap_err();
    assert!(matches!(&refused, LogError::Unavailable { reason } if reason.contains("secret")), "{refused}");
    let refused = stranger.cluster.elsewhere().ask(&channel(1), Bytes::new()).await.unwrap_err();
    assert!(refused.code == Code::Unavailable && !refused.message.contains("secret"), "{refused}");
    assert!(since.elapsed() < PEER_PATIENCE, "it is not asked again and again");
    assert!(deployment.outside.everything(&channel(1)).await.is_empty());
    owner.cluster.stop().await;
    deployment.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn viewers_elsewhere_count_at_the_owner_until_they_leave() {
    let deployment = Deployment::new(1).await;
    let (owner, other) = (deployment.owner(1).await, deployment.other(2, SECRET).await);
    let room = ChannelName::parse("ar-room:1").unwrap();
    let count = owner.viewers.watch(&room);
    let viewing = (other.viewers.enter(&room), other.viewers.enter(&room));
    until("the owner knows", || *count.borrow() == 1).await;
    drop(viewing.0);
    let second = deployment.owner(3).await;
    owner.cluster.stop().await;
    let count = second.viewers.watch(&room);
    until("the next owner knows", || *count.borrow() == 1).await;
    drop(viewing.1);
    until("nobody looks any more", || *count.borrow() == 0).await;
    let _viewing = other.viewers.enter(&room);
    until("somebody looks", || *count.borrow() == 1).await;
    other.cluster.stop().await;
    until("a silent process has no viewers", || *count.borrow() == 0).await;
    second.cluster.stop().await;
    deployment.close().await;
}
