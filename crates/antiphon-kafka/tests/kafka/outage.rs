//! Kafka away, and appends of which nobody knows what became.

use crate::between::{Between, Passing};
use crate::deployment::{Deployment, Process, channel, event, until};
use antiphon_core::{ChannelName, Fenced, Log, LogError, Position, Shard};
use antiphon_testkit::servers;
use std::time::{Duration, Instant};

const PRODUCE_TIMEOUT: Duration = Duration::from_millis(1500);

async fn process_behind(deployment: &Deployment, between: &Between) -> Process {
    deployment
        .process_with("owner", |options| {
            options.produce_timeout = PRODUCE_TIMEOUT;
            options.target.brokers.clone_from(&between.address);
        })
        .await
}

/// Begins and appends until it works, as the cluster and the rooms do.
async fn recover(owner: &Process, room: &ChannelName, mut epoch: u32, text: &str) -> Position {
    let begun = Instant::now();
    loop {
        assert!(begun.elapsed() < Duration::from_secs(20), "no recovery within 20 s");
        if let Ok(positions) = owner.append(room, &[text]).await {
            return positions[0];
        }
        epoch += 1;
        // It fails while Kafka is away still.
        let _ = owner.log.begin(Shard(0), epoch).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_are_refused_while_kafka_is_away_and_taken_once_it_is_back() {
    let Some(brokers) = servers::kafka() else { return };
    let deployment = Deployment::new(&brokers, 1);
    let between = Between::start(&brokers).await;
    let (owner, room) = (process_behind(&deployment, &between).await, channel("a"));
    owner.own(0, 1).await;
    owner.append(&room, &["one"]).await.unwrap();
    between.let_pass(Passing::Neither);
    let begun = Instant::now();
    let refused = owner.append(&room, &["away"]).await;
    assert!(matches!(refused, Err(LogError::Unavailable { .. })), "{refused:?}");
    assert!(begun.elapsed() < PRODUCE_TIMEOUT + Duration::from_secs(2), "{:?}", begun.elapsed());
    until("the loss is told", || *owner.lost.lock() == [(Shard(0), 1)]).await;
    assert!(owner.log.health().is_err(), "health says so");
    assert_eq!(owner.texts(&room).await, ["one"], "what is there can be read");
    between.let_pass(Passing::Both);
    let back = recover(&owner, &room, 1, "back").await;
    until("health", || owner.log.health().is_ok()).await;
    let read = owner.texts(&room).await;
    assert_eq!((read[0].as_str(), read[read.len() - 1].as_str()), ("one", "back"), "{read:?}");
    assert_eq!(read.len() as u64, back.number);
    deployment.end([owner]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_that_nobody_answered_is_not_acknowledged_and_everybody_agrees_on_it() {
    let Some(brokers) = servers::kafka() else { return };
    let deployment = Deployment::new(&brokers, 1);
    let between = Between::start(&brokers).await;
    let (owner, room) = (process_behind(&deployment, &between).await, channel("a"));
    let other = deployment.process("other").await;
    owner.own(0, 1).await;
    owner.append(&room, &["one"]).await.unwrap();
    between.let_pass(Passing::Requests);
    let refused = owner.append(&room, &["in doubt"]).await;
    assert!(matches!(refused, Err(LogError::Unavailable { .. })), "{refused:?}");
    // It is in the log all the same, and those who follow have it.
    other.until_told(2).await;
    between.let_pass(Passing::Both);
    let back = recover(&owner, &room, 1, "back").await;
    assert_eq!(owner.texts(&room).await, ["one", "in doubt", "back"]);
    other.until_told(3).await;
    assert_eq!((other.told(), back.number), (owner.told(), 3));
    deployment.end([owner, other]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_lost_between_two_that_arrive_leaves_no_hole() {
    let Some(brokers) = servers::kafka() else { return };
    let deployment = Deployment::new(&brokers, 1);
    let between = Between::start(&brokers).await;
    let (owner, room) = (process_behind(&deployment, &between).await, channel("a"));
    let other = deployment.process("other").await;
    owner.own(0, 1).await;
    owner.append(&room, &["one"]).await.unwrap();
    between.let_pass(Passing::Neither);
    let append = |text: &'static str| {
        let (log, room) = (owner.log.clone(), room.clone());
        tokio::spawn(async move { log.append(&room, vec![event(text)]).await })
    };
    let early = append("early");
    // Under way before the first one is given up, so that it may arrive after it.
    tokio::time::sleep(PRODUCE_TIMEOUT * 2 / 3).await;
    let late = append("late");
    until("the loss is told", || !owner.lost.lock().is_empty()).await;
    between.let_pass(Passing::Both);
    assert!(early.await.unwrap().is_err() && late.await.unwrap().is_err(), "neither is acknowledged");
    let back = recover(&owner, &room, 1, "back").await;
    let read = owner.texts(&room).await;
    assert_eq!(read.len() as u64, back.number);
    assert!(!read.contains(&"late".to_owned()) || read.contains(&"early".to_owned()), "{read:?}");
    other.until_told(read.len()).await;
    assert_eq!(other.told(), read);
    deployment.end([owner, other]).await;
}
