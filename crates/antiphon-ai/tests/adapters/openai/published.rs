//! Examples that OpenAI publishes: the page "Streaming" of the reference of chat completions, with the fields that are
//! shown there; and the same from servers that speak its format, by their own documents.

use super::ChatCompletions;
use crate::calls::{call, complete, whole};
use antiphon_core::Usage;
use antiphon_testkit::upstream::Reply;

#[tokio::test]
async fn a_stream_of_openai() {
    let heard = call::<ChatCompletions>(Reply::stream().bytes(include_str!("stream.txt"))).await;
    assert_eq!(heard.texts, ["Hello", "!"]);
    complete(&heard.end, "stop");
    assert_eq!(heard.end.usage, Some(Usage { prompt_tokens: 19, completion_tokens: 10, total_tokens: 29 }));
}

/// DeepSeek's guide "Thinking Mode", and OpenRouter's "Streaming", whose comments keep the connection open.
#[tokio::test]
async fn a_stream_of_a_compatible_server() {
    let heard = call::<ChatCompletions>(Reply::stream().bytes(include_str!("compatible.txt"))).await;
    assert_eq!(
        (heard.texts.concat().as_str(), heard.reasoning.as_str()),
        ("9.8 is greater.", "Compare 9.80 and 9.11.")
    );
    complete(&heard.end, "stop");
}

#[tokio::test]
async fn a_whole_answer_of_openai() {
    let completion = serde_json::from_str(include_str!("whole.json")).unwrap();
    let answer = whole::<ChatCompletions>(Reply::json(200, &completion)).await;
    assert_eq!(answer.text, "Hello! How can I assist you today?");
    complete(&answer.end, "stop");
    assert_eq!(answer.end.usage, Some(Usage { prompt_tokens: 19, completion_tokens: 10, total_tokens: 29 }));
}
