//! Every good line is published once, and a bad one is named.

use super::*;
use crate::fake_server::FakeServer;
use serde_json::Value;

const PATH: &str = "POST /api/channels/jobs/1/events";

async fn publish(fake: &FakeServer, lines: &[&str]) -> (Result<ExitCode, Failure>, String) {
    let (sender, receiver) = mpsc::channel(lines.len().max(1));
    for (number, line) in (1..).zip(lines) {
        sender.send(InputLine { number, text: Ok((*line).to_owned()) }).await.unwrap();
    }
    drop(sender);
    let mut output = Vec::new();
    let publisher = Publisher::new(fake.server(), ChannelName::parse("jobs:1").unwrap());
    let result = publisher.run(receiver, &mut output).await;
    (result, String::from_utf8(output).unwrap())
}

fn bodies(fake: &FakeServer) -> Vec<Vec<Value>> {
    fake.seen().iter().map(|seen| serde_json::from_str(&seen.body).unwrap()).collect()
}

#[tokio::test]
async fn a_batch_whose_answer_was_lost_is_sent_again_with_the_same_ids() {
    let fake = FakeServer::start().await;
    fake.answer(PATH, 200, "{\"position\":\"p1\"}");
    fake.answer(PATH, 503, "{\"code\":\"unavailable\"}");
    fake.raw(PATH, String::new());
    fake.answer(PATH, 200, "{\"position\":\"p600\"}");
    let lines: Vec<String> = (0..600).map(|n| format!("{{\"type\":\"t\",\"data\":{n}}}")).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let (result, output) = publish(&fake, &lines).await;
    assert!(result.is_ok());
    assert_eq!(output, "published 600 events, last position p600\n");
    let bodies = bodies(&fake);
    assert_eq!(bodies.iter().map(Vec::len).collect::<Vec<_>>(), [500, 100, 100, 100]);
    assert_eq!(bodies[1], bodies[2]);
    assert_eq!(bodies[1], bodies[3]);
    let ids: std::collections::HashSet<_> =
        bodies[..2].iter().flatten().map(|event| event["eventId"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 600);
}

#[tokio::test]
async fn malformed_lines_are_left_out_and_the_exit_code_says_so() {
    let fake = FakeServer::start().await;
    fake.answer(PATH, 200, "{\"position\":\"p\"}");
    let good = "{\"type\":\"t\",\"data\":{\"a\":1.50},\"eventId\":\"e\"}";
    let (result, output) = publish(&fake, &["{\"type\":3}", "", good, "{\"type\":\"t\"", "[]", "{}"]).await;
    assert_eq!(format!("{:?}", result.unwrap()), format!("{:?}", ExitCode::FAILURE));
    assert_eq!(output, "published 1 event, last position p\n");
    assert_eq!(fake.seen()[0].body, format!("[{good}]"));
}

#[tokio::test]
async fn an_event_that_the_server_refuses_takes_no_other_with_it() {
    let fake = FakeServer::start().await;
    fake.answer(PATH, 422, "{\"code\":\"invalid_request\"}");
    fake.answer(PATH, 200, "{\"position\":\"p1\"}");
    fake.answer(PATH, 422, "{\"code\":\"invalid_request\"}");
    fake.answer(PATH, 422, "{\"code\":\"invalid_request\"}");
    fake.answer(PATH, 200, "{\"position\":\"p3\"}");
    let lines = ["{\"type\":\"a\"}", "{\"type\":\"bad\"}", "{\"type\":\"c\"}"];
    let (result, output) = publish(&fake, &lines).await;
    assert_eq!(format!("{:?}", result.unwrap()), format!("{:?}", ExitCode::FAILURE));
    assert_eq!(output, "published 2 events, last position p3\n");
    let types: Vec<String> = bodies(&fake)
        .iter()
        .map(|body| body.iter().map(|event| event["type"].as_str().unwrap()).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(types, ["a bad c", "a", "bad c", "bad", "c"]);
}

#[tokio::test]
async fn without_the_right_to_publish_it_stops() {
    let fake = FakeServer::start().await;
    fake.answer(PATH, 403, "{\"code\":\"forbidden\",\"detail\":\"not here\"}");
    let (result, output) = publish(&fake, &["{\"type\":\"a\"}"]).await;
    assert_eq!(result, Err(Failure::new("nothing from line 1 on was published: not here (forbidden)")));
    assert_eq!(output, "published 0 events, last position -\n");
}
