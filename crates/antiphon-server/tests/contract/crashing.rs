//! `kill -9` in the middle of an answer: what was accepted is there, and the answer goes on as its agent's policy says.

use crate::world::{NO_LIMITS, World, event, held, text};
use antiphon_testkit::client::{Checker, SseClient, WebSocketClient};
use antiphon_testkit::upstream::Reply;
use serde_json::{Value, json};
use std::time::Duration;

/// Types of events, with repetitions told once.
fn kinds<'a>(events: impl Iterator<Item = &'a Value>) -> Vec<&'a str> {
    let mut kinds: Vec<&str> = events.map(|event| event["type"].as_str().unwrap()).collect();
    kinds.dedup();
    kinds
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_kill_each_policy_does_what_it_says() {
    let mut world = World::start().await;
    let (owner, reset, attempt) = ("owner-changed", "ar-stream-reset", "ar-stream-attempt");
    let (chunk, end) = ("ar-stream-chunk", "ar-stream-end");
    let whole = || Some(Reply::openai_chat(["Three ", "four."]));
    // This provider cannot go on in the middle, so `continue` begins again and says so.
    let cases = [
        ("restart", whole(), "completed", "Three four.", &[owner, reset, chunk, end][..]),
        ("continue", whole(), "completed", "Three four.", &[owner, reset, chunk, end]),
        (
            "finish",
            Some(Reply::openai_whole("Three four.")),
            "completed",
            "Three four.",
            &[owner, reset, attempt, chunk, end],
        ),
        ("fail", None, "failed", "One two ", &[owner, end]),
    ];
    for (policy, answer, outcome, kept, wanted) in cases {
        let room = world.ann.room(policy).await;
        let mut socket = WebSocketClient::join(&world.ann, &room, Some("start")).await;
        world.upstream.push(held(&["One ", "two "], &["never"]));
        let stream = world.ann.ask(&room, "go").await;
        text(&mut socket, &stream, "One two ").await;
        world.server.kill9();
        while socket.next().await.is_some() {}
        if let Some(answer) = answer {
            world.upstream.push(answer);
        }
        world.server.restart();
        let mut checker = Checker::of(&socket.seen);
        let mut sse = SseClient::join(&world.ann, &room, checker.position()).await;
        let last = sse.until_type("ar-stream-end").await;
        assert_eq!(last["outcome"], outcome, "{policy}: {last}");
        assert_eq!(kinds(sse.events()), wanted, "{policy}");
        checker.take_all(sse.events());
        assert_eq!(checker.stream(&stream).text, kept, "{policy}");
        if policy == "fail" {
            assert_eq!(last["error"]["code"], "crashed", "{last}");
        }
        let reply = world.ann.reply(&room, &stream).await;
        assert_eq!((&reply["text"], &reply["status"]), (&json!(kept), &json!(outcome)), "{policy}");
        assert_eq!(world.ann.stream_in(&stream, &[outcome]).await["messageId"], last["messageId"]);
        // Another start changes nothing of what has ended.
        let page = world.ann.messages(&room).await;
        world.server.kill9();
        world.server.restart();
        assert_eq!(world.ann.messages(&room).await, page, "{policy}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accepted_messages_outlive_a_small_retention_and_a_kill_in_the_middle_of_an_answer() {
    let extra = format!("{NO_LIMITS}[namespaces.ar-room]\nkeep = {{ events = 5 }}\n");
    let mut world = World::with(&extra, 3).await;
    let room = world.ann.room("restart").await;
    let first = world.ann.get(&format!("/api/ar-rooms/{room}")).await.expect(200)["position"].clone();
    let mut socket = WebSocketClient::join(&world.ann, &room, Some("start")).await;
    world.upstream.push(Reply::openai_paced(100_000, 500.0));
    let stream = world.ann.ask(&room, "one").await;
    let queued = world.ann.ask(&room, "two").await;
    // Until the question's own events are long gone from the log.
    let position = event(&mut socket, "ar-stream-chunk", &stream).await["position"].clone();
    for old in [&first, &position] {
        let path = format!("/api/ar-rooms/{room}/stream?until=end&position={}", old.as_str().unwrap());
        let mut is_gone = false;
        for _ in 0..500 {
            is_gone = world.ann.get(&path).await.status == 410;
            if is_gone {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(is_gone, "the log never forgets {old}");
    }
    world.server.kill9();
    world.upstream.push(Reply::openai_chat(["First."]));
    world.upstream.push(Reply::openai_chat(["Second."]));
    world.server.restart();
    for stream in [&stream, &queued] {
        world.ann.stream_in(stream, &["completed"]).await;
    }
    let page = world.ann.messages(&room).await;
    let told: Vec<&str> =
        page["messages"].as_array().unwrap().iter().map(|message| message["text"].as_str().unwrap()).collect();
    assert_eq!(told.len(), 4, "{told:?}");
    for wanted in ["one", "First.", "two", "Second."] {
        assert!(told.contains(&wanted), "{wanted} in {told:?}");
    }
}
