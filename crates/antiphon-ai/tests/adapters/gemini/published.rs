//! Examples that Google publishes: of the Gemini API reference and the guides "Text generation", "Thinking" and
//! "Grounding with Google Search", with the fields that are shown there, shortened in their texts.

use super::GenerateContent;
use crate::calls::{call, complete, whole};
use crate::conformance::stream;
use antiphon_core::Usage;
use antiphon_testkit::upstream::Reply;

#[tokio::test]
async fn a_stream() {
    let heard = call::<GenerateContent>(stream::<GenerateContent>().bytes(include_str!("stream.txt"))).await;
    assert_eq!(heard.texts.concat(), "AI learns patterns from data, then predicts.");
    assert_eq!(heard.reasoning, "**Framing the answer**\n\nShort.");
    complete(&heard.end, "STOP");
    assert_eq!(heard.end.usage, Some(Usage { prompt_tokens: 8, completion_tokens: 33, total_tokens: 41 }));
}

#[tokio::test]
async fn a_grounded_answer() {
    let grounded = serde_json::from_str(include_str!("grounded.json")).unwrap();
    let answer = whole::<GenerateContent>(Reply::json(200, &grounded)).await;
    assert_eq!(answer.text, "Spain won Euro 2024, defeating England 2-1 in the final.");
    complete(&answer.end, "STOP");
    let titles: Vec<_> = answer.end.citations.iter().filter_map(|citation| citation.title.as_deref()).collect();
    assert_eq!(titles, ["aljazeera.com", "uefa.com"]);
}
