//! What is Perplexity's own: sources, roles that alternate, ends without a marker, reasoning in the text.

use super::Perplexity;
use crate::calls::{call, complete, fault, prompt, provider, whole};
use antiphon_ai::provider::{FaultKind, Prompt, Turn, TurnRole};
use antiphon_core::{Citation, Usage};
use antiphon_testkit::upstream::{Reply, Upstream, perplexity};
use futures::StreamExt;
use serde_json::json;

fn cited(citations: &[Citation]) -> Vec<(&str, Option<&str>)> {
    citations.iter().map(|citation| (citation.url.as_str(), citation.title.as_deref())).collect()
}

#[tokio::test]
async fn roles_alternate_and_the_usage_is_not_asked_for() {
    let upstream = Upstream::start([]).await.unwrap();
    let turn = |role, content: &str| Turn { role, content: content.into() };
    let turns = vec![
        turn(TurnRole::Assistant, "Welcome."),
        turn(TurnRole::User, "One?"),
        turn(TurnRole::User, "Or two?"),
        turn(TurnRole::Assistant, "Two."),
        turn(TurnRole::User, "Three?"),
    ];
    let asked = Prompt { turns, temperature: Some(0.5), max_tokens: Some(9), ..prompt() };
    provider::<Perplexity>(&upstream).stream(asked).collect::<Vec<_>>().await;
    let request = upstream.request(0).await.unwrap();
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/chat/completions"));
    assert_eq!(
        request.body,
        json!({
            "model": "m-1", "stream": true, "temperature": 0.5, "max_tokens": 9,
            "messages": [
                {"role": "system", "content": "Be brief."}, {"role": "user", "content": "One?\n\nOr two?"},
                {"role": "assistant", "content": "Two."}, {"role": "user", "content": "Three?"},
            ],
        })
    );
    assert_eq!(request.header("authorization"), Some("Bearer sk-very-secret"));
}

/// A mark like `[1]` counts the sources from 1, so their order is that of `citations`; only their titles are elsewhere.
#[tokio::test]
async fn the_last_sources_count_in_the_order_of_the_marks() {
    let first = perplexity::sources([("https://example.org/old", Some("Old"))]);
    let last = perplexity::sources([
        ("https://example.org/1", Some("One")),
        ("https://example.org/2", None),
        ("https://example.org/3", Some("Three")),
    ]);
    let reply = Reply::stream()
        .bytes(first)
        .bytes(perplexity::text("Yes[1]"))
        .bytes(last)
        .bytes(perplexity::text("[3]."))
        .bytes(perplexity::finish("stop", 7, 3))
        .done_marker();
    let heard = call::<Perplexity>(reply).await;
    assert_eq!(heard.texts.concat(), "Yes[1][3].", "the marks stay in the text");
    let expected = [
        ("https://example.org/1", Some("One")),
        ("https://example.org/2", None),
        ("https://example.org/3", Some("Three")),
    ];
    assert_eq!(cited(&heard.end.citations), expected);
}

#[tokio::test]
async fn either_list_of_sources_will_do_and_odd_ones_cost_nothing() {
    for (fields, expected) in [
        (json!({"citations": ["https://example.org/1"]}), vec![("https://example.org/1", None)]),
        (
            json!({"search_results": [{"title": "One", "url": "https://example.org/1", "date": null}]}),
            vec![("https://example.org/1", Some("One"))],
        ),
        (json!({"citations": "none", "search_results": [7, {"title": 1}, null]}), vec![]),
        (json!({"citations": null, "search_results": null}), vec![]),
    ] {
        let mut answer = perplexity::whole("Yes.", 7, 3);
        for (name, value) in fields.as_object().unwrap() {
            answer[name] = value.clone();
        }
        let answer = whole::<Perplexity>(Reply::json(200, &answer)).await;
        assert_eq!(answer.text, "Yes.");
        complete(&answer.end, "stop");
        assert_eq!(cited(&answer.end.citations), expected, "{fields}");
    }
}

/// Frames with every field of `StreamChunk` in Perplexity's published client that matters, and its line ends.
#[tokio::test]
async fn frames_in_full_are_read() {
    let heard = call::<Perplexity>(Reply::stream().bytes(include_bytes!("stream.txt").as_slice())).await;
    assert_eq!((heard.texts.concat().as_str(), heard.reasoning.as_str()), ("Yes[1].", "\nHm.\n"));
    complete(&heard.end, "stop");
    assert_eq!(heard.end.usage, Some(Usage { prompt_tokens: 10, completion_tokens: 9, total_tokens: 19 }));
    let sources = [("https://example.org/1", Some("One")), ("https://example.org/2", Some("Two"))];
    assert_eq!(cited(&heard.end.citations), sources);
}

#[tokio::test]
async fn the_marker_may_be_missing_and_the_last_usage_counts() {
    let finished = || Reply::stream().bytes(perplexity::text("Yes.")).bytes(perplexity::finish("length", 7, 3));
    for reply in [finished(), finished().cut(), finished().done_marker()] {
        let heard = call::<Perplexity>(reply).await;
        assert_eq!(heard.texts, ["Yes."]);
        complete(&heard.end, "length");
        assert_eq!(heard.end.usage, Some(Usage { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 }));
    }
    let end_of_stream = "data: {\"type\":\"end_of_stream\",\"choices\":[]}\n\n";
    let heard = call::<Perplexity>(Reply::stream().bytes(perplexity::text("Yes.")).bytes(end_of_stream)).await;
    assert_eq!(heard.end.outcome, antiphon_ai::provider::CallOutcome::Complete);
}

#[tokio::test]
async fn reasoning_in_tags_is_not_spoken() {
    let heard =
        call::<Perplexity>(Reply::perplexity_chat(["<think>\nSearch", " first.", "</think>", "\n\nYes[1]."])).await;
    assert_eq!((heard.texts.concat().as_str(), heard.reasoning.as_str()), ("Yes[1].", "\nSearch first."));
    let answer = whole::<Perplexity>(Reply::perplexity_whole("<think>Hm.</think>Yes.")).await;
    assert_eq!((answer.text.as_str(), answer.reasoning.as_str()), ("Yes.", "Hm."));
}

#[tokio::test]
async fn refusals_before_the_stream_are_told_apart() {
    let error = |kind: &str, code: u16| json!({"error": {"message": "no", "type": kind, "code": code}});
    for (status, body, kind) in [
        (400, error("invalid_model", 400), FaultKind::NotFound),
        (400, error("invalid_message", 400), FaultKind::Refused),
        (401, error("insufficient_quota", 401), FaultKind::Quota),
        (401, error("invalid_api_key", 401), FaultKind::KeyRefused),
    ] {
        assert_eq!(fault(call::<Perplexity>(Reply::json(status, &body)).await.end).kind, kind, "{body}");
    }
}
