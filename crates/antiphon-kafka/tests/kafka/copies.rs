//! Copies for other consumers: every event at least once, in a room's order, whoever owns its shard.

use crate::deployment::Deployment;
use antiphon_core::{ChannelName, Event, EventKind, Log};
use antiphon_kafka::Copies;
use antiphon_testkit::servers;
use bytes::Bytes;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use std::time::{Duration, Instant};

pub fn chunk(number: usize) -> Event {
    let json = serde_json::json!({"type": "ar-stream-chunk", "chunkIndex": number}).to_string();
    Event { kind: EventKind::Chunk, json: Bytes::from(json), event_id: None, provider_at: None }
}

/// Waits for this many different chunks of a room, and gives them with their positions.
pub fn consume(brokers: &str, room: &str, count: usize) -> Vec<(u64, String)> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", format!("test-{room}"))
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        .create()
        .unwrap();
    consumer.subscribe(&["ar.stream.chunk"]).unwrap();
    let (mut chunks, begun) = (Vec::new(), Instant::now());
    while chunks.len() < count {
        assert!(begun.elapsed() < Duration::from_secs(20), "{chunks:?}");
        let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) else { continue };
        if message.key() != Some(room.as_bytes()) {
            continue;
        }
        let value: serde_json::Value = serde_json::from_slice(message.payload().unwrap()).unwrap();
        let chunk = (value["chunkIndex"].as_u64().unwrap(), value["position"].as_str().unwrap().to_owned());
        if !chunks.contains(&chunk) {
            chunks.push(chunk);
        }
    }
    chunks
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_consumers_get_every_event_whoever_owns_the_shard() {
    let Some(brokers) = servers::kafka() else { return };
    let deployment = Deployment::new(&brokers, 1);
    let id = format!("room-{}", uuid::Uuid::new_v4().simple());
    let room = ChannelName::new("ar-room", &id).unwrap();
    let (first, second) = (deployment.process("first").await, deployment.process("second").await);
    let copies = [Copies::start(first.log.clone()).await.unwrap(), Copies::start(second.log.clone()).await.unwrap()];
    let mut expected = Vec::new();
    for (process, epoch) in [(&first, 1), (&second, 2)] {
        process.own(0, epoch).await;
        for number in expected.len()..expected.len() + 5 {
            let position = process.log.append(&room, vec![chunk(number)]).await.unwrap()[0];
            expected.push((number as u64, position.to_string()));
        }
        let (brokers, id, count) = (brokers.clone(), id.clone(), expected.len());
        let chunks = tokio::task::spawn_blocking(move || consume(&brokers, &id, count)).await.unwrap();
        assert_eq!(chunks, expected);
    }
    drop(copies);
    deployment.end([first, second]).await;
}
