//! Answers that come in one response.

use super::ChatCompletions;
use crate::calls::{complete, declined, fault, whole};
use antiphon_ai::provider::FaultKind;
use antiphon_testkit::upstream::Reply;
use serde_json::json;

fn message(message: &serde_json::Value, reason: &str) -> Reply {
    Reply::json(200, &json!({"choices": [{"message": message, "finish_reason": reason}]}))
}

#[tokio::test]
async fn thoughts_are_kept_apart() {
    let thought =
        json!([{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "Yes."}]);
    let answer = whole::<ChatCompletions>(message(&json!({"content": thought}), "stop")).await;
    assert_eq!((answer.text.as_str(), answer.reasoning.as_str()), ("Yes.", "hm"));
    let answer = whole::<ChatCompletions>(message(&json!({"content": "Yes.", "reasoning": "hm"}), "stop")).await;
    assert_eq!((answer.text.as_str(), answer.reasoning.as_str()), ("Yes.", "hm"));
    complete(&answer.end, "stop");
}

#[tokio::test]
async fn a_refusal_is_spoken_and_told() {
    let refused = json!({"content": null, "refusal": "I cannot help with that."});
    let answer = whole::<ChatCompletions>(message(&refused, "stop")).await;
    assert_eq!(answer.text, "I cannot help with that.");
    declined(&answer.end);
    let answer = whole::<ChatCompletions>(message(&json!({"content": ""}), "content_filter")).await;
    assert_eq!(answer.text, "");
    declined(&answer.end);
}

#[tokio::test]
async fn no_choice_is_no_answer() {
    let answer = whole::<ChatCompletions>(Reply::json(200, &json!({"choices": []}))).await;
    assert_eq!((answer.text.as_str(), fault(answer.end).kind), ("", FaultKind::Error));
}
