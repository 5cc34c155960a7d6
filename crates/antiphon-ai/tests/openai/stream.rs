//! Streams that are whole, in all the ways that servers send them.

use super::*;
use antiphon_core::Usage;
use antiphon_testkit::upstream::Framing;
use serde_json::json;

fn complete(end: &CallEnd, reason: &str) {
    assert_eq!(end.outcome, CallOutcome::Complete);
    assert_eq!(end.finish_reason.as_deref(), Some(reason));
}

/// A frame with these choices and nothing else.
fn choices(choices: serde_json::Value) -> serde_json::Value {
    json!({"choices": choices})
}

#[tokio::test]
async fn an_answer_comes_piece_by_piece_with_its_reason_and_usage() {
    let (texts, end) = call(Reply::openai_chat(["Hel", "lo", " “you”\n"])).await;
    assert_eq!(texts, ["Hel", "lo", " “you”\n"]);
    complete(&end, "stop");
    assert_eq!(end.usage, Some(Usage { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 }));
}

#[tokio::test]
async fn usage_may_be_on_the_finish_chunk_odd_or_missing() {
    let finish = |usage: serde_json::Value| json!({"choices": [{"index": 0, "delta": {"content": "!"}, "finish_reason": "length"}], "usage": usage});
    let (texts, end) = call(
        Reply::stream().token("a").data(finish(json!({"prompt_tokens": 1, "completion_tokens": 2}))).done_marker(),
    )
    .await;
    assert_eq!(texts.concat(), "a!", "text on the finish chunk counts");
    complete(&end, "length");
    assert_eq!(end.usage, Some(Usage { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 }));
    for odd in [json!(null), json!({}), json!("many"), json!({"prompt_tokens": -1.5})] {
        let (_, end) = call(Reply::stream().token("a").data(finish(odd)).done_marker()).await;
        complete(&end, "length");
        assert_eq!(end.usage, None);
    }
}

#[tokio::test]
async fn an_empty_finish_reason_is_none() {
    let frame = |text| choices(json!([{"index": 0, "delta": {"content": text}, "finish_reason": ""}]));
    let (texts, end) = call(Reply::stream().data(frame("a")).data(frame("b")).finish("stop").done_marker()).await;
    assert_eq!(texts, ["a", "b"]);
    complete(&end, "stop");
    let (_, end) = call(Reply::stream().data(frame("a"))).await;
    truncated(&end);
}

#[tokio::test]
async fn what_is_not_spoken_is_left_out() {
    let reply = Reply::stream()
        .role()
        .data(choices(json!([{"index": 0, "delta": {"reasoning_content": "hm", "content": null}}])))
        .data(choices(json!([{"index": 0, "delta": {"reasoning": "hm"}}])))
        .data(choices(json!([{"index": 0, "delta": {"content": [
            {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "spo"}, 7]}}])))
        .data(choices(json!([{"index": 0, "delta": {"tool_calls": [
            {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{"}}]}}])))
        .data(choices(json!([{"index": 1, "delta": {"content": "another choice"}}])))
        .data(choices(json!([{"delta": {"content": "ken"}, "message": {"content": "spoken"}, "new_field": {"a": [1]}}])))
        .data(choices(json!([{"index": 0, "delta": null}])))
        .data(json!({"choices": null, "x": 1}))
        .data(json!({"type": "ping"}))
        .bytes(": OPENROUTER PROCESSING\n\n")
        .bytes("event: ping\ndata: \n\n")
        .finish("tool_calls")
        .done_marker();
    let (texts, end) = call(reply).await;
    assert_eq!(texts, ["spo", "ken"]);
    complete(&end, "tool_calls");
}

#[tokio::test]
async fn a_filter_that_left_a_text_ends_it_and_one_that_left_none_refuses() {
    let (texts, end) = call(Reply::stream().token("Well").finish("content_filter").done_marker()).await;
    assert_eq!(texts, ["Well"]);
    complete(&end, "content_filter");
    let (_, end) = call(Reply::stream().role().finish("content_filter").done_marker()).await;
    assert_eq!(end.finish_reason.as_deref(), Some("content_filter"));
    let fault = fault(end);
    assert_eq!((fault.code, fault.retryable), ("provider_refused", false));
}

#[tokio::test]
async fn nothing_after_the_terminal_marker_counts() {
    let (texts, end) = call(Reply::stream().token("a").finish("stop").done_marker().token("b").bytes("junk\n\n")).await;
    assert_eq!(texts, ["a"]);
    complete(&end, "stop");
}

#[tokio::test]
async fn either_terminal_marker_alone_will_do() {
    let (texts, end) = call(Reply::stream().token("a").done_marker()).await;
    assert_eq!((texts.concat().as_str(), &end.outcome, &end.finish_reason), ("a", &CallOutcome::Complete, &None));
    let finished = || Reply::stream().token("a").finish("stop");
    for reply in [finished(), finished().cut(), finished().reset(), finished().usage(1, 1).cut()] {
        let (texts, end) = call(reply).await;
        assert_eq!(texts, ["a"]);
        complete(&end, "stop");
    }
    let (_, end) = hasty(finished().stall()).await;
    complete(&end, "stop");
}

#[tokio::test]
async fn the_last_line_ends_may_be_missing() {
    for last in ["data: [DONE]", "data:[DONE]\n"] {
        let (_, end) = call(Reply::stream().token("a").bytes(last)).await;
        assert_eq!(end.outcome, CallOutcome::Complete);
    }
    let frame = |reason| choices(json!([{"index": 0, "delta": {"content": "b"}, "finish_reason": reason}]));
    let (texts, end) = call(Reply::stream().token("a").bytes(format!("data: {}", frame(Some("stop"))))).await;
    assert_eq!(texts, ["a", "b"]);
    complete(&end, "stop");
    let (texts, end) = call(Reply::stream().token("a").bytes(format!("data: {}", frame(None)))).await;
    assert_eq!(texts, ["a", "b"], "its text is whole, the answer is not");
    truncated(&end);
}

#[tokio::test]
async fn any_cut_of_the_bytes_gives_the_same_text() {
    let body = [
        "\u{feff}: hello\r\n\r\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"é😀\"}}]}\r\n\r\n",
        "data: {\"choices\":[{\"index\":0,\r\ndata: \"delta\":{\"content\":\"\\ud83d\\ude00\\n\"}}]}\r\r",
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
        "data: [DONE]\r\n\r\n",
    ]
    .concat();
    let mut replies = vec![Reply::stream().byte_by_byte(body.clone(), Duration::ZERO)];
    replies.push(Reply::stream_with(Framing::UntilClose).byte_by_byte(body.clone(), Duration::ZERO));
    for size in [2, 3, 5, 7] {
        let pieces = body.as_bytes().chunks(size);
        replies.push(pieces.fold(Reply::stream(), |reply, piece| reply.bytes(piece)));
    }
    replies.push(Reply::stream().bytes(body));
    let count = replies.len();
    let upstream = Upstream::start(replies).await.unwrap();
    let provider = provider(&upstream);
    for _ in 0..count {
        let (texts, end) = read(&provider).await;
        assert_eq!(texts, ["é😀", "😀\n"]);
        complete(&end, "stop");
    }
}

#[tokio::test]
async fn a_server_that_cannot_stream_is_understood() {
    let (texts, end) = call(Reply::openai_whole("All at once.")).await;
    assert_eq!(texts, ["All at once."]);
    complete(&end, "stop");
    let (_, end) = call(Reply::json(200, &json!({"error": {"message": "no"}}))).await;
    assert_eq!(fault(end).code, "provider_error");
}
