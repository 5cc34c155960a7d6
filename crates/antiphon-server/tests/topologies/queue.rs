//! One stream a room, the rest in order, whichever process took them; what is sent twice is taken once.

use crate::world::{World, event};
use antiphon_testkit::client::{Checker, WebSocketClient};
use serde_json::{Value, json};
use std::sync::Arc;

pub async fn run(world: Arc<World>) {
    let room = world.api(0).room("anna").await;
    let path = format!("/api/ar-rooms/{room}/messages");
    let mut socket = WebSocketClient::join(&world.live(0), &room, Some("start")).await;
    let mut streams = Vec::new();
    for place in 0..5 {
        let content = if place == 0 { "held queue".to_owned() } else { format!("waiting {place}") };
        let body = json!({ "content": content, "clientMessageId": format!("m{place}") });
        let (taken, again) = (world.api(place), world.api(place + 1));
        let said = taken.post(&path, &body).await.expect(202);
        assert_eq!(said["queued"], place, "{said}");
        let repeated = again.post(&path, &body).await.expect(202);
        assert_eq!((&repeated["streamId"], &repeated["message"]), (&said["streamId"], &said["message"]));
        streams.push(said["streamId"].as_str().unwrap().to_owned());
    }
    let other = json!({ "content": "other", "clientMessageId": "m1" });
    world.api(1).post(&path, &other).await.expect_problem(409, "conflict");
    let full = until_full(&world, &path).await;
    assert_eq!(full, 17 - 5, "sixteen wait behind the one that runs");
    world.api(1).steer(&streams[2], "cancel", &json!({})).await;
    let end = event(&mut socket, "ar-stream-end", &streams[2]).await;
    assert_eq!((&end["outcome"], &end["totalChunks"]), (&json!("cancelled"), &json!(0)));
    world.upstream.release();
    event(&mut socket, "ar-stream-end", &streams[4]).await;
    let begun = socket.events().filter(|event| event["type"] == "ar-stream-start");
    let order: Vec<&str> = begun.map(|event| event["streamId"].as_str().unwrap()).take(4).collect();
    assert_eq!(order, [&streams[0], &streams[1], &streams[3], &streams[4]]);
    let of_fourth = |event: &&Value| event["type"] == "stream-queued" && event["streamId"] == *streams[3];
    let places: Vec<u64> = socket.events().filter(of_fourth).map(|event| event["queued"].as_u64().unwrap()).collect();
    assert_eq!(places, [3, 2, 1, 0]);
    let checker = Checker::of(&socket.seen);
    assert_eq!(checker.stream(&streams[4]).text, "You said: waiting 4");
}

/// Fills the queue from both processes; how many were taken until it refused.
async fn until_full(world: &World, path: &str) -> usize {
    for number in 0..100 {
        let answer = world.api(number).post(path, &json!({ "content": format!("more {number}") })).await;
        if answer.status != 202 {
            answer.expect_problem(429, "queue_full");
            return number;
        }
    }
    panic!("the queue is bounded");
}
