//! Streams that break, stall, say that they failed, or never begin.

use super::*;
use antiphon_core::limits;
use antiphon_testkit::upstream::{Framing, Step};
use serde_json::json;
use std::time::SystemTime;

#[tokio::test]
async fn a_connection_that_ends_without_the_terminal_marker_is_a_truncation() {
    let begun = || Reply::stream().role().token("a");
    let half = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"lo";
    for (what, reply) in [
        ("clean end", begun()),
        ("clean end inside a frame", begun().bytes(half)),
        ("FIN", begun().cut()),
        ("FIN inside a frame", begun().bytes(half).cut()),
        ("FIN inside a character", begun().bytes(&half.as_bytes()[..20]).bytes(b"\xF0\x9F".as_slice()).cut()),
        ("RST inside a frame", begun().bytes(half).sleep(SHORT).reset()),
        ("usage only", begun().usage(1, 1)),
        ("end by closing", Reply::stream_with(Framing::UntilClose).role().token("a")),
        ("end by closing inside a frame", Reply::stream_with(Framing::UntilClose).role().token("a").bytes(half)),
    ] {
        let (texts, end) = call(reply).await;
        assert_eq!(texts, ["a"], "{what}");
        assert!(!truncated(&end).contains("127.0.0.1"), "{what}");
        assert_eq!(end.finish_reason, None, "{what}");
    }
    for reply in [Reply::stream(), Reply::stream().cut(), Reply::stream().role()] {
        let (texts, end) = call(reply).await;
        assert!(texts.is_empty());
        truncated(&end);
    }
}

#[tokio::test]
async fn a_stall_is_a_truncation_once_the_idle_time_is_over() {
    let (texts, end) = hasty(Reply::stream().token("a").stall()).await;
    assert_eq!(texts, ["a"]);
    assert!(truncated(&end).contains("nothing came"));
    let slow = (0..8).fold(Reply::stream(), |reply, _| reply.sleep(SHORT / 3).bytes(": ping\n\n"));
    let (_, end) = hasty(slow.token("a").finish("stop").done_marker()).await;
    assert_eq!(end.outcome, CallOutcome::Complete, "comments show that the provider lives");
}

#[tokio::test]
async fn the_idle_time_does_not_run_while_nobody_reads() {
    let upstream = Upstream::start([Reply::stream().token("a").stall().token("b").finish("stop")]).await.unwrap();
    let idle = Duration::from_millis(300);
    let provider = OpenAi::new(OpenAiOptions { idle_timeout: idle, ..options(upstream.base_url()) }).unwrap();
    let mut stream = provider.stream(prompt());
    assert_eq!(stream.next().await, Some(Piece::Text("a".into())));
    // Read until it waits, then not for longer than the idle time and its slack.
    assert!(tokio::time::timeout(SHORT, stream.next()).await.is_err());
    tokio::time::sleep(idle + Duration::from_millis(1200)).await;
    let (next, ()) = tokio::join!(stream.next(), async { upstream.release() });
    assert_eq!(next, Some(Piece::Text("b".into())));
}

#[tokio::test]
async fn an_error_inside_the_stream_is_a_fault() {
    for (error, code, retryable) in [
        (json!({"error": {"message": "boom", "type": "server_error"}}), "provider_error", true),
        (json!({"error": "boom"}), "provider_error", true),
        (json!({"error": {"message": "boom", "code": 502}, "choices": []}), "provider_error", true),
        (json!({"error": {"message": "boom", "code": "context_length_exceeded"}}), "provider_refused", false),
        (json!({"object": "error", "message": "boom", "code": 400}), "provider_refused", false),
    ] {
        let (texts, end) =
            call(Reply::stream().token("a").data(error.clone()).token("b").finish("stop").done_marker()).await;
        assert_eq!(texts, ["a"], "nothing is read after it: {error}");
        let fault = fault(end);
        assert_eq!((fault.code, fault.retryable), (code, retryable), "{error}");
        assert!(fault.detail.contains("boom"), "{fault:?}");
        assert!(!fault.message.contains("boom"), "a person gets our words: {fault:?}");
    }
    let (_, end) =
        call(Reply::stream().token("a").bytes("event: error\ndata: {\"message\": \"boom\"}\n\n").done_marker()).await;
    assert_eq!(fault(end).code, "provider_error");
    let (_, end) = call(Reply::stream().token("a").bytes("event: error\ndata: boom\n\n").done_marker()).await;
    assert_eq!(fault(end).code, "provider_error");
}

