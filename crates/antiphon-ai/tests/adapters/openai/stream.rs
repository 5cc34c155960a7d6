//! Streams that are whole, in all the ways that servers of chat completions send them.

use super::ChatCompletions;
use crate::calls::{Heard, call as call_of, complete, declined, hasty, truncated};
use antiphon_ai::provider::CallOutcome;
use antiphon_core::Usage;
use antiphon_testkit::upstream::Reply;
use serde_json::{Value, json};

async fn call(reply: Reply) -> Heard {
    call_of::<ChatCompletions>(reply).await
}

/// A frame with these choices and nothing else.
fn choices(choices: Value) -> Value {
    json!({"choices": choices})
}

#[tokio::test]
async fn usage_may_be_on_the_finish_chunk_odd_or_missing() {
    let finish = |usage: Value| json!({"choices": [{"index": 0, "delta": {"content": "!"}, "finish_reason": "length"}], "usage": usage});
    let counted = finish(json!({"prompt_tokens": 1, "completion_tokens": 2}));
    let heard = call(Reply::stream().token("a").data(counted).done_marker()).await;
    assert_eq!(heard.texts.concat(), "a!", "text on the finish chunk counts");
    complete(&heard.end, "length");
    assert_eq!(heard.end.usage, Some(Usage { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 }));
    for odd in [json!(null), json!({}), json!("many"), json!({"prompt_tokens": -1.5})] {
        let heard = call(Reply::stream().token("a").data(finish(odd)).done_marker()).await;
        complete(&heard.end, "length");
        assert_eq!(heard.end.usage, None);
    }
}

#[tokio::test]
async fn thoughts_come_under_many_names_and_are_never_spoken() {
    let reply = Reply::stream()
        .role()
        .data(choices(json!([{"index": 0, "delta": {"reasoning_content": "one ", "content": null}}])))
        .data(choices(json!([{"index": 0, "delta": {"reasoning": "two "}}])))
        .data(choices(json!([{"index": 0, "delta": {"reasoning": "three ", "reasoning_content": "three "}}])))
        .data(choices(json!([{"index": 0, "delta": {"content": [
            {"type": "thinking", "thinking": [{"type": "text", "text": "four"}]}, {"type": "text", "text": "spo"}, 7]}}])))
        .token("ken")
        .finish("stop")
        .done_marker();
    let heard = call(reply).await;
    assert_eq!(heard.texts, ["spo", "ken"]);
    assert_eq!(heard.reasoning, "one two three four");
    complete(&heard.end, "stop");
}

#[tokio::test]
async fn what_is_not_text_is_left_out() {
    let reply = Reply::stream()
        .role()
        .data(choices(json!([{"index": 0, "delta": {"tool_calls": [
            {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{"}}]}}])))
        .data(choices(json!([{"index": 1, "delta": {"content": "another choice"}}])))
        .data(choices(
            json!([{"delta": {"content": "spoken"}, "message": {"content": "twice"}, "new_field": {"a": [1]}}]),
        ))
        .finish("tool_calls")
        .done_marker();
    let heard = call(reply).await;
    assert_eq!((heard.texts, heard.reasoning.as_str()), (vec!["spoken".to_owned()], ""));
    complete(&heard.end, "tool_calls");
}

#[tokio::test]
async fn the_text_before_a_filter_stands() {
    let heard = call(Reply::stream().token("Well").finish("content_filter").done_marker()).await;
    assert_eq!(heard.texts, ["Well"]);
    assert_eq!(heard.end.finish_reason.as_deref(), Some("content_filter"));
    declined(&heard.end);
    let heard = call(Reply::stream().role().finish("content_filter").done_marker()).await;
    assert!(heard.texts.is_empty());
    declined(&heard.end);
}

#[tokio::test]
async fn a_refusal_is_spoken_and_told() {
    let refusal = |text| choices(json!([{"index": 0, "delta": {"refusal": text}}]));
    let reply = Reply::stream().role().data(refusal("I cannot ")).data(refusal("help.")).finish("stop").done_marker();
    let heard = call(reply).await;
    assert_eq!(heard.texts, ["I cannot ", "help."]);
    declined(&heard.end);
}

#[tokio::test]
async fn either_terminal_marker_alone_will_do() {
    let heard = call(Reply::stream().token("a").done_marker()).await;
    assert_eq!((heard.texts.concat().as_str(), &heard.end.outcome), ("a", &CallOutcome::Complete));
    assert_eq!(heard.end.finish_reason, None);
    let finished = || Reply::stream().token("a").finish("stop");
    for reply in [finished(), finished().cut(), finished().usage(1, 1).cut()] {
        let heard = call(reply).await;
        assert_eq!(heard.texts, ["a"]);
        complete(&heard.end, "stop");
    }
    complete(&hasty::<ChatCompletions>(finished().stall()).await.end, "stop");
    truncated(&call(Reply::stream().token("a").usage(1, 1)).await.end);
}

#[tokio::test]
async fn the_last_line_ends_may_be_missing() {
    for last in ["data: [DONE]", "data:[DONE]\n"] {
        let heard = call(Reply::stream().token("a").bytes(last)).await;
        assert_eq!(heard.end.outcome, CallOutcome::Complete);
    }
    let frame = |reason| choices(json!([{"index": 0, "delta": {"content": "b"}, "finish_reason": reason}]));
    let heard = call(Reply::stream().token("a").bytes(format!("data: {}", frame(Some("stop"))))).await;
    assert_eq!(heard.texts, ["a", "b"]);
    complete(&heard.end, "stop");
    let heard = call(Reply::stream().token("a").bytes(format!("data: {}", frame(None)))).await;
    assert_eq!(heard.texts, ["a", "b"], "its text is whole, the answer is not");
    truncated(&heard.end);
}

#[tokio::test]
async fn marks_line_ends_and_split_frames_of_any_kind_are_read() {
    let body = [
        "\u{feff}: hello\r\n\r\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"é😀\"}}]}\r\n\r\n",
        "data: {\"choices\":[{\"index\":0,\r\ndata: \"delta\":{\"content\":\"\\ud83d\\ude00\\n\"}}]}\r\r",
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
        "data: [DONE]\r\n\r\n",
    ]
    .concat();
    for size in [1, 2, 3, 5, 7, 10_000] {
        let pieces = body.as_bytes().chunks(size);
        let heard = call(pieces.fold(Reply::stream(), |reply, piece| reply.bytes(piece))).await;
        assert_eq!(heard.texts, ["é😀", "😀\n"]);
        complete(&heard.end, "stop");
    }
}
