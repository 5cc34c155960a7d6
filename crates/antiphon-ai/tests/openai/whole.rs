//! Answers that come in one response.

use super::*;
use antiphon_core::{Usage, limits};
use antiphon_testkit::upstream::{Framing, Step};
use serde_json::json;

async fn whole(reply: Reply) -> (String, CallEnd) {
    let upstream = Upstream::start([reply]).await.unwrap();
    provider(&upstream).whole(prompt()).await
}

#[tokio::test]
async fn the_text_comes_with_its_reason_and_usage() {
    let (text, end) = whole(Reply::openai_whole("One two.")).await;
    assert_eq!(text, "One two.");
    assert_eq!((end.outcome, end.finish_reason.as_deref()), (CallOutcome::Complete, Some("stop")));
    assert_eq!(end.usage, Some(Usage { prompt_tokens: 7, completion_tokens: 2, total_tokens: 9 }));
}

#[tokio::test]
async fn thoughts_are_left_out_and_an_empty_answer_is_none_at_all() {
    let message = json!({"content": [{"type": "thinking", "thinking": []}, {"type": "text", "text": "Yes."}]});
    let (text, _) = whole(Reply::json(200, &json!({"choices": [{"message": message, "finish_reason": "stop"}]}))).await;
    assert_eq!(text, "Yes.");
    for odd in [json!({"choices": []}), json!({"result": "Yes."}), json!([1]), json!({"error": {"message": "no"}})] {
        let (text, end) = whole(Reply::json(200, &odd)).await;
        assert_eq!((text.as_str(), fault(end).code), ("", "provider_error"), "{odd}");
    }
}

#[tokio::test]
async fn a_cut_answer_is_truncated_and_a_refused_one_failed() {
    let headers = Step::Headers { status: 200, headers: vec![], framing: Framing::Length(100) };
    let (_, end) = whole(Reply::new([headers]).bytes("{\"choices\":").cut()).await;
    truncated(&end);
    let (_, end) = whole(Reply::error(401, "no")).await;
    assert_eq!(fault(end).code, "provider_refused");
    let (_, end) = whole(Reply::hang_up()).await;
    assert_eq!(fault(end).code, "provider_unreachable");
}

#[tokio::test]
async fn an_answer_past_the_bound_is_a_fault() {
    let huge = "x".repeat(limits::MAX_PROVIDER_BODY);
    let (text, end) = whole(Reply::openai_whole(&huge)).await;
    assert_eq!((text.as_str(), fault(end).retryable), ("", false));
}

#[tokio::test]
async fn one_that_takes_too_long_times_out() {
    let upstream = Upstream::start([Reply::silence()]).await.unwrap();
    let options = OpenAiOptions { whole_timeout: SHORT, ..options(upstream.base_url()) };
    let (_, end) = OpenAi::new(options).unwrap().whole(prompt()).await;
    assert_eq!(fault(end).code, "provider_timeout");
}
