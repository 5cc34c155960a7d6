//! What compatible servers add to chat completions: reasoning inside the text, sources in several shapes.

use super::ChatCompletions;
use crate::calls::{call, complete, truncated, whole};
use antiphon_testkit::upstream::Reply;
use serde_json::{Value, json};

#[tokio::test]
async fn reasoning_in_tags_is_not_spoken_wherever_the_tags_are_cut() {
    let content = "\n<think>\nA < b.\n</think>\n\nYes, <think> is a tag.";
    for size in 1..content.len() {
        let pieces = content.as_bytes().chunks(size).map(|piece| String::from_utf8(piece.to_vec()).unwrap());
        let heard = call::<ChatCompletions>(Reply::openai_chat(pieces)).await;
        let said = (heard.texts.concat(), heard.reasoning);
        assert_eq!(said, ("Yes, <think> is a tag.".to_owned(), "\nA < b.\n".to_owned()), "in pieces of {size}");
        complete(&heard.end, "stop");
    }
    let answer = whole::<ChatCompletions>(Reply::openai_whole(content)).await;
    assert_eq!((answer.text.as_str(), answer.reasoning.as_str()), ("Yes, <think> is a tag.", "\nA < b.\n"));
}

#[tokio::test]
async fn what_was_held_back_is_said_at_the_end() {
    for end in ["finish", "done", "neither"] {
        let begun = Reply::stream().role().token(" <thin");
        let (reply, expected) = match end {
            "finish" => (begun.finish("stop"), " <thin"),
            "done" => (begun.done_marker(), " <thin"),
            _ => (begun, ""),
        };
        let heard = call::<ChatCompletions>(reply).await;
        assert_eq!(heard.texts.concat(), expected, "{end}");
        if end == "neither" {
            truncated(&heard.end);
        }
    }
    let heard = call::<ChatCompletions>(Reply::openai_chat(["<think>Hm, ", "a</thi"])).await;
    assert_eq!((heard.texts.len(), heard.reasoning.as_str()), (0, "Hm, a</thi"), "reasoning that never ended");
}

#[tokio::test]
async fn sources_are_kept_from_wherever_they_are() {
    let answer = |message: Value, more: Value| {
        let mut answer = json!({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]});
        for (name, value) in more.as_object().unwrap() {
            answer[name] = value.clone();
        }
        answer
    };
    let annotation = |url: &str, title: &str| json!({"type": "url_citation", "url_citation": {"start_index": 0, "end_index": 4, "url": url, "title": title}});
    let annotations = json!([annotation("https://example.org/a", "A"), {"type": "file_citation"}, 7]);
    for (answer, expected) in [
        (
            answer(json!({"content": "Yes.", "annotations": annotations}), json!({})),
            vec![("https://example.org/a", Some("A"))],
        ),
        (
            // xAI's live search.
            answer(json!({"content": "Yes."}), json!({"citations": ["https://example.org/b", 7]})),
            vec![("https://example.org/b", None)],
        ),
        (
            // OpenRouter in front of Perplexity.
            answer(
                json!({"content": "Yes.", "annotations": annotations}),
                json!({"citations": ["https://example.org/a", "https://example.org/b"]}),
            ),
            vec![("https://example.org/a", Some("A")), ("https://example.org/b", None)],
        ),
        (answer(json!({"content": "Yes.", "annotations": null}), json!({"citations": {}})), vec![]),
    ] {
        let answer = whole::<ChatCompletions>(Reply::json(200, &answer)).await;
        assert_eq!(answer.text, "Yes.");
        complete(&answer.end, "stop");
        let citations = &answer.end.citations;
        let found: Vec<_> = citations.iter().map(|cited| (cited.url.as_str(), cited.title.as_deref())).collect();
        assert_eq!(found, expected);
    }
}
