//! One stream per room, the rest in order; what is sent twice is taken once.

use crate::world::{World, event, held};
use antiphon_testkit::client::{Checker, WebSocketClient};
use antiphon_testkit::upstream::Reply;
use futures::future::join_all;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_wait_in_order_and_are_told_their_place() {
    let world = World::start().await;
    let room = world.ann.room("restart").await;
    let mut socket = WebSocketClient::join(&world.ann, &room, Some("start")).await;
    world.upstream.push(held(&["first "], &["done"]));
    let mut streams = Vec::new();
    for place in 0..5 {
        let said = world.ann.say(&room, &format!("message {place}")).await;
        assert_eq!(said["queued"], place, "0 is the running one");
        streams.push(said["streamId"].as_str().unwrap().to_owned());
    }
    assert_eq!(world.ann.get(&format!("/api/streams/{}", streams[2])).await.expect(200)["status"], "queued");
    world.ann.steer(&streams[2], "cancel", &json!({})).await;
    let end = event(&mut socket, "ar-stream-end", &streams[2]).await;
    assert_eq!((&end["outcome"], &end["totalChunks"]), (&json!("cancelled"), &json!(0)), "a queued one too");
    world.upstream.release();
    event(&mut socket, "ar-stream-end", &streams[4]).await;
    let checker = Checker::of(&socket.seen);
    let places = |stream: &str| -> Vec<u64> {
        let own = socket.events().filter(|event| event["type"] == "stream-queued" && event["streamId"] == stream);
        own.map(|event| event["queued"].as_u64().unwrap()).collect()
    };
    assert_eq!(places(&streams[0]), [0]);
    assert_eq!(places(&streams[1]), [1, 0]);
    assert_eq!(places(&streams[2]), [2]);
    assert_eq!(places(&streams[3]), [3, 2, 1, 0]);
    assert_eq!(places(&streams[4]), [4, 3, 2, 1, 0]);
    assert_eq!(checker.stream(&streams[4]).text, "You said: message 4");
    let begun: Vec<&Value> = socket.events().filter(|event| event["type"] == "ar-stream-start").collect();
    let order: Vec<&str> = begun.iter().map(|event| event["streamId"].as_str().unwrap()).collect();
    assert_eq!(order, [&streams[0], &streams[1], &streams[3], &streams[4]]);
}

