//! An interrupt reaches the provider's connection from whatever process it was sent to.

use crate::world::{World, event};
use antiphon_testkit::client::{Checker, WebSocketClient};
use antiphon_testkit::deployment::Role;
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Far longer than it takes; far shorter than the answer.
const SOON: Duration = Duration::from_secs(3);

pub async fn run(world: Arc<World>) {
    tokio::join!(over_http(&world), over_a_socket(&world));
}

async fn over_http(world: &World) {
    let content = "paced 10000 50 interrupt-http";
    let room = world.api(0).room("anna").await;
    let mut socket = WebSocketClient::join(&world.live(0), &room, Some("start")).await;
    let stream = world.api(0).ask(&room, content).await;
    event(&mut socket, "ar-stream-chunk", &stream).await;
    let owner = world.owner_of(content).await;
    let others = world.deployment.with_role(Role::Api);
    let asked = others.iter().find(|process| **process != owner).unwrap_or(&owner);
    let caller = world.deployment.user("ann", *asked);
    let began = Instant::now();
    caller.steer(&stream, "interrupt", &json!({ "heard": { "offset": 3 } })).await;
    let index = world.exchange(content).await.0;
    let closed = world.upstream.closed_at(index).await.unwrap();
    assert!(closed - began < SOON, "{:?}", closed - began);
    let end = event(&mut socket, "ar-stream-end", &stream).await;
    assert_eq!((&end["outcome"], &end["heard"]["offset"]), (&json!("interrupted"), &json!(3)), "{end}");
    Checker::of(&socket.seen);
    let reply = world.api(1).reply(&room, &stream).await;
    assert_eq!((&reply["status"], reply["text"].as_str().unwrap().len()), (&json!("interrupted"), 3), "{reply}");
    let shown = caller.get(&format!("/api/streams/{stream}")).await.expect(200);
    assert_eq!(shown["status"], "interrupted");
    caller.post("/api/streams/none/interrupt", &json!({})).await.expect_problem(404, "stream_not_found");
}

async fn over_a_socket(world: &World) {
    let content = "paced 10000 50 interrupt-socket";
    let room = world.api(1).room("anna").await;
    let mut watching = WebSocketClient::join(&world.live(0), &room, Some("start")).await;
    let mut steering = WebSocketClient::join(&world.live(1), &room, Some("start")).await;
    let stream = world.api(1).ask(&room, content).await;
    event(&mut steering, "ar-stream-chunk", &stream).await;
    let began = Instant::now();
    steering.send(&json!({ "type": "interrupt-stream", "streamId": stream, "requestId": "r" })).await;
    let index = world.exchange(content).await.0;
    let closed = world.upstream.closed_at(index).await.unwrap();
    assert!(closed - began < SOON, "{:?}", closed - began);
    event(&mut watching, "ar-stream-interrupt", &stream).await;
    assert_eq!(event(&mut watching, "ar-stream-end", &stream).await["outcome"], "interrupted");
    event(&mut steering, "ar-stream-end", &stream).await;
    Checker::of(&watching.seen).assert_same(&Checker::of(&steering.seen));
}
