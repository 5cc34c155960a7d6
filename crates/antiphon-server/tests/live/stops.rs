//! Stop stops: from the request to the provider's closed connection, and nothing after it.

use crate::follower::{Follower, Transport};
use crate::server::Server;
use antiphon_testkit::upstream::{Reply, Upstream};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const ROUNDS: usize = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupt_closes_the_provider_within_milliseconds_and_no_chunk_follows() {
    let upstream = Upstream::start([]).await.unwrap();
    upstream.respond_with(|_| Reply::openai_paced(10_000, 200.0));
    let server = Server::start(Some(&upstream), "");
    let room = server.new_room().await;
    let follower = Follower::start(&server.address, "ar-room", &room, Transport::WebSocket);
    let mut took = Vec::new();
    for round in 0..ROUNDS {
        let (status, accepted) =
            server.post(&format!("/api/ar-rooms/{room}/messages"), &json!({ "content": "go" })).await.unwrap();
        assert_eq!(status, 202, "{accepted}");
        let stream = accepted["streamId"].as_str().unwrap().to_owned();
        let is_own = |event: &Value, kind: &str| event["type"] == kind && event["streamId"] == stream.as_str();
        follower
            .until("chunks", |events| events.iter().filter(|event| is_own(event, "ar-stream-chunk")).count() > 3)
            .await;
        let stopped = Instant::now();
        let path = format!("/api/streams/{stream}/interrupt");
        let (status, answer) = server.post(&path, &json!({ "heard": { "offset": 3 } })).await.unwrap();
        assert_eq!(status, 202, "{answer}");
        let closed = tokio::time::timeout(Duration::from_secs(5), upstream.closed_at(round)).await.unwrap().unwrap();
        took.push(closed.saturating_duration_since(stopped));
        follower.until("its end", |events| events.iter().any(|event| is_own(event, "ar-stream-end"))).await;
        let events = follower.events.lock();
        let interrupted = events.iter().position(|event| is_own(event, "ar-stream-interrupt")).unwrap();
        let after: Vec<_> = events[interrupted..].iter().filter(|event| event["type"] == "ar-stream-chunk").collect();
        assert!(after.is_empty(), "{after:?}");
    }
    took.sort();
    println!("stop to closed provider connection: p50 {:?}, p99 {:?}", took[ROUNDS / 2], took[ROUNDS - 1]);
    assert!(took[ROUNDS / 2] < Duration::from_millis(20), "{took:?}");
}