/// The moment a stream's end is visible, its slot is free.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_refuses_and_forgets_what_it_refused() {
    let world = World::start().await;
    let room = world.ann.room("restart").await;
    let path = format!("/api/ar-rooms/{room}/messages");
    let mut socket = WebSocketClient::join(&world.ann, &room, None).await;
    socket.until_type("caught-up").await;
    world.upstream.push(held(&["first"], &[]));
    let running = world.ann.ask(&room, "first").await;
    let mut accepted = Vec::new();
    let refused = loop {
        let body =
            json!({ "content": format!("more {}", accepted.len()), "clientMessageId": format!("m{}", accepted.len()) });
        let answer = world.ann.post(&path, &body).await;
        if answer.status != 202 {
            break answer;
        }
        accepted.push(answer.body["streamId"].as_str().unwrap().to_owned());
        assert!(accepted.len() < 1_000, "the queue is bounded");
    };
    refused.expect_problem(429, "queue_full");
    let message = json!({ "type": "ar-message", "roomId": room, "content": "over", "requestId": "r" });
    socket.send(&message).await;
    let error = socket.until_type("error").await;
    assert_eq!((&error["code"], &error["requestId"]), (&json!("queue_full"), &json!("r")));
    let last = accepted.last().unwrap().clone();
    world.ann.steer(&last, "cancel", &json!({})).await;
    event(&mut socket, "ar-stream-end", &last).await;
    let refused_id = format!("m{}", accepted.len());
    let body = json!({ "content": "other content than what was refused", "clientMessageId": refused_id });
    let answer = world.ann.post(&path, &body).await.expect(202);
    assert_eq!(answer["queued"], accepted.len(), "its slot is free, and a refusal is not remembered");
    world.upstream.respond_with(|_| Reply::openai_chat(["ok"]));
    world.upstream.release();
    event(&mut socket, "ar-stream-end", &running).await;
    let last = answer["streamId"].as_str().unwrap().to_owned();
    event(&mut socket, "ar-stream-end", &last).await;
    Checker::of(&socket.seen);
    assert_eq!(world.ann.say(&room, "now").await["queued"], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_sent_again_is_the_same_message() {
    let world = World::start().await;
    let room = world.ann.room("restart").await;
    let path = format!("/api/ar-rooms/{room}/messages");
    world.upstream.push(held(&["x"], &[]));
    let body = json!({ "content": "once", "clientMessageId": "same" });
    let answers = join_all((0..10).map(|_| world.ann.post(&path, &body))).await;
    let first = answers[0].clone().expect(202);
    for answer in answers {
        let answer = answer.expect(202);
        assert_eq!((&answer["streamId"], &answer["message"]), (&first["streamId"], &first["message"]));
    }
    let behind = json!({ "content": "twice", "clientMessageId": "behind" });
    assert_eq!(world.ann.post(&path, &behind).await.expect(202)["queued"], 1);
    assert_eq!(world.ann.post(&path, &behind).await.expect(202)["queued"], 1);
    let other = json!({ "content": "other", "clientMessageId": "same" });
    world.ann.post(&path, &other).await.expect_problem(409, "conflict");
    let mut socket = WebSocketClient::join(&world.ann, &room, None).await;
    let message = json!({ "type": "ar-message", "roomId": room, "content": "once", "clientMessageId": "same" });
    socket.send(&message).await;
    assert_eq!(socket.until_type("accepted").await["streamId"], first["streamId"], "on any transport");
    world.upstream.release();
    let second = world.ann.post(&path, &behind).await.expect(202)["streamId"].as_str().unwrap().to_owned();
    world.ann.stream_in(&second, &["completed"]).await;
    let again = world.ann.post(&path, &behind).await.expect(202);
    assert_eq!((&again["streamId"], &again["queued"]), (&json!(second), &json!(0)));
    // As long as the room lives: in another room, and for nobody else, it is another message.
    let elsewhere = world.ann.room("restart").await;
    let path = format!("/api/ar-rooms/{elsewhere}/messages");
    assert_ne!(world.ann.post(&path, &body).await.expect(202)["streamId"], first["streamId"]);
    assert_eq!(world.ann.messages(&room).await["messages"].as_array().unwrap().len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_answer_is_asked_for_again() {
    let world = World::start().await;
    let room = world.ann.room("fail").await;
    let mut socket = WebSocketClient::join(&world.ann, &room, Some("start")).await;
    world.upstream.push(Reply::stream().role().token("Half").cut());
    let first = world.ann.ask(&room, "question").await;
    assert_ne!(event(&mut socket, "ar-stream-end", &first).await["outcome"], "completed");
    let retried = world.ann.steer(&first, "retry", &json!({})).await;
    let second = retried["streamId"].as_str().unwrap().to_owned();
    assert_ne!(second, first);
    assert_eq!(event(&mut socket, "ar-stream-end", &second).await["outcome"], "completed");
    let prompt = world.upstream.request(1).await.unwrap().messages();
    assert_eq!(prompt.iter().filter(|(role, _)| role == "user").count(), 1, "the same question, once: {prompt:?}");
    assert_eq!(Checker::of(&socket.seen).stream(&second).text, "You said: question");
    world.ann.post(&format!("/api/streams/{second}/retry"), &json!({})).await.expect_problem(409, "conflict");
    let mine = socket.events().filter(|event| event["type"] == "message-created").count();
    assert_eq!(mine, 1, "a retry says nothing anew");
}
