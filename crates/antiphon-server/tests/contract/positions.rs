//! Positions: where a client goes on, on whatever transport, and what it is told where it cannot.

use crate::world::{NO_LIMITS, World, event};
use antiphon_core::Position;
use antiphon_testkit::client::{Api, Checker, SseClient, WebSocketClient};
use antiphon_testkit::upstream::Reply;
use serde_json::{Value, json};
use std::time::Duration;

/// The refusal of a position on each transport, which must be the same.
async fn refused(api: &Api, room: &str, position: &str, status: u16, code: &str) {
    let path = format!("/api/ar-rooms/{room}/stream?position={position}");
    api.get(&path).await.expect_problem(status, code);
    let refused = SseClient::try_connect(api, &format!("/api/ar-rooms/{room}/events"), Some(position)).await;
    refused.err().unwrap().expect_problem(status, code);
    let mut by_address = WebSocketClient::join(api, room, Some(position)).await;
    assert_eq!(by_address.ending().await, (code.to_owned(), 4010), "{position}");
    let mut socket = WebSocketClient::connect(api, "/ws").await;
    socket.subscribe("ar-room", room, Some(position)).await;
    let error = socket.until_type("error").await;
    assert_eq!((&error["code"], &error["channel"]["id"]), (&json!(code), &json!(room)), "{error}");
    // The socket stays, and takes a better one.
    socket.subscribe("ar-room", room, Some("start")).await;
    socket.until_type("caught-up").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_position_that_cannot_be_gone_on_from_is_refused_alike_everywhere() {
    let world = World::start().await;
    let (room, other) = (world.ann.room("restart").await, world.ann.room("restart").await);
    let stream = world.ann.ask(&room, "one").await;
    world.ann.stream_in(&stream, &["completed"]).await;
    let last = world.ann.messages(&room).await["position"].as_str().unwrap().to_owned();
    let foreign = world.ann.messages(&other).await["position"].as_str().unwrap().to_owned();
    let position = Position::parse(&last).unwrap();
    let future = Position { number: position.number + 1, ..position }.to_string();
    refused(&world.ann, &room, "nonsense", 400, "position_invalid").await;
    refused(&world.ann, &room, &foreign, 409, "position_foreign").await;
    refused(&world.ann, &room, &future, 409, "position_future").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_gone_is_expired_and_the_messages_say_where_to_go_on() {
    let world = World::with(&format!("{NO_LIMITS}[namespaces.ar-room]\nkeep = {{ events = 5 }}\n"), 3).await;
    let room = world.ann.room("restart").await;
    let early = world.ann.messages(&room).await["position"].as_str().unwrap().to_owned();
    for question in ["one", "two", "three"] {
        let stream = world.ann.ask(&room, question).await;
        world.ann.stream_in(&stream, &["completed"]).await;
    }
    let path = format!("/api/ar-rooms/{room}/stream?until=end&position={early}");
    for _ in 0..500 {
        if world.ann.get(&path).await.status == 410 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    refused(&world.ann, &room, &early, 410, "position_expired").await;
    let page = world.ann.messages(&room).await;
    assert_eq!(page["messages"].as_array().unwrap().len(), 6, "no message is gone: {page}");
    let mut socket = WebSocketClient::join(&world.ann, &room, page["position"].as_str()).await;
    socket.until_type("caught-up").await;
    let stream = world.ann.ask(&room, "four").await;
    event(&mut socket, "ar-stream-end", &stream).await;
    assert_eq!(socket.events().next().unwrap()["type"], "message-created", "just what follows");
}

/// An event that stands for several cannot be gone on from in its middle, so each is told with its own position.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_each_event_on_each_transport_just_the_rest_follows() {
    let world = World::start().await;
    let room = world.ann.room("restart").await;
    let mut socket = WebSocketClient::join(&world.ann, &room, Some("start")).await;
    world.upstream.push(Reply::openai_paced(6, 50.0));
    let stream = world.ann.ask(&room, "go").await;
    event(&mut socket, "ar-stream-end", &stream).await;
    let all: Vec<Value> = socket.events().cloned().collect();
    let whole = Checker::of(&all);
    for place in 0..all.len() {
        let position = all[place]["position"].as_str().unwrap();
        let mut by_socket = WebSocketClient::join(&world.ann, &room, Some(position)).await;
        by_socket.until_type("caught-up").await;
        let path = format!("/api/ar-rooms/{room}/events?until=end&position={position}");
        let mut sse = SseClient::connect(&world.ann, &path).await;
        while sse.next().await.is_some() {}
        for rest in [by_socket.events().cloned().collect::<Vec<_>>(), sse.events().cloned().collect()] {
            let mut checker = Checker::of(&all[..=place]);
            checker.take_all(&rest);
            whole.assert_same(&checker);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_in_memory_is_another_one_after_each_start() {
    let mut world = World::with(&format!("{NO_LIMITS}[log]\nengine = \"memory\"\n"), 3).await;
    let channel = "/api/channels/jobs/1/events";
    for _ in 0..3 {
        let position = world.worker.publish("jobs/1", &json!([{ "type": "a" }, { "type": "b" }])).await;
        world.server.kill9();
        world.server.restart();
        let refused = world.worker.get(&format!("{channel}?until=end&position={position}")).await;
        refused.expect_problem(409, "position_foreign");
        let mut empty = SseClient::connect(&world.worker, &format!("{channel}?until=end&position=start")).await;
        while empty.next().await.is_some() {}
        assert_eq!(empty.events().count(), 0, "nothing is left");
    }
}