#[tokio::test]
async fn frames_that_are_no_chunks_are_faults() {
    for frame in
        ["data: nonsense\n\n", "data: {\"choices\": 7}\n\n", "data: [1]\n\n", "data: {\"choices\":[{\"delta\":\n\n"]
    {
        let (texts, end) = call(Reply::stream().token("a").bytes(frame).finish("stop").done_marker()).await;
        assert_eq!(texts, ["a"]);
        assert_eq!(fault(end).code, "provider_error", "{frame}");
    }
    let (_, end) =
        call(Reply::stream().bytes(b"data: {\"choices\":[{\"delta\":{\"content\":\"\xFF\"}}]}\n\n".as_slice())).await;
    assert_eq!(fault(end).code, "provider_error");
}

#[tokio::test]
async fn a_frame_past_the_bound_is_a_fault_before_it_is_whole() {
    let piece = vec![b'x'; 64 * 1024];
    let endless = (0..32).fold(Reply::stream().token("a").bytes("data: "), |reply, _| reply.bytes(piece.clone()));
    let (texts, end) = call(endless.stall()).await;
    assert_eq!(texts, ["a"]);
    assert!(fault(end).detail.contains(&limits::MAX_PROVIDER_FRAME.to_string()));
    let large = "y".repeat(limits::MAX_PROVIDER_FRAME - 1024);
    let (texts, end) = call(Reply::openai_chat([&large])).await;
    assert_eq!((texts.concat().len(), end.outcome), (large.len(), CallOutcome::Complete));
}

#[tokio::test]
async fn every_status_has_its_meaning() {
    for (status, code, retryable) in [
        (400, "provider_refused", false),
        (401, "provider_refused", false),
        (403, "provider_refused", false),
        (404, "provider_refused", false),
        (408, "provider_timeout", true),
        (409, "provider_error", true),
        (422, "provider_refused", false),
        (429, "provider_refused", true),
        (500, "provider_error", true),
        (501, "provider_refused", false),
        (502, "provider_error", true),
        (503, "provider_refused", true),
        (504, "provider_timeout", true),
        (529, "provider_refused", true),
    ] {
        let (texts, end) = call(Reply::error(status, "because sk-very-secret")).await;
        assert!(texts.is_empty());
        let fault = fault(end);
        assert_eq!((fault.code, fault.retryable), (code, retryable), "{status}");
        assert!(fault.detail.contains(&status.to_string()) && fault.detail.contains("because [key]"), "{fault:?}");
    }
}

#[tokio::test]
async fn retry_after_is_passed_on() {
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(20));
    for (name, value, least, most) in [
        ("Retry-After", "3", 3.0, 3.0),
        ("Retry-After", date.as_str(), 15.0, 20.0),
        ("retry-after-ms", "40", 0.04, 0.04),
    ] {
        let (_, end) = call(Reply::json_with(429, &[(name, value)], &json!({"error": {"message": "slow"}}))).await;
        let after = fault(end).retry_after.unwrap().as_secs_f64();
        assert!((least..=most).contains(&after), "{name}: {value} gave {after}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = Upstream::start([]).await.unwrap();
    let location = format!("{}/chat/completions", other.base_url());
    let (_, end) = call(Reply::json_with(307, &[("Location", &location)], &json!({}))).await;
    let fault = fault(end);
    assert_eq!((fault.code, fault.retryable), ("provider_refused", false));
    assert_eq!(other.connections(), 0, "the key went nowhere else");
}

#[tokio::test]
async fn an_endless_error_body_is_cut() {
    let piece = vec![b'z'; 64 * 1024];
    let headers = Step::Headers { status: 500, headers: vec![], framing: Framing::Chunked };
    let endless = (0..4).fold(Reply::new([headers]), |reply, _| reply.bytes(piece.clone()));
    let (_, end) = call(endless.stall()).await;
    assert!(fault(end).detail.len() <= limits::MAX_PROVIDER_DETAIL);
}

#[tokio::test]
async fn a_provider_that_does_not_answer_times_out() {
    let (_, end) = hasty(Reply::silence()).await;
    let fault = fault(end);
    assert_eq!((fault.code, fault.retryable), ("provider_timeout", true));
}

#[tokio::test]
async fn a_provider_that_is_not_there_or_hangs_up_is_unreachable() {
    let (_, end) = call(Reply::hang_up()).await;
    let fault_of_hang_up = fault(end);
    assert_eq!((fault_of_hang_up.code, fault_of_hang_up.retryable), ("provider_unreachable", true));
    let upstream = Upstream::start([]).await.unwrap();
    let gone = provider(&upstream);
    drop(upstream);
    // The port is free again once the listener's task has been dropped.
    let mut end = read(&gone).await.1;
    while end.outcome == CallOutcome::Complete {
        end = read(&gone).await.1;
    }
    assert_eq!(fault(end).code, "provider_unreachable");
}
