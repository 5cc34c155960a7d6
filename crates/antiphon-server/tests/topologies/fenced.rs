//! The process that gives an answer is suspended in the middle of it, another goes on, and the first wakes up: at most
//! one of them writes.

use crate::world::{World, event, kept};
use antiphon_testkit::client::{Checker, WebSocketClient};
use antiphon_testkit::deployment::Role;
use antiphon_testkit::deployment::Topology;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

const TOKENS: usize = 150;

pub async fn run(world: Arc<World>) {
    let content = format!("paced {TOKENS} 50 fenced");
    let room = world.api(0).room("anna").await;
    let mut socket = WebSocketClient::join(&world.live(0), &room, Some("start")).await;
    let stream = world.api(0).ask(&room, &content).await;
    for _ in 0..5 {
        event(&mut socket, "ar-stream-chunk", &stream).await;
    }
    let owner = world.owner_of(&content).await;
    world.deployment.process(owner).pause();
    match world.topology() {
        // Nobody else may write, so that this one goes on where it was.
        Topology::Embedded | Topology::Direct => tokio::time::sleep(Duration::from_millis(500)).await,
        // What only the owner has in memory is another log once another process has taken it over.
        Topology::Grpc => {
            until_another_goes_on(&world, &room, owner).await;
            world.deployment.process(owner).wake();
            let anew = |event: &&Value| event["streamId"] != *stream;
            Checker::of(kept(&world.live(1), &room).await.iter().filter(anew));
            return;
        }
        _ => drop(event(&mut socket, "owner-changed", &stream).await),
    }
    world.deployment.process(owner).wake();
    assert_eq!(event(&mut socket, "ar-stream-end", &stream).await["outcome"], "completed");
    let next = world.api(1).ask(&room, "who is there").await;
    event(&mut socket, "ar-stream-end", &next).await;
    let checker = Checker::of(&socket.seen);
    assert_eq!(checker.stream(&stream).text.matches('@').count(), TOKENS, "every token once");
    for number in [0, 1] {
        checker.assert_same(&Checker::of(&kept(&world.live(number), &room).await));
    }
}

/// Asks another process until the room answers there.
async fn until_another_goes_on(world: &World, room: &str, owner: usize) {
    let other = world.deployment.with_role(Role::Api).into_iter().find(|process| *process != owner).unwrap();
    let caller = world.deployment.user("ann", other);
    let body = serde_json::json!({ "content": "anybody", "clientMessageId": "fenced" });
    let path = format!("/api/ar-rooms/{room}/messages");
    for _ in 0..200 {
        if caller.post(&path, &body).await.status == 202 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("nobody took the room over");
}
