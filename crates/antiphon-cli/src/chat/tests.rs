//! Conversations with a scripted server: nothing is lost, nothing doubled, whatever the connection does.

use super::*;
use crate::fake_server::{Act, FakeServer, arguments};
use crate::input_lines::InputLine;
use serde_json::{Value, json};
use std::io::Write;
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Sink {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// A chat whose lines all come at once: its result, its output and its notices.
async fn chat(fake: &FakeServer, lines: &[&str]) -> (Result<ExitCode, Failure>, String, String) {
    let (sender, receiver) = mpsc::channel(lines.len().max(1));
    for (number, line) in (1..).zip(lines) {
        sender.send(InputLine { number, text: Ok((*line).to_owned()) }).await.unwrap();
    }
    drop(sender);
    fake.answer("GET /api/agents", 200, &agents().to_string());
    fake.answer("POST /api/ar-rooms", 201, r#"{"id":"r","agentId":"anna","position":"p0000"}"#);
    let (output, notices) = (Sink::default(), Sink::default());
    let mut console = Console::Plain(Plain::new(receiver, Box::new(output.clone()), Box::new(notices.clone())));
    let given = ChatArguments { agent: None, room: None, server: arguments(fake.url()) };
    let result = talk(prepare(&given).await.unwrap(), &mut console).await;
    (result, output.text(), notices.text())
}

fn agents() -> Value {
    json!({"agents": [
        {"id": "guide", "name": "Guide", "kind": "script", "model": "", "simulated": true, "ready": true},
        {"id": "anna", "name": "Anna", "kind": "local", "model": "small", "simulated": false, "ready": true},
    ]})
}

fn event(position: u32, kind: &str, fields: Value) -> Act {
    let mut value = fields;
    value["type"] = kind.into();
    value["position"] = format!("p{position:04}").into();
    value["roomId"] = "r".into();
    Act::Send(value)
}

fn begin(position: u32, stream: &str) -> Act {
    event(position, "ar-stream-start", json!({"streamId": stream, "messageId": format!("m-{stream}")}))
}

/// A connection that is lost after the first piece of an answer.
fn cut_after_one() -> Vec<Act> {
    let answer = [Act::Await("ar-message"), Act::Accept("s1"), begin(1, "s1"), piece(2, "s1", 0, "one "), Act::Cut];
    script(answer.into())
}

fn piece(position: u32, stream: &str, index: u64, text: &str) -> Act {
    event(
        position,
        "ar-stream-chunk",
        json!({"streamId": stream, "messageId": format!("m-{stream}"), "attempt": 1, "chunk": text, "text": text,
            "markers": [], "chunkIndex": index, "chunkCount": 1, "isFinal": false}),
    )
}

fn end(position: u32, stream: &str, total: u64) -> Act {
    let fields = json!({"streamId": stream, "messageId": "m", "outcome": "completed", "totalChunks": total});
    event(position, "ar-stream-end", fields)
}

fn opening() -> [Act; 3] {
    let channel = json!({"type": "ar-room", "id": "r"});
    [
        Act::Send(json!({"type": "connected", "clientId": "c", "sessionId": "s", "heartbeatSeconds": 30})),
        Act::Send(json!({"type": "subscribed", "channel": channel, "position": "p0000"})),
        Act::Send(json!({"type": "heartbeat"})),
    ]
}

fn script(acts: Vec<Act>) -> Vec<Act> {
    opening().into_iter().chain(acts).collect()
}

fn sockets(fake: &FakeServer) -> Vec<String> {
    fake.seen().into_iter().map(|seen| seen.line).filter(|line| line.contains("/ws/")).collect()
}

#[tokio::test]
async fn an_answer_goes_on_after_a_lost_connection_without_gap_or_double() {
    let fake = FakeServer::start().await;
    fake.socket(script(vec![
        Act::Await("ar-message"),
        Act::Accept("s1"),
        begin(1, "s1"),
        piece(2, "s1", 0, "one "),
        piece(3, "s1", 1, "two "),
        Act::Cut,
    ]));
    fake.socket(vec![Act::Cut]);
    // The server gives one event again, and so does the late end.
    fake.socket(script(vec![piece(3, "s1", 1, "two "), piece(4, "s1", 2, "three"), end(5, "s1", 3), end(6, "s1", 3)]));
    let (result, output, notices) = chat(&fake, &["hello"]).await;
    assert!(result.is_ok());
    assert_eq!(output, "one two three\n");
    assert!(notices.contains("Anna: a model, small by local") && notices.contains("connected again"), "{notices}");
    assert_eq!(
        sockets(&fake),
        ["GET /ws/ar-rooms/r?position=p0000", "GET /ws/ar-rooms/r?position=p0003", "GET /ws/ar-rooms/r?position=p0003"]
    );
    assert_eq!(fake.said().len(), 1);
}

#[tokio::test]
async fn what_was_not_accepted_is_sent_again_under_the_same_id_and_in_order() {
    let fake = FakeServer::start().await;
    fake.socket(script(vec![Act::Await("ar-message"), Act::Cut]));
    fake.socket(script(vec![
        Act::Await("ar-message"),
        Act::Accept("s1"),
        Act::Await("ar-message"),
        Act::Accept("s2"),
        begin(1, "s1"),
        piece(2, "s1", 0, "first"),
        end(3, "s1", 1),
        begin(4, "s2"),
        piece(5, "s2", 0, "second"),
        end(6, "s2", 1),
    ]));
    let (result, output, _) = chat(&fake, &["a", "b"]).await;
    assert!(result.is_ok());
    assert_eq!(output, "first\nsecond\n");
    let said = fake.said();
    let contents: Vec<&str> = said.iter().map(|message| message["content"].as_str().unwrap()).collect();
    assert_eq!(contents, ["a", "a", "b"]);
    assert_eq!(said[0]["clientMessageId"], said[1]["clientMessageId"]);
    assert_ne!(said[1]["clientMessageId"], said[2]["clientMessageId"]);
}

#[tokio::test]
async fn an_expired_position_is_mended_from_the_messages() {
    let fake = FakeServer::start().await;
    fake.socket(cut_after_one());
    let refusal = json!({"type": "error", "code": "position_expired", "message": "gone"});
    fake.socket(vec![Act::Send(refusal), Act::Cut]);
    let message = json!({"id": "m-s1", "role": "assistant", "text": "one two ", "content": "one two ", "markers": [],
        "status": "streaming", "streamId": "s1"});
    let page = json!({"messages": [message], "position": "p0007"});
    fake.answer("GET /api/ar-rooms/r/messages", 200, &page.to_string());
    fake.socket(script(vec![piece(8, "s1", 2, "three"), end(9, "s1", 3)]));
    let (result, output, _) = chat(&fake, &["hello"]).await;
    assert!(result.is_ok());
    assert_eq!(output, "one two three\n");
    assert_eq!(sockets(&fake).last().unwrap(), "GET /ws/ar-rooms/r?position=p0007");
}

#[tokio::test]
async fn a_stream_whose_end_was_missed_is_asked_for() {
    let fake = FakeServer::start().await;
    fake.socket(script(vec![Act::Await("ar-message"), Act::Accept("s1"), Act::Cut]));
    fake.socket(vec![Act::Send(json!({"type": "error", "code": "position_foreign", "message": "other log"}))]);
    fake.answer("GET /api/ar-rooms/r/messages", 200, r#"{"messages":[],"position":"q0001"}"#);
    fake.answer("GET /api/streams/s1", 200, r#"{"streamId":"s1","status":"failed"}"#);
    fake.socket(script(vec![]));
    let (result, _, notices) = chat(&fake, &["hello"]).await;
    assert_eq!(format!("{:?}", result.unwrap()), format!("{:?}", ExitCode::FAILURE));
    assert!(notices.contains("failed"), "{notices}");
}

#[tokio::test]
async fn a_full_queue_delays_a_line_and_a_refusal_names_it() {
    let fake = FakeServer::start().await;
    fake.socket(script(vec![
        Act::Await("ar-message"),
        Act::Refuse("queue_full", 1),
        Act::Await("ar-message"),
        Act::Refuse("invalid_request", 1),
        Act::Await("ar-message"),
        Act::Accept("s1"),
        begin(1, "s1"),
        end(2, "s1", 0),
    ]));
    let (result, _, notices) = chat(&fake, &["a", "b"]).await;
    assert_eq!(format!("{:?}", result.unwrap()), format!("{:?}", ExitCode::FAILURE));
    let contents: Vec<Value> = fake.said().iter().map(|message| message["content"].clone()).collect();
    assert_eq!(contents, ["a", "a", "b"]);
    assert!(notices.contains("sent again by itself") && notices.contains("not sent: "), "{notices}");
}

#[tokio::test]
async fn a_server_that_refuses_for_now_is_come_back_to() {
    let fake = FakeServer::start().await;
    fake.socket(cut_after_one());
    let refusal = || json!({"type": "error", "code": "unavailable", "message": "away", "retryAfterMs": 300});
    fake.socket(vec![Act::Send(refusal()), Act::Cut]);
    fake.socket(vec![Act::Send(refusal()), Act::Cut]);
    fake.socket(script(vec![piece(3, "s1", 1, "two"), end(4, "s1", 2)]));
    let since = std::time::Instant::now();
    let (result, output, notices) = chat(&fake, &["hello"]).await;
    assert!(result.is_ok(), "{result:?}");
    assert_eq!(output, "one two\n");
    assert!(notices.contains("away") && notices.contains("connected again"), "{notices}");
    assert!(since.elapsed() >= std::time::Duration::from_millis(600), "it did not leave the server alone");
}

#[tokio::test]
async fn a_refused_room_ends_it() {
    let fake = FakeServer::start().await;
    fake.socket(vec![Act::Send(json!({"type": "error", "code": "room_not_found", "message": "no such room"}))]);
    let (result, ..) = chat(&fake, &["a"]).await;
    assert_eq!(result, Err(Failure::new("no such room (room_not_found)")));
}

#[tokio::test]
async fn without_demo_mode_a_guest_is_told_what_to_do() {
    let fake = FakeServer::start().await;
    let mut given = ChatArguments { agent: None, room: None, server: arguments(fake.url()) };
    given.server.token = None;
    let Err(Failure::Told { message, fix }) = prepare(&given).await else { panic!("it was let in") };
    assert!(message.contains("not in demo mode") && fix.unwrap().contains("--token"));
}

#[test]
fn a_real_model_that_is_ready_is_picked_before_a_script() {
    let Agents { mut agents } = serde_json::from_value(agents()).unwrap();
    assert_eq!(pick(&agents, None).unwrap().id, "anna");
    agents[1].ready = false;
    let guide = pick(&agents, None).unwrap();
    assert_eq!(introduce(guide), "talking to Guide: a script, not a model");
    assert_eq!(pick(&agents, Some("anna")).unwrap().id, "anna");
    assert!(pick(&agents, Some("nobody")).is_err());
    assert!(pick(&[], None).is_err());
}
