//! Interrupt, cancel, pause: what stops, what is kept, and what the model is told of it next.

use crate::world::{World, event, heard, held, text};
use antiphon_testkit::client::{Checker, WebSocketClient};
use antiphon_testkit::upstream::Reply;
use serde_json::{Value, json};
use std::time::Duration;

/// The answer of the last prompt as the model is told of it.
async fn told(world: &World, index: usize) -> Vec<String> {
    let prompt = world.upstream.request(index).await.unwrap().messages();
    prompt.into_iter().filter(|(role, _)| role == "assistant").map(|(_, content)| content).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn history_and_the_next_prompt_hold_just_what_was_heard() {
    let world = World::start().await;
    // What is said, the call's body, what is kept of it, and the offset that is announced.
    let cases: [(&[&str], Value, &str); 6] = [
        (&["The cat ", "sat on the mat."], heard(7), "The cat"),
        (&["One 😀 two ", "three"], heard(6), "One 😀"),
        (&["Short"], heard(1_000), "Short"),
        (&["Nothing of it"], heard(0), ""),
        (&["All that ", "was sent"], json!({}), "All that was sent"),
        (&["[emotion:happy]Hi [gesture:wave]there ", "[gesture:nod]you"], heard(4), "Hi t"),
    ];
    for (index, (tokens, body, kept)) in cases.into_iter().enumerate() {
        let room = world.ann.room("restart").await;
        let mut socket = WebSocketClient::join(&world.ann, &room, Some("start")).await;
        world.upstream.push(held(tokens, &["never"]));
        let stream = world.ann.ask(&room, "go").await;
        let spoken =
            tokens.concat().replace("[emotion:happy]", "").replace("[gesture:wave]", "").replace("[gesture:nod]", "");
        text(&mut socket, &stream, &spoken).await;
        world.ann.steer(&stream, "interrupt", &body).await;
        let interrupt = event(&mut socket, "ar-stream-interrupt", &stream).await;
        let end = event(&mut socket, "ar-stream-end", &stream).await;
        assert_eq!(
            (&end["outcome"], &interrupt["attempt"]),
            (&json!("interrupted"), &json!(1)),
            "it comes before the end"
        );
        assert!(interrupt["interruptedAt"].is_string() && interrupt["userId"] == "ann");
        assert_eq!(end["heard"]["offset"], kept.encode_utf16().count(), "{end}");
        world.upstream.closed_at(index * 2).await.unwrap();
        let reply = world.ann.reply(&room, &stream).await;
        assert_eq!((&reply["text"], &reply["status"]), (&json!(kept), &json!("interrupted")), "{reply}");
        assert_eq!(reply["heard"]["offset"], kept.encode_utf16().count(), "{reply}");
        assert_eq!(world.ann.stream_in(&stream, &["interrupted"]).await["roomId"], *room);
        if kept == "Hi t" {
            let markers = reply["markers"].as_array().unwrap();
            assert_eq!(markers.len(), 2, "the ones that fired: {reply}");
        }
        let next = world.ann.ask(&room, "and then?").await;
        event(&mut socket, "ar-stream-end", &next).await;
        let told = told(&world, index * 2 + 1).await.concat();
        let unmarked = told.replace("[emotion:happy]", "").replace("[gesture:wave]", "");
        assert_eq!(unmarked.trim_end(), kept.trim_end(), "the next prompt");
        Checker::of(&socket.seen);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn speech_outlasts_text_so_an_ended_answer_can_be_interrupted() {
    let world = World::start().await;
    let room = world.ann.room("restart").await;
    let mut socket = WebSocketClient::join(&world.ann, &room, Some("start")).await;
    world.upstream.push(Reply::openai_chat(["The cat ", "sat ", "on the mat."]));
    let stream = world.ann.ask(&room, "go").await;
    event(&mut socket, "ar-stream-end", &stream).await;
    world.ann.steer(&stream, "interrupt", &heard(8)).await;
    event(&mut socket, "ar-stream-interrupt", &stream).await;
    let reply = world.ann.reply(&room, &stream).await;
    assert_eq!((&reply["text"], &reply["status"]), (&json!("The cat "), &json!("interrupted")));
    // The first one wins, and the outcome stays.
    world.ann.steer(&stream, "interrupt", &heard(3)).await;
    let next = world.ann.ask(&room, "and then?").await;
    event(&mut socket, "ar-stream-end", &next).await;
    assert_eq!(world.ann.reply(&room, &stream).await["text"], "The cat ");
    assert_eq!(told(&world, 1).await, ["The cat "]);
    let ends = socket.events().filter(|event| event["type"] == "ar-stream-end" && event["streamId"] == *stream);
    assert_eq!(ends.map(|event| event["outcome"].clone()).collect::<Vec<_>>(), ["completed"]);
    assert_eq!(world.ann.get(&format!("/api/streams/{stream}")).await.expect(200)["status"], "completed");
    // Retry takes an interrupted answer too.
    let retried = world.ann.steer(&stream, "retry", &json!({})).await;
    assert_ne!(retried["streamId"], *stream);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hearing_of_an_attempt_that_was_reset_counts_as_nothing_heard() {
    let world = World::start().await;
    let room = world.ann.room("restart").await;
    let mut socket = WebSocketClient::join(&world.ann, &room, Some("start")).await;
    world.upstream.push(Reply::stream().role().token("Wrong beginning").cut());
    world.upstream.push(held(&["Right beginning"], &[]));
    let stream = world.ann.ask(&room, "go").await;
    event(&mut socket, "ar-stream-reset", &stream).await;
    event(&mut socket, "ar-stream-chunk", &stream).await;
    world.ann.steer(&stream, "interrupt", &json!({ "heard": { "offset": 5 }, "attempt": 1 })).await;
    let end = event(&mut socket, "ar-stream-end", &stream).await;
    assert_eq!((&end["outcome"], &end["heard"]["offset"]), (&json!("interrupted"), &json!(0)), "{end}");
    assert_eq!(world.ann.reply(&room, &stream).await["text"], "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancel_closes_the_provider_and_keeps_the_text() {
    let world = World::start().await;
    let room = world.ann.room("restart").await;
    let mut socket = WebSocketClient::join(&world.ann, &room, Some("start")).await;
    world.upstream.push(Reply::openai_paced(10_000, 300.0));
    let stream = world.ann.ask(&room, "go").await;
    event(&mut socket, "ar-stream-chunk", &stream).await;
    world.ann.steer(&stream, "cancel", &json!({})).await;
    world.upstream.closed_at(0).await.unwrap();
    assert_eq!(event(&mut socket, "ar-stream-end", &stream).await["outcome"], "cancelled");
    let reply = world.ann.reply(&room, &stream).await;
    let seen = Checker::of(&socket.seen).stream(&stream).text.clone();
    assert_eq!((&reply["status"], &reply["text"]), (&json!("cancelled"), &json!(seen)));
    assert_eq!(world.ann.stream_in(&stream, &["cancelled"]).await["streamId"], *stream);
    let again = world.ann.post(&format!("/api/streams/{stream}/cancel"), &json!({})).await;
    assert!(again.status == 202 || again.status == 409, "{again:?}");
    let next = world.ann.ask(&room, "next").await;
    event(&mut socket, "ar-stream-end", &next).await;
    Checker::of(&socket.seen);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_stream_says_nothing_until_it_is_resumed() {
    let world = World::start().await;
    let room = world.ann.room("restart").await;
    let mut socket = WebSocketClient::join(&world.ann, &room, Some("start")).await;
    world.upstream.push(Reply::openai_paced(60, 200.0));
    let stream = world.ann.ask(&room, "go").await;
    event(&mut socket, "ar-stream-chunk", &stream).await;
    world.ann.steer(&stream, "pause", &json!({})).await;
    assert_eq!(event(&mut socket, "ar-stream-pause", &stream).await["by"], "ann");
    assert_eq!(world.ann.stream_in(&stream, &["paused"]).await["streamId"], *stream);
    // All that the provider had to say comes and goes meanwhile.
    assert_eq!(socket.next_within(Duration::from_millis(500)).await, None, "paused");
    world.ann.steer(&stream, "resume", &json!({})).await;
    event(&mut socket, "ar-stream-resume", &stream).await;
    let end = event(&mut socket, "ar-stream-end", &stream).await;
    assert_eq!(end["outcome"], "completed");
    assert_eq!(Checker::of(&socket.seen).stream(&stream).text.matches('@').count(), 60, "not a token is lost");
    // A paused one can be stopped.
    world.upstream.push(Reply::openai_paced(1_000, 200.0));
    let stream = world.ann.ask(&room, "go").await;
    event(&mut socket, "ar-stream-chunk", &stream).await;
    world.ann.steer(&stream, "pause", &json!({})).await;
    world.ann.steer(&stream, "interrupt", &heard(2)).await;
    assert_eq!(event(&mut socket, "ar-stream-end", &stream).await["outcome"], "interrupted");
    world.upstream.closed_at(1).await.unwrap();
    world.ann.post(&format!("/api/streams/{stream}/resume"), &json!({})).await.expect_problem(409, "conflict");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_nobody_watches_is_cancelled_only_where_that_is_the_policy() {
    let extra = format!(
        "[agents.shy]\nprovider = \"main\"\nmodel = \"m\"\non_disconnect = \"cancel_after_last_viewer\"\n\
         viewer_grace_seconds = 1\n{}",
        crate::world::NO_LIMITS
    );
    let world = World::with(&extra, 3).await;
    world.upstream.respond_with(|_| Reply::openai_paced(600, 200.0));
    for (agent, outcome) in [("shy", "cancelled"), ("restart", "completed")] {
        let room = world.ann.room(agent).await;
        let mut socket = WebSocketClient::join(&world.ann, &room, None).await;
        socket.until_type("caught-up").await;
        let stream = world.ann.ask(&room, "go").await;
        event(&mut socket, "ar-stream-chunk", &stream).await;
        let view = world.ann.stream_in(&stream, &["active"]).await;
        assert_eq!(view["connections"].as_array().map(Vec::len), Some(1), "{view}");
        drop(socket);
        let ended = world.ann.stream_in(&stream, &["cancelled", "completed"]).await;
        assert_eq!(ended["status"], outcome, "{ended}");
    }
}
