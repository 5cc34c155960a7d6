//! A message and its answer, alike on every transport, begun on one and gone on with on another.

use crate::world::{World, event, held, text};
use antiphon_testkit::client::{Checker, SseClient, WebSocketClient};
use antiphon_testkit::upstream::Reply;
use serde_json::{Value, json};

/// Markers cut at awkward places, brackets that are none, an unknown value and characters beyond the basic plane.
const TOKENS: [&str; 9] = [
    "Hi 😀",
    " [emo",
    "tion:hap",
    "py,gesture:wa",
    "ve]you, [",
    "1] and [l](u)",
    " [tone:smug]",
    "[mood:x] a[gesture:nod",
    "].",
];
const TEXT: &str = "Hi 😀 you, [1] and [l](u) [mood:x] a.";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_the_same_on_every_transport() {
    let world = World::start().await;
    let room = world.ann.room("restart").await;
    let mut socket = WebSocketClient::join(&world.ann, &room, Some("start")).await;
    let mut plain = SseClient::join(&world.ann, &room, Some("start")).await;
    let mut named =
        SseClient::connect(&world.ann, &format!("/api/ar-rooms/{room}/events?position=start&named=true")).await;
    assert_eq!(socket.next().await.unwrap()["type"], "connected");
    socket.until_type("caught-up").await;
    world.upstream.push(Reply::openai_chat(TOKENS));
    let said = world.ann.say(&room, "Hello?").await;
    let stream = said["streamId"].as_str().unwrap();
    assert_eq!(said["queued"], 0);
    let end = event(&mut socket, "ar-stream-end", stream).await;
    plain.until_type("ar-stream-end").await;
    named.until_type("ar-stream-end").await;
    let checker = Checker::of(&socket.seen);
    checker.assert_same(&Checker::of(plain.events()));
    checker.assert_same(&Checker::of(named.events()));
    let folded = checker.stream(stream);
    assert_eq!((&*folded.text, &*folded.raw), (TEXT, &*TOKENS.concat()));
    let marker = |kind: &str, value: &str, offset: u64| (kind.to_owned(), value.to_owned(), offset);
    let nod = TEXT.encode_utf16().count() as u64 - 1;
    assert_eq!(
        folded.markers,
        [marker("emotion", "happy", 6), marker("gesture", "wave", 6), marker("gesture", "nod", nod)]
    );
    assert_eq!(folded.unknown, [marker("tone", "smug", 26)]);
    assert_eq!((&end["outcome"], &end["finishReason"]), (&json!("completed"), &json!("stop")));
    assert!(end["usage"].is_object(), "{end}");
    let types: Vec<&str> = socket.events().map(|event| event["type"].as_str().unwrap()).collect();
    let fixed: Vec<&str> = types.iter().copied().filter(|kind| *kind != "ar-stream-chunk").collect();
    assert_eq!(fixed, ["room-created", "message-created", "stream-queued", "ar-stream-start", "ar-stream-end"]);
    for event in socket.events() {
        assert_eq!(event["roomId"], *room, "{event}");
    }
    for event in plain.seen.iter().filter(|event| event.data["roomId"] == *room && event.data["type"] != "presence") {
        assert_eq!(
            (&event.id, &event.event),
            (&event.data["position"].as_str().map(str::to_owned), &None),
            "{event:?}"
        );
    }
    for event in named.seen.iter().filter(|event| event.data["roomId"] == *room) {
        assert_eq!(event.event.as_deref(), event.data["type"].as_str(), "{event:?}");
    }
    let reply = world.ann.reply(&room, stream).await;
    assert_eq!((&reply["text"], &reply["content"]), (&json!(TEXT), &json!(TOKENS.concat())));
    assert_eq!((&reply["status"], &reply["id"]), (&json!("completed"), &end["messageId"]));
    assert_eq!((reply["markers"].as_array().unwrap().len(), &reply["arRoomId"]), (3, &json!(room)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_past_comes_between_subscribed_and_caught_up_once_each() {
    let world = World::start().await;
    let room = world.ann.room("restart").await;
    let stream = world.ann.ask(&room, "one").await;
    world.ann.stream_in(&stream, &["completed"]).await;
    let mut socket = WebSocketClient::join(&world.ann, &room, Some("start")).await;
    let mut sse = SseClient::join(&world.ann, &room, Some("start")).await;
    let caught_up = socket.until_type("caught-up").await;
    assert_eq!(sse.until_type("caught-up").await["channel"], caught_up["channel"]);
    for seen in [&socket.seen, &sse.seen.iter().map(|event| event.data.clone()).collect()] {
        let types: Vec<&str> = seen.iter().map(|event| event["type"].as_str().unwrap()).collect();
        let at = |kind: &str| types.iter().position(|found| *found == kind).unwrap();
        assert!(at("subscribed") < at("room-created") && at("ar-stream-end") < at("caught-up"), "{types:?}");
        assert_eq!(types.iter().filter(|kind| **kind == "subscribed").count(), 1);
    }
    assert_eq!(caught_up["channel"], json!({ "type": "ar-room", "id": room }));
    assert_eq!(caught_up["position"], *socket.position());
    assert!(sse.seen.iter().filter(|event| event.data["type"] == "caught-up").all(|event| event.id.is_none()));
    // From now on: nothing of the past, and nothing of what follows is missing.
    let mut late = WebSocketClient::join(&world.ann, &room, None).await;
    let subscribed = late.until_type("subscribed").await;
    assert_eq!(subscribed["position"], caught_up["position"]);
    late.until_type("caught-up").await;
    let second = world.ann.ask(&room, "two").await;
    event(&mut late, "ar-stream-end", &second).await;
    assert_eq!(late.events().next().unwrap()["type"], "message-created");
}

/// Goes over all of an answer, five tokens at a time, each part on the other transport.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_begins_on_one_transport_goes_on_on_the_other_mid_sentence() {
    let world = World::start().await;
    let room = world.ann.room("restart").await;
    let parts = 8;
    let mut reply = Reply::stream().role();
    for part in 0..parts {
        reply = reply.tokens((0..5).map(|token| format!("{part}.{token} "))).stall();
    }
    world.upstream.push(reply.finish("stop").done_marker());
    let mut whole = WebSocketClient::join(&world.ann, &room, Some("start")).await;
    let stream = world.ann.ask(&room, "go").await;
    let mut checker = Checker::default();
    for part in 0..parts {
        let position = checker.position().unwrap_or("start").to_owned();
        let last = format!("{part}.4 ");
        let has_last = |event: &Value| event["text"].as_str().is_some_and(|text| text.ends_with(&last));
        if part % 2 == 0 {
            let mut client = WebSocketClient::join(&world.ann, &room, Some(&position)).await;
            client.until("the part's last token", has_last).await;
            checker.take_all(&client.seen);
        } else {
            let mut client = SseClient::join(&world.ann, &room, Some(&position)).await;
            client.until("the part's last token", has_last).await;
            checker.take_all(client.events());
        }
        world.upstream.release();
    }
    event(&mut whole, "ar-stream-end", &stream).await;
    let mut last = SseClient::join(&world.ann, &room, checker.position()).await;
    last.until_type("ar-stream-end").await;
    checker.take_all(last.events());
    checker.assert_same(&Checker::of(&whole.seen));
    assert_eq!(checker.stream(&stream).text.split_whitespace().count(), parts * 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_event_id_wins_over_the_position() {
    let world = World::start().await;
    let room = world.ann.room("restart").await;
    let stream = world.ann.ask(&room, "one").await;
    let mut first = SseClient::join(&world.ann, &room, Some("start")).await;
    first.until_type("ar-stream-end").await;
    let start = first.seen.iter().position(|event| event.data["type"] == "ar-stream-start").unwrap();
    let id = first.seen[start].id.clone();
    let path = format!("/api/ar-rooms/{room}/stream?position=start");
    let mut resumed = SseClient::try_connect(&world.ann, &path, id.as_deref()).await.ok().unwrap();
    resumed.until_type("ar-stream-end").await;
    let next = resumed.events().next().unwrap();
    assert_eq!((&next["type"], &next["streamId"]), (&json!("ar-stream-chunk"), &json!(stream)));
    // A browser that has seen no event yet sends none, or an empty one.
    let mut fresh = SseClient::try_connect(&world.ann, &path, Some("")).await.ok().unwrap();
    fresh.until_type("room-created").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cannot_stream_gets_the_whole_answer_in_one_response() {
    let world = World::with(crate::world::NO_LIMITS, 1).await;
    let room = world.ann.room("fail").await;
    let path = format!("/api/ar-rooms/{room}/messages?wait=true");
    world.upstream.push(Reply::openai_chat(TOKENS));
    let answer = world.ann.post(&path, &json!({ "content": "Hello?" })).await.expect(200);
    let reply = &answer["reply"];
    assert_eq!((&reply["text"], &reply["status"]), (&json!(TEXT), &json!("completed")));
    assert_eq!(reply["content"], TOKENS.concat());
    assert!(reply["timeline"].is_object() && reply["markers"].as_array().unwrap().len() == 3, "{reply}");
    assert_eq!(answer["message"]["content"], "Hello?");
    world.upstream.push(Reply::stream().role().tokens(["Half an"]).cut());
    let answer = world.ann.post(&path, &json!({ "content": "And now?" })).await.expect(200);
    let reply = &answer["reply"];
    assert!(reply["status"] == "truncated" || reply["status"] == "failed", "also where it failed: {reply}");
    assert_eq!(reply["text"], "Half an");
    world.upstream.push(Reply::error(401, "no such key sk-never-to-be-seen"));
    let answer = world.ann.post(&path, &json!({ "content": "And now?" })).await.expect(200);
    assert_eq!((&answer["reply"]["status"], &answer["reply"]["text"]), (&json!("failed"), &json!("")));
    assert!(!answer.to_string().contains("never-to-be-seen"), "{answer}");
    assert!(!world.server.stderr().contains("never-to-be-seen"), "secrets are never logged");
}

/// Reads the room at every moment of a running answer: text up to `position`, and events after it, make the whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_streaming_message_is_its_chunks_up_to_the_position() {
    let world = World::start().await;
    let room = world.ann.room("restart").await;
    world.upstream.push(Reply::openai_paced(120, 150.0));
    let mut socket = WebSocketClient::join(&world.ann, &room, Some("start")).await;
    let stream = world.ann.ask(&room, "go").await;
    let mut pages = Vec::new();
    loop {
        let page = world.ann.messages(&room).await;
        let is_over = page["messages"][1]["status"] == "completed";
        pages.push(page);
        if is_over {
            break;
        }
        tokio::task::yield_now().await;
    }
    event(&mut socket, "ar-stream-end", &stream).await;
    let whole = Checker::of(&socket.seen).stream(&stream).text.clone();
    let mut partial = 0;
    for page in &pages {
        let position = page["position"].as_str().unwrap();
        let is_included = |event: &&Value| event["position"].as_str().unwrap() <= position;
        let included = socket.events().filter(is_included);
        let text: String = included.filter_map(|event| event["text"].as_str()).collect();
        // The message of a stream that has not begun need not be there.
        let has = page["messages"][1]["text"].as_str().unwrap_or_default();
        // A chunk that was merged for this client may reach beyond the page's end; nothing else does.
        let next = socket.events().find(|event| !is_included(event));
        let merged =
            next.filter(|event| event["chunkCount"].as_u64() > Some(1)).and_then(|event| event["text"].as_str());
        let beyond = has.strip_prefix(&*text).unwrap_or_else(|| panic!("{text} is not the beginning of {page}"));
        assert!(beyond.is_empty() || merged.is_some_and(|merged| merged.starts_with(beyond)), "{beyond} of {page}");
        partial += usize::from(!text.is_empty() && text != whole);
    }
    println!("{} pages, {partial} of them in the middle", pages.len());
    assert!(partial > 3, "{} pages, {partial} in the middle", pages.len());
    let page = &pages[pages.len() / 2];
    let mut client = SseClient::join(&world.ann, &room, page["position"].as_str()).await;
    client.until_type("ar-stream-end").await;
    let rest: String = client.events().filter_map(|event| event["text"].as_str()).collect();
    assert_eq!(page["messages"][1]["text"].as_str().unwrap_or_default().to_owned() + &rest, whole);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn once_a_stream_s_end_is_seen_its_message_is_in_the_list() {
    let world = World::start().await;
    let room = world.ann.room("restart").await;
    let mut socket = WebSocketClient::join(&world.ann, &room, None).await;
    for round in 0..20 {
        let stream = world.ann.ask(&room, &format!("round {round}")).await;
        event(&mut socket, "ar-stream-end", &stream).await;
        let reply = world.ann.reply(&room, &stream).await;
        assert_eq!(reply["status"], "completed", "{reply}");
        assert_eq!(reply["text"], format!("You said: round {round}"));
    }
    let page = world.ann.get(&format!("/api/ar-rooms/{room}/messages?limit=3")).await.expect(200);
    let messages = page["messages"].as_array().unwrap();
    assert_eq!((messages.len(), &messages[2]["text"]), (3, &json!("You said: round 19")), "the latest, oldest first");
    let before = messages[0]["id"].as_str().unwrap();
    let page = world.ann.get(&format!("/api/ar-rooms/{room}/messages?limit=2&before={before}")).await.expect(200);
    assert_eq!(page["messages"][1]["content"], "round 18", "{page}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_can_be_done_over_one_socket() {
    let world = World::start().await;
    let room = world.ann.room("restart").await;
    let mut socket = WebSocketClient::connect(&world.ann, "/ws").await;
    let connected = socket.until_type("connected").await;
    for field in ["clientId", "sessionId", "resumeToken", "message", "timestamp"] {
        assert!(connected[field].is_string(), "{field}: {connected}");
    }
    assert!(connected["heartbeatSeconds"].is_u64());
    socket.send(&json!({ "type": "join-ar-room", "roomId": room, "requestId": "j" })).await;
    let subscribed = socket.until_type("subscribed").await;
    assert_eq!((&subscribed["channel"]["id"], &subscribed["requestId"]), (&json!(room), &json!("j")));
    world.upstream.push(held(&["One ", "two "], &["three"]));
    let message =
        json!({ "type": "ar-message", "roomId": room, "content": "go", "clientMessageId": "m1", "requestId": "a" });
    socket.send(&message).await;
    let accepted = socket.until_type("accepted").await;
    assert_eq!((&accepted["requestId"], &accepted["queued"]), (&json!("a"), &json!(0)), "{accepted}");
    assert_eq!(accepted["message"]["content"], "go");
    let stream = accepted["streamId"].as_str().unwrap().to_owned();
    text(&mut socket, &stream, "One two ").await;
    let created = socket.events().find(|event| event["type"] == "message-created").unwrap();
    assert_eq!(created["clientMessageId"], "m1");
    for (kind, announced) in [("pause-stream", "ar-stream-pause"), ("resume-stream", "ar-stream-resume")] {
        socket.send(&json!({ "type": kind, "streamId": stream })).await;
        assert!(event(&mut socket, announced, &stream).await["by"].is_string());
    }
    let interrupt = json!({ "type": "interrupt-stream", "streamId": stream, "roomId": room, "heard": { "offset": 4 } });
    socket.send(&interrupt).await;
    let interrupted = event(&mut socket, "ar-stream-interrupt", &stream).await;
    assert_eq!((&interrupted["heard"]["offset"], &interrupted["userId"]), (&json!(4), &json!("ann")));
    assert_eq!(event(&mut socket, "ar-stream-end", &stream).await["outcome"], "interrupted");
    world.upstream.push(held(&["x"], &[]));
    socket.send(&json!({ "type": "ar-message", "roomId": room, "content": "again" })).await;
    let stream = socket.until_type("accepted").await["streamId"].as_str().unwrap().to_owned();
    socket.send(&json!({ "type": "cancel-stream", "streamId": stream, "requestId": 7 })).await;
    assert_eq!(event(&mut socket, "ar-stream-end", &stream).await["outcome"], "cancelled");
    socket.send(&json!({ "type": "ping", "requestId": "p" })).await;
    assert_eq!(socket.until_type("pong").await["requestId"], "p");
    socket
        .send(&json!({ "type": "unsubscribe", "channel": { "type": "ar-room", "id": room }, "requestId": "u" }))
        .await;
    socket.until("the answer", |message| message["requestId"] == "u").await;
    let stream = world.ann.ask(&room, "unheard").await;
    world.ann.stream_in(&stream, &["completed"]).await;
    socket.send(&json!({ "type": "ping" })).await;
    socket.until_type("pong").await;
    assert!(!socket.events().any(|event| event["streamId"] == *stream), "nothing after unsubscribing");
    Checker::of(&socket.seen);
}
