//! Ends: of a server that is told to leave, and of a room that is deleted.

use crate::world::{World, event, held, text};
use antiphon_testkit::client::{SseClient, WebSocketClient};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_draining_server_finishes_what_runs_and_takes_nothing_new() {
    let mut world = World::start().await;
    let room = world.ann.room("restart").await;
    let mut socket = WebSocketClient::join(&world.ann, &room, Some("start")).await;
    world.upstream.push(held(&["Half "], &["and half."]));
    let stream = world.ann.ask(&room, "go").await;
    text(&mut socket, &stream, "Half ").await;
    let ticket = world.ann.ticket().await;
    world.server.signal_term();
    while world.ann.get("/ready").await.status == 200 {
        tokio::task::yield_now().await;
    }
    for path in [format!("/ws/ar-rooms/{room}"), "/ws".to_owned()] {
        let mut late = WebSocketClient::connect(&world.ann, &path).await;
        assert_eq!(late.ending().await, ("unavailable".to_owned(), 1001), "{path}");
        let kinds: Vec<_> = late.seen.iter().map(|message| message["type"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["error", "goodbye"]);
        assert!(late.seen[0]["retryAfterMs"].is_u64() && late.seen[1]["reconnectAfterMs"].is_u64(), "{:?}", late.seen);
    }
    let stream_path = format!("/api/ar-rooms/{room}/stream");
    let messages = format!("/api/ar-rooms/{room}/messages");
    for refused in [
        world.ann.get(&stream_path).await,
        world.worker.post("/api/channels/jobs/1/events", &json!({ "type": "tick" })).await,
        world.ann.post(&messages, &json!({ "content": "more" })).await,
        world.ann.post("/api/ar-rooms", &json!({ "agentId": "restart" })).await,
    ] {
        refused.expect_problem(503, "unavailable");
        assert!(refused.headers.contains_key("retry-after"));
    }
    let mut browser = SseClient::connect(&world.ann, &format!("{stream_path}?ticket={ticket}")).await;
    let refused = browser.next().await.unwrap().data;
    assert_eq!((&refused["type"], &refused["code"]), (&json!("refused"), &json!("unavailable")));
    world.upstream.release();
    assert_eq!(event(&mut socket, "ar-stream-end", &stream).await["outcome"], "completed");
    socket.until_type("goodbye").await;
    assert_eq!(socket.ending().await.1, 1001);
    assert!(world.server.wait().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_rooms_subscriptions_end_after_its_last_event() {
    let world = World::start().await;
    let (room, other) = (world.ann.room("restart").await, world.ann.room("restart").await);
    let mut socket = WebSocketClient::join(&world.ann, &room, Some("start")).await;
    socket.until_type("caught-up").await;
    socket.subscribe("ar-room", &other, None).await;
    socket.until_type("caught-up").await;
    let mut sse = SseClient::join(&world.ann, &room, Some("start")).await;
    world.upstream.push(held(&["Half "], &["never"]));
    let stream = world.ann.ask(&room, "go").await;
    text(&mut socket, &stream, "Half ").await;
    assert_eq!(world.ann.delete(&format!("/api/ar-rooms/{room}")).await.status, 204);
    assert_eq!(event(&mut socket, "ar-stream-end", &stream).await["outcome"], "cancelled");
    socket.until_type("room-deleted").await;
    while sse.next().await.is_some() {}
    assert_eq!(sse.events().last().unwrap()["type"], "room-deleted", "the response ends after it");
    // Quietly: the socket stays, for its other rooms too, and the room is not found any more.
    socket.subscribe("ar-room", &room, None).await;
    let next = socket.until("an answer", |message| message["type"] != "presence").await;
    assert_eq!((&next["type"], &next["code"]), (&json!("error"), &json!("room_not_found")), "{next}");
    socket.send(&json!({ "type": "ar-message", "roomId": other, "content": "still there?" })).await;
    socket.until_type("ar-stream-end").await;
}
