//! What is peculiar in how chat completions and their servers fail.

use super::ChatCompletions;
use crate::calls::{base_url, call, fault, options, prompt};
use antiphon_ai::HttpOptions;
use antiphon_ai::openai::OpenAi;
use antiphon_ai::provider::{FaultKind, Piece, Provider};
use antiphon_testkit::upstream::{Reply, Upstream};
use futures::StreamExt;
use serde_json::json;
use std::time::Duration;

/// Of the shared reading loop, which is the same for all adapters.
#[tokio::test]
async fn the_idle_time_does_not_run_while_nobody_reads() {
    let upstream = Upstream::start([Reply::stream().token("a").stall().token("b").finish("stop")]).await.unwrap();
    let idle = Duration::from_millis(300);
    let options = HttpOptions { idle_timeout: idle, ..options(base_url::<ChatCompletions>(&upstream)) };
    let mut stream = OpenAi::new(options).unwrap().stream(prompt());
    assert_eq!(stream.next().await, Some(Piece::Text("a".into())));
    // Read until it waits, then not for longer than the idle time and its slack.
    assert!(tokio::time::timeout(idle / 5, stream.next()).await.is_err());
    tokio::time::sleep(idle + Duration::from_millis(1200)).await;
    let (next, ()) = tokio::join!(stream.next(), async { upstream.release() });
    assert_eq!(next, Some(Piece::Text("b".into())));
}

#[tokio::test]
async fn an_event_named_error_is_one_whatever_it_holds() {
    let reply = Reply::stream().token("a").bytes("event: error\ndata: boom\n\n").done_marker();
    assert_eq!(fault(call::<ChatCompletions>(reply).await.end).kind, FaultKind::Error);
}

#[tokio::test]
async fn choices_of_another_shape_are_a_fault() {
    let heard =
        call::<ChatCompletions>(Reply::stream().token("a").data(json!({"choices": 7})).finish("stop").done_marker())
            .await;
    assert_eq!(heard.texts, ["a"]);
    assert_eq!(fault(heard.end).kind, FaultKind::Error);
}

#[tokio::test]
async fn an_empty_account_is_told_from_a_busy_server() {
    let error = json!({"error": {"message": "You exceeded your current quota, please check your plan.",
        "type": "insufficient_quota", "param": null, "code": "insufficient_quota"}});
    let fault = fault(call::<ChatCompletions>(Reply::json_with(429, &[("Retry-After", "3")], &error)).await.end);
    assert_eq!((fault.kind, fault.retry_after), (FaultKind::Quota, None));
}

#[tokio::test]
async fn milliseconds_to_wait_are_understood() {
    let slow = json!({"error": {"message": "slow"}});
    let fault = fault(call::<ChatCompletions>(Reply::json_with(429, &[("retry-after-ms", "40")], &slow)).await.end);
    assert_eq!(fault.retry_after, Some(Duration::from_millis(40)));
}

#[tokio::test]
async fn an_error_on_a_choice_is_no_end_of_an_answer() {
    let choice = |error| json!({"choices": [{"index": 0, "delta": {"content": "half"}, "finish_reason": "error", "error": error}]});
    for (error, kind) in [(json!({"code": 429, "message": "boom"}), FaultKind::Busy), (json!(null), FaultKind::Error)] {
        let heard = call::<ChatCompletions>(Reply::stream().data(choice(error)).done_marker()).await;
        assert_eq!(heard.texts, ["half"]);
        assert_eq!(fault(heard.end).kind, kind);
    }
}

/// Of the shared reading loop.
#[tokio::test]
async fn what_is_no_stream_at_all_is_not_a_broken_one() {
    for (body, kind) in [
        ("\n<!doctype html><p>Hello", FaultKind::NotFound),
        ("{\"error\": \"boom\"}", FaultKind::Error),
        ("\u{1f}compressed", FaultKind::Error),
    ] {
        let heard = call::<ChatCompletions>(Reply::stream().bytes(body)).await;
        assert!(heard.texts.is_empty());
        assert_eq!(fault(heard.end).kind, kind, "{body}");
    }
}

/// Of the shared reading loop.
#[tokio::test]
async fn half_a_surrogate_pair_costs_one_character_and_not_the_answer() {
    let delta =
        |text: &str| format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n");
    let body = [delta("x \\ud83d"), delta("\\ude00 y"), delta("\\ud83d\\ude00")].concat();
    let heard = call::<ChatCompletions>(Reply::stream().bytes(body).finish("stop").done_marker()).await;
    assert_eq!(heard.texts.concat(), "x \u{fffd}\u{fffd} y😀");
}
