//! Events are printed once each, in order, whatever the connection does.

use super::*;
use crate::fake_server::{FakeServer, arguments};

const PATH: &str = "GET /api/channels/jobs/1/events";

fn given(fake: &FakeServer, from: Option<&str>, until_end: bool) -> TailArguments {
    TailArguments {
        channel: "jobs:1".to_owned(),
        from: from.map(str::to_owned),
        until_end,
        json: true,
        server: arguments(fake.url()),
    }
}

async fn tail(fake: &FakeServer, from: Option<&str>, until_end: bool) -> (Result<ExitCode, Failure>, Vec<String>) {
    let mut output = Vec::new();
    let result = Tail::new(fake.server(), &given(fake, from, until_end), false).unwrap().run(&mut output).await;
    (result, String::from_utf8(output).unwrap().lines().map(str::to_owned).collect())
}

fn queries(fake: &FakeServer) -> Vec<String> {
    fake.seen().iter().map(|seen| seen.line.split_once('?').map_or("", |(_, query)| query).to_owned()).collect()
}

#[tokio::test]
async fn a_cut_stream_goes_on_after_the_last_event_and_doubles_nothing() {
    let fake = FakeServer::start().await;
    fake.stream(PATH, "id: p1\ndata: {\"n\":1}\n\nid: p2\ndata: {\"n\":2}\n\nid: p3\ndata: {\"n\"", false);
    fake.answer(PATH, 503, "{\"code\":\"unavailable\"}");
    fake.stream(PATH, "id: p2\ndata: {\"n\":2}\n\nid: p3\ndata: {\"n\":3}\n\n", true);
    let (result, lines) = tail(&fake, Some("start"), true).await;
    assert!(result.is_ok());
    assert_eq!(lines, ["{\"n\":1}", "{\"n\":2}", "{\"n\":3}"]);
    assert_eq!(queries(&fake), ["position=start&until=end", "position=p2&until=end", "position=p2&until=end"]);
}

#[tokio::test]
async fn from_now_on_means_the_first_now_also_after_a_cut() {
    let fake = FakeServer::start().await;
    fake.stream(PATH, "data: {\"type\":\"subscribed\",\"position\":\"p5\"}\n\n", false);
    fake.stream(
        PATH,
        "id: p6\ndata: {}\n\ndata: {\"type\":\"error\",\"code\":\"forbidden\",\"message\":\"no\"}\n\n",
        true,
    );
    let (result, lines) = tail(&fake, None, false).await;
    assert_eq!(result, Err(Failure::new("no (forbidden)")));
    assert_eq!(lines, ["{}"]);
    assert_eq!(queries(&fake), ["", "position=p5"]);
}

#[tokio::test]
async fn a_server_that_refuses_for_now_is_come_back_to_when_it_says() {
    let fake = FakeServer::start().await;
    fake.stream(PATH, "id: p1\ndata: 1\n\n", false);
    fake.answer(PATH, 503, "Retry-After: 1\n\n{\"code\":\"unavailable\"}");
    let error = "data: {\"type\":\"error\",\"code\":\"unavailable\",\"retryAfterMs\":400}\n\n";
    fake.stream(PATH, error, true);
    fake.stream(PATH, "id: p2\ndata: 2\n\n", true);
    let since = std::time::Instant::now();
    let (result, lines) = tail(&fake, Some("p0"), true).await;
    assert!(result.is_ok(), "{result:?}");
    assert_eq!(lines, ["1", "2"]);
    assert!(since.elapsed() >= Duration::from_millis(1_400), "it did not leave the server alone");
}

#[tokio::test]
async fn what_has_expired_meanwhile_does_not_end_it() {
    let fake = FakeServer::start().await;
    fake.stream(PATH, "id: p1\ndata: 1\n\n", false);
    fake.answer(PATH, 410, "{\"code\":\"position_expired\"}");
    fake.stream(PATH, "id: p8\ndata: 8\n\n", true);
    let (_, lines) = tail(&fake, Some("p0"), true).await;
    assert_eq!(lines, ["1", "8"]);
    assert_eq!(queries(&fake)[2], "position=start&until=end");
}

#[tokio::test]
async fn a_first_refusal_ends_it_with_what_to_do() {
    let fake = FakeServer::start().await;
    fake.answer(PATH, 400, "{\"code\":\"position_invalid\",\"detail\":\"not a position\"}");
    let (result, _) = tail(&fake, Some("?"), false).await;
    assert_eq!(result, Err(Failure::new("not a position (position_invalid)").fix("try --from start")));
}

#[test]
fn a_readable_line_keeps_the_data_as_it_was_published() {
    let json =
        r#"{"type":"t","channel":{"type":"a","id":"b"},"data":{"z":1.0,"a":12345678901234567890123},"position":"p"}"#;
    assert_eq!(readable(json), "-  t  {\"z\":1.0,\"a\":12345678901234567890123}");
    let room = r#"{"type":"ar-stream-end","timestamp":"now","outcome":"completed","roomId":"r","position":"p"}"#;
    assert_eq!(readable(room), "now  ar-stream-end  {\"outcome\":\"completed\"}");
}
