//! A question on one process, its answer on every other.

use crate::world::{World, ended, event, kept};
use antiphon_testkit::client::{Checker, SseClient, WebSocketClient};
use antiphon_testkit::deployment::{Role, Topology};
use serde_json::json;
use std::sync::Arc;

pub async fn run(world: Arc<World>) {
    let room = world.api(0).room("anna").await;
    let mut socket = WebSocketClient::join(&world.live(0), &room, Some("start")).await;
    let mut sse = SseClient::join(&world.live(1), &room, Some("start")).await;
    let mut by_call = world.api(1).say(&room, "hello there").await;
    assert_eq!(by_call["queued"], 0);
    // A socket takes messages too, on a process that may own no room.
    let first = by_call["streamId"].take().as_str().unwrap().to_owned();
    event(&mut socket, "ar-stream-end", &first).await;
    let message = json!({ "type": "ar-message", "roomId": room, "content": "and again", "requestId": 1 });
    socket.send(&message).await;
    let accepted = socket.until_type("accepted").await;
    let second = accepted["streamId"].as_str().unwrap().to_owned();
    ended(&mut socket, &second).await;
    let is_over = |data: &serde_json::Value| data["type"] == "ar-stream-end" && data["streamId"] == *second;
    sse.until("the second end", is_over).await;
    let checker = Checker::of(&socket.seen);
    checker.assert_same(&Checker::of(sse.events()));
    checker.assert_same(&Checker::of(&kept(&world.live(1), &room).await));
    for (stream, text) in [(&first, "You said: hello there"), (&second, "You said: and again")] {
        assert_eq!(checker.stream(stream).text, text);
        for number in [0, 1] {
            let reply = world.api(number).reply(&room, stream).await;
            assert_eq!((&reply["text"], &reply["status"]), (&json!(text), &json!("completed")), "at once, anywhere");
        }
    }
    let start = socket.events().find(|event| event["type"] == "ar-stream-start").unwrap();
    // Whether that Redis syncs each write is for whoever runs it to say.
    if world.topology() != Topology::RedisStreams {
        assert_eq!(start["durable"], world.topology().is_durable(), "{start}");
    }
    // Whoever wrote the answer knows how long its pieces took to the log; who only shows it does not.
    let mut measured = 0;
    for process in 0..world.deployment.size() {
        let stats = world.deployment.worker(process).get("/api/realtime/stats").await.expect(200);
        let count = stats["latency"]["providerToLog"]["count"].as_u64().unwrap();
        assert!(count == 0 || world.deployment.with_role(Role::Ai).contains(&process), "{stats}");
        measured += count;
    }
    assert!(measured > 0);
    // The room is the user's own on every process, and nobody else's.
    let rooms = world.api(1).get("/api/ar-rooms").await.expect(200);
    assert!(rooms["rooms"].as_array().unwrap().iter().any(|known| known["id"] == *room), "{rooms}");
    let stranger = world.deployment.user("bob", world.deployment.with_role(Role::Api)[0]);
    stranger.get(&format!("/api/ar-rooms/{room}")).await.expect_problem(404, "room_not_found");
}
