//! Processes that follow: what they are told, where they can be read, and copies that no longer fit.

use crate::deployment::{Deployment, NO_LIMIT, channel, event};
use antiphon_core::{Fenced, Log, LogError, ReadFrom, Shard};
use antiphon_kafka::Following;
use antiphon_testkit::servers;
use rdkafka::admin::AdminOptions;
use rdkafka::{Offset, TopicPartitionList};
use std::time::Instant;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_process_is_told_and_reads_the_same_whatever_it_follows_with() {
    let Some(brokers) = servers::kafka() else { return };
    let deployment = Deployment::new(&brokers, 2);
    let owner = deployment.process_with("owner", |options| options.following = Following::None).await;
    let prompt = deployment.process("prompt").await;
    let lazy = deployment.process_with("lazy", |options| options.following = Following::Lazy).await;
    let rooms: Vec<_> = (0..6).map(|number| channel(&number.to_string())).collect();
    assert_eq!(owner.log.bounds(&rooms[0]).await, Err(LogError::NotOwner), "what is neither owned nor followed");
    owner.own(0, 1).await;
    owner.own(1, 1).await;
    let mut last = Vec::new();
    for count in 0..10 {
        for room in &rooms {
            last.push((room, owner.append(room, &[&count.to_string()]).await.unwrap()[0]));
        }
    }
    for process in [&prompt, &lazy] {
        for (room, position) in &last {
            process.log.read(room, ReadFrom::After(*position), NO_LIMIT).await.unwrap();
        }
        process.until_told(60).await;
        for room in &rooms {
            assert_eq!(process.texts(room).await.len(), 10);
            assert_eq!(process.log.bounds(room).await.unwrap(), owner.log.bounds(room).await.unwrap());
        }
    }
    let (room, end) = last[last.len() - 1];
    let ahead = antiphon_core::Position { number: end.number + 1, address: end.address + 1, ..end };
    let begun = Instant::now();
    assert_eq!(prompt.log.read(room, ReadFrom::After(ahead), NO_LIMIT).await.unwrap_err(), LogError::Future);
    assert!(begun.elapsed().as_secs() < 3, "Kafka says that there is no such offset");
    owner.log.trim(room, end).await.unwrap();
    while prompt.log.bounds(room).await.unwrap().start != end {
        assert!(begun.elapsed().as_secs() < 20, "the trim is not followed");
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    assert!(prompt.texts(room).await.is_empty());
    deployment.end([owner, prompt, lazy]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_comes_back_goes_on_from_its_copy() {
    let Some(brokers) = servers::kafka() else { return };
    let deployment = Deployment::new(&brokers, 1);
    let (owner, room) = (deployment.process("owner").await, channel("a"));
    owner.own(0, 1).await;
    owner.append(&room, &["one"]).await.unwrap();
    let follower = deployment.process("follower").await;
    follower.log.caught_up().await.unwrap();
    assert_eq!(follower.texts(&room).await, ["one"]);
    follower.log.close().await.unwrap();
    owner.append(&room, &["two"]).await.unwrap();
    let follower = deployment.process("follower").await;
    follower.log.caught_up().await.unwrap();
    assert_eq!(follower.texts(&room).await, ["one", "two"]);
    follower.until_told(1).await;
    assert_eq!(follower.told(), ["two"], "what the copy had was told before");
    deployment.end([owner, follower]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_made_anew_is_another_log() {
    let Some(brokers) = servers::kafka() else { return };
    let deployment = Deployment::new(&brokers, 1);
    let (owner, follower, room) =
        (deployment.process("owner").await, deployment.process("follower").await, channel("a"));
    let mut epoch = owner.own(0, 1).await;
    let old = owner.append(&room, &["one", "two"]).await.unwrap();
    follower.until_told(2).await;
    deployment.delete_topic().await;
    deployment.make_topic(1, &[("max.message.bytes", "12582912")]).await;
    // As the cluster does after a loss.
    let new = loop {
        if let Ok(positions) = owner.append(&room, &["new"]).await {
            break positions[0];
        }
        epoch += 1;
        let _ = owner.log.begin(Shard(0), epoch).await;
    };
    assert!(new.incarnation > old[0].incarnation);
    for process in [&owner, &follower] {
        process.log.read(&room, ReadFrom::After(new), NO_LIMIT).await.unwrap();
        assert_eq!(process.texts(&room).await, ["new"]);
        let foreign = process.log.read(&room, ReadFrom::After(old[0]), NO_LIMIT).await;
        assert_eq!(foreign.unwrap_err(), LogError::Foreign);
    }
    deployment.end([owner, follower]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_retention_has_overtaken_is_built_anew_and_numbers_go_on() {
    let Some(brokers) = servers::kafka() else { return };
    let deployment = Deployment::new(&brokers, 1);
    let (owner, room) = (deployment.process("owner").await, channel("a"));
    owner.own(0, 1).await;
    owner.append(&room, &["one"]).await.unwrap();
    let follower = deployment.process("follower").await;
    follower.log.caught_up().await.unwrap();
    follower.log.close().await.unwrap();
    let mut positions = Vec::new();
    for count in 0..20 {
        positions.extend(owner.append(&room, &[&count.to_string()]).await.unwrap());
    }
    // The begin record goes as well: what is in force has to be found out from what the owner wrote after it.
    let mut before = TopicPartitionList::new();
    let kept_from = positions[9].address;
    let offset = Offset::Offset(i64::try_from(kept_from).unwrap());
    before.add_partition_offset(&deployment.target.topic, 0, offset).unwrap();
    deployment.admin().delete_records(&before, &AdminOptions::new()).await.unwrap();
    let follower = deployment.process("follower").await;
    follower.log.caught_up().await.unwrap();
    let last = owner.append(&room, &["last"]).await.unwrap()[0];
    assert!(follower.log.read(&room, ReadFrom::After(last), NO_LIMIT).await.unwrap().is_empty());
    let read = follower.log.read(&room, ReadFrom::Start, NO_LIMIT).await.unwrap();
    assert!(read.len() >= 9 && read.len() <= 12, "{}", read.len());
    assert_eq!(read[read.len() - 1].position, last);
    assert!(read.windows(2).all(|pair| pair[0].position.number + 1 == pair[1].position.number));
    let expired = follower.log.read(&room, ReadFrom::After(positions[3]), NO_LIMIT).await;
    assert_eq!(expired.unwrap_err(), LogError::Expired);
    // It can own the shard, and the numbers go on.
    follower.own(0, 2).await;
    let next = follower.append(&room, &["next"]).await.unwrap()[0];
    assert_eq!((next.number, next.incarnation), (last.number + 1, last.incarnation));
    deployment.end([owner, follower]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_position_is_good_on_a_process_that_has_only_just_begun() {
    let Some(brokers) = servers::kafka() else { return };
    let deployment = Deployment::new(&brokers, 1);
    let (owner, room) = (deployment.process("owner").await, channel("a"));
    owner.own(0, 1).await;
    let events = (0..5_000).map(|count| event(&count.to_string())).collect();
    let positions = owner.log.append(&room, events).await.unwrap();
    let begun = deployment.process("new").await;
    let read = begun.log.read(&room, ReadFrom::After(positions[4_998]), NO_LIMIT).await.unwrap();
    assert_eq!(read.iter().map(|record| record.position).collect::<Vec<_>>(), positions[4_999..]);
    deployment.end([owner, begun]).await;
}
