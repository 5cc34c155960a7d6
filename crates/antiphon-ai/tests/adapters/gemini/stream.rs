//! What is peculiar in generated content.

use super::{GenerateContent, frame};
use crate::calls::{Heard, call as call_of, complete, declined, fault, truncated, whole};
use crate::conformance::{said, stream};
use antiphon_ai::provider::FaultKind;
use antiphon_core::Usage;
use antiphon_testkit::upstream::Reply;
use antiphon_testkit::upstream::gemini::{end, parts, text};
use serde_json::{Value, json};

async fn call(reply: Reply) -> Heard {
    call_of::<GenerateContent>(reply).await
}

#[tokio::test]
async fn every_reason_has_its_outcome() {
    complete(&call(said::<GenerateContent>(&["a"]).bytes(end("MAX_TOKENS", 3).concat())).await.end, "MAX_TOKENS");
    for reason in ["OTHER", "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "NO_IMAGE", "A_REASON_OF_NEXT_YEAR"] {
        let heard = call(said::<GenerateContent>(&["a"]).bytes(end(reason, 3).concat())).await;
        assert_eq!((heard.texts, heard.end.finish_reason.as_deref()), (vec!["a".to_owned()], Some(reason)));
        let fault = fault(heard.end);
        assert_eq!(fault.kind, FaultKind::Error, "{reason}: it stopped before its end");
        assert!(fault.detail.contains(reason));
    }
    let heard = call(said::<GenerateContent>(&["a"]).bytes(end("SAFETY", 3).concat())).await;
    assert_eq!((heard.texts, heard.end.finish_reason.as_deref()), (vec!["a".to_owned()], Some("SAFETY")));
    declined(&heard.end);
}

#[tokio::test]
async fn a_refused_prompt_has_no_candidates() {
    let blocked = json!({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "modelVersion": "m",
        "usageMetadata": {"promptTokenCount": 7, "totalTokenCount": 7}});
    let heard = call(stream::<GenerateContent>().bytes(frame(&blocked))).await;
    assert_eq!((heard.texts.len(), heard.end.finish_reason.as_deref()), (0, Some("PROHIBITED_CONTENT")));
    assert!(declined(&heard.end).contains("question"));
    assert_eq!(heard.end.usage, Some(Usage { prompt_tokens: 7, completion_tokens: 0, total_tokens: 7 }));
    declined(&whole::<GenerateContent>(Reply::json(200, &blocked)).await.end);
}

#[tokio::test]
async fn the_last_count_is_the_one_and_thoughts_count_as_the_answer() {
    let counted = |usage: Value| frame(&json!({"candidates": [], "usageMetadata": usage}));
    let reply = said::<GenerateContent>(&["a"])
        .bytes(counted(json!({"promptTokenCount": 5, "candidatesTokenCount": 1, "totalTokenCount": 6})))
        .bytes(end("STOP", 1).concat())
        .bytes(counted(json!({"promptTokenCount": 5, "toolUsePromptTokenCount": 2, "candidatesTokenCount": 3,
            "thoughtsTokenCount": 40, "totalTokenCount": 50})))
        .bytes(counted(json!("many")));
    let heard = call(reply).await;
    complete(&heard.end, "STOP");
    assert_eq!(heard.end.usage, Some(Usage { prompt_tokens: 7, completion_tokens: 43, total_tokens: 50 }));
}

#[tokio::test]
async fn text_on_the_last_frame_counts_and_one_frame_may_hold_many_parts() {
    let last = json!({"candidates": [{"content": {"parts": [{"text": "hm", "thought": true}, {"text": "b"}, {"text": "c"}]},
        "finishReason": "STOP", "index": 0}]});
    let heard = call(stream::<GenerateContent>().bytes(text("a")).bytes(frame(&last))).await;
    assert_eq!((heard.texts.concat().as_str(), heard.reasoning.as_str()), ("abc", "hm"));
    complete(&heard.end, "STOP");
    let heard = call(stream::<GenerateContent>().bytes(parts(&json!([{"text": "a", "thought": false}])))).await;
    assert_eq!(heard.texts, ["a"]);
    truncated(&heard.end);
}

/// What a proxy gives that loses the `alt=sse`: all pieces in one array.
#[tokio::test]
async fn an_array_is_understood() {
    let piece =
        |text: &str| json!({"candidates": [{"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}]});
    let last = json!({"candidates": [{"finishReason": "STOP", "index": 0}], "usageMetadata": {"promptTokenCount": 7}});
    let heard = call(Reply::json(200, &json!([piece("a"), piece("b"), last]))).await;
    assert_eq!(heard.texts, ["a", "b"]);
    complete(&heard.end, "STOP");
    truncated(&call(Reply::json(200, &json!([piece("a")]))).await.end);
    let error = json!([{"error": {"code": 503, "message": "boom", "status": "UNAVAILABLE"}}]);
    assert_eq!(fault(call(Reply::json(200, &error)).await.end).kind, FaultKind::Busy);
    assert_eq!(fault(call(Reply::json(200, &json!([]))).await.end).kind, FaultKind::Error);
}

#[tokio::test]
async fn a_whole_answer_keeps_thoughts_and_sources_apart() {
    let answer = json!({"candidates": [{"content": {"parts": [{"text": "hm", "thought": true}, {"text": "Yes."}]},
        "finishReason": "STOP", "groundingMetadata": {"groundingChunks": [
            {"web": {"uri": "https://example.org/a", "title": "example.org"}}, {"retrievedContext": {"uri": "gs://b"}},
            {"web": {"title": "no address"}}]}}]});
    let answer = whole::<GenerateContent>(Reply::json(200, &answer)).await;
    assert_eq!((answer.text.as_str(), answer.reasoning.as_str()), ("Yes.", "hm"));
    assert_eq!(answer.end.citations.len(), 1);
    complete(&answer.end, "STOP");
    let nothing = whole::<GenerateContent>(Reply::json(200, &json!({"candidates": [], "usageMetadata": {}}))).await;
    assert_eq!(fault(nothing.end).kind, FaultKind::Error);
}
