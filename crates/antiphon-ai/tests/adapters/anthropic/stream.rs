//! What is peculiar in a message's events.

use super::Messages;
use crate::calls::{Heard, call as call_of, complete, declined, truncated, whole};
use crate::conformance::{said, stream};
use antiphon_core::Usage;
use antiphon_testkit::upstream::Reply;
use antiphon_testkit::upstream::anthropic::{begin, delta, end, event, text};
use serde_json::{Value, json};

async fn call(reply: Reply) -> Heard {
    call_of::<Messages>(reply).await
}

/// A stream whose beginning and end count so.
async fn counted(start: Value, last: Value) -> Option<Usage> {
    let reply = stream::<Messages>()
        .bytes(event(&json!({"type": "message_start", "message": {"content": [], "usage": start}})))
        .bytes(text("a"))
        .bytes(event(&json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": last})))
        .bytes(event(&json!({"type": "message_stop"})));
    let heard = call(reply).await;
    complete(&heard.end, "end_turn");
    heard.end.usage
}

#[tokio::test]
async fn the_count_is_cumulative_and_may_be_told_in_parts() {
    let usage = |prompt_tokens, completion_tokens| {
        Some(Usage { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens })
    };
    let start = json!({"input_tokens": 20, "cache_creation_input_tokens": 3, "cache_read_input_tokens": 400, "output_tokens": 1});
    assert_eq!(counted(start.clone(), json!({"output_tokens": 15})).await, usage(423, 15));
    let last = json!({"input_tokens": 30, "cache_creation_input_tokens": null, "cache_read_input_tokens": 0, "output_tokens": 15});
    assert_eq!(counted(start.clone(), last).await, usage(33, 15), "searches add to the input");
    assert_eq!(counted(start.clone(), json!(null)).await, usage(423, 1));
    assert_eq!(counted(start, json!({"output_tokens": "many"})).await, usage(423, 1), "an odd count costs no answer");
    assert_eq!(counted(json!(null), json!({"output_tokens": 2})).await, usage(0, 2));
    assert_eq!(counted(json!(null), json!({})).await, None);
}

#[tokio::test]
async fn every_reason_has_its_outcome() {
    for reason in ["max_tokens", "stop_sequence", "tool_use", "model_context_window_exceeded", "a_reason_of_next_year"]
    {
        let heard = call(said::<Messages>(&["a"]).bytes(end(reason, 3).concat())).await;
        complete(&heard.end, reason);
    }
    let heard = call(said::<Messages>(&["a"]).bytes(end("refusal", 3).concat())).await;
    assert_eq!((heard.texts, heard.end.finish_reason.as_deref()), (vec!["a".to_owned()], Some("refusal")));
    declined(&heard.end);
    let heard = call(said::<Messages>(&["a"]).bytes(end("pause_turn", 3).concat())).await;
    truncated(&heard.end);
}

#[tokio::test]
async fn message_stop_alone_is_a_terminal_marker() {
    let heard = call(said::<Messages>(&["a"]).bytes(event(&json!({"type": "message_stop"})))).await;
    assert_eq!(heard.end.outcome, antiphon_ai::provider::CallOutcome::Complete);
    truncated(
        &call(said::<Messages>(&["a"]).bytes(event(&json!({"type": "content_block_stop", "index": 0})))).await.end,
    );
}

#[tokio::test]
async fn a_block_may_begin_with_text_and_end_in_sources() {
    let block = |block: Value| event(&json!({"type": "content_block_start", "index": 0, "content_block": block}));
    let reply = stream::<Messages>()
        .bytes(begin())
        .bytes(block(json!({"type": "thinking", "thinking": "So: ", "signature": ""})))
        .bytes(delta(&json!({"type": "thinking_delta", "thinking": "yes."})))
        .bytes(block(
            json!({"type": "text", "text": "Y", "citations": [{"url": "https://example.org/a", "title": null}]}),
        ))
        .bytes(text("es."))
        .bytes(delta(&json!({"type": "citations_delta", "citation":
            {"type": "search_result_location", "source": "https://example.org/b", "title": "B"}})))
        .bytes(delta(&json!({"type": "citations_delta", "citation":
            {"type": "char_location", "document_index": 0, "document_title": "Not of the web"}})))
        .bytes(end("end_turn", 3).concat());
    let heard = call(reply).await;
    assert_eq!((heard.texts.concat().as_str(), heard.reasoning.as_str()), ("Yes.", "So: yes."));
    let sources: Vec<_> = heard.end.citations.iter().map(|c| (c.url.as_str(), c.title.as_deref())).collect();
    assert_eq!(sources, [("https://example.org/a", None), ("https://example.org/b", Some("B"))]);
}

#[tokio::test]
async fn a_whole_message_keeps_thoughts_and_sources_apart() {
    let message = json!({"type": "message", "stop_reason": "end_turn", "usage": {"input_tokens": 1, "output_tokens": 2},
        "content": [{"type": "thinking", "thinking": "hm", "signature": "Eq"}, {"type": "tool_use", "id": "t", "input": {}},
            {"type": "text", "text": "One "}, {"type": "text", "text": "two.", "citations": [
                {"type": "web_search_result_location", "url": "https://example.org/a", "title": "A"}]}]});
    let answer = whole::<Messages>(Reply::json(200, &message)).await;
    assert_eq!((answer.text.as_str(), answer.reasoning.as_str()), ("One two.", "hm"));
    assert_eq!(answer.end.citations[0].title.as_deref(), Some("A"));
    complete(&answer.end, "end_turn");
    let refused = json!({"type": "message", "content": [], "stop_reason": "refusal", "stop_details":
        {"type": "refusal", "category": "cyber", "explanation": "Against the rules."}, "usage": {"output_tokens": 0}});
    declined(&whole::<Messages>(Reply::json(200, &refused)).await.end);
}
