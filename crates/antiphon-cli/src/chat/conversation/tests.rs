//! What the keys and commands of a conversation ask of the server.

use super::*;
use crate::chat::console::Plain;
use crate::fake_server::FakeServer;
use tokio::sync::mpsc;

async fn conversation() -> (Conversation, Console) {
    let fake = FakeServer::start().await;
    let (_, lines) = mpsc::channel(1);
    let console = Console::Plain(Plain::new(lines, Box::new(std::io::sink()), Box::new(std::io::sink())));
    (Conversation::new(fake.server(), "r".to_owned(), Fold::default()), console)
}

fn hear(conversation: &mut Conversation, console: &mut Console, position: &str, fields: Value) {
    let mut event = fields;
    event["position"] = position.into();
    conversation.happened(Happening::Text(event.to_string()), console).unwrap();
}

async fn obey(conversation: &mut Conversation, console: &mut Console, line: &str) -> Option<(String, String)> {
    assert!(!conversation.obey(command::parse(line), console).await.unwrap());
    let control = conversation.controls.pop_front()?;
    Some((control["type"].as_str()?.to_owned(), control["streamId"].as_str()?.to_owned()))
}

#[tokio::test]
async fn an_interrupt_says_how_much_was_shown_and_of_which_attempt() {
    let (mut talk, mut console) = conversation().await;
    talk.interrupt(&mut console).unwrap();
    assert!(talk.controls.is_empty());
    hear(&mut talk, &mut console, "p1", json!({"type": "ar-stream-start", "streamId": "s"}));
    let chunk = json!({"type": "ar-stream-chunk", "streamId": "s", "attempt": 2, "text": "😀 ü", "chunkIndex": 0});
    hear(&mut talk, &mut console, "p2", chunk);
    talk.interrupt(&mut console).unwrap();
    let sent = talk.controls.pop_front().unwrap();
    let expected = json!({"type": "interrupt-stream", "streamId": "s", "roomId": "r", "attempt": 2,
        "heard": {"offset": 4}, "requestId": "request-1"});
    assert_eq!(sent, expected);
}

#[tokio::test]
async fn commands_name_the_stream_that_they_mean() {
    let (mut talk, mut console) = conversation().await;
    assert_eq!(obey(&mut talk, &mut console, "/pause").await, None);
    hear(&mut talk, &mut console, "p1", json!({"type": "ar-stream-start", "streamId": "s"}));
    hear(&mut talk, &mut console, "p2", json!({"type": "stream-queued", "streamId": "t", "queued": 1}));
    hear(&mut talk, &mut console, "p3", json!({"type": "stream-queued", "streamId": "v", "queued": 2}));
    let pair = |kind: &str, stream: &str| Some((kind.to_owned(), stream.to_owned()));
    assert_eq!(obey(&mut talk, &mut console, "/cancel 1").await, pair("cancel-stream", "t"));
    assert_eq!(obey(&mut talk, &mut console, "/cancel").await, pair("cancel-stream", "v"));
    assert_eq!(obey(&mut talk, &mut console, "/cancel 3").await, None);
    assert_eq!(obey(&mut talk, &mut console, "/pause").await, pair("pause-stream", "s"));
    assert_eq!(obey(&mut talk, &mut console, "/resume").await, pair("resume-stream", "s"));
}
