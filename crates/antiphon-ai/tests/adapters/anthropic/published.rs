//! Examples that Anthropic publishes: the page "Streaming Messages" of its API reference, in the order and with the
//! fields that are shown there, shortened in their texts.

use super::Messages;
use crate::calls::{call, complete};
use crate::conformance::stream;
use antiphon_core::Usage;

#[tokio::test]
async fn the_basic_streaming_example() {
    let heard = call::<Messages>(stream::<Messages>().bytes(include_str!("basic.txt"))).await;
    assert_eq!(heard.texts, ["Hello", "!"]);
    complete(&heard.end, "end_turn");
    assert_eq!(heard.end.usage, Some(Usage { prompt_tokens: 25, completion_tokens: 15, total_tokens: 40 }));
}

#[tokio::test]
async fn the_thinking_example() {
    let heard = call::<Messages>(stream::<Messages>().bytes(include_str!("thinking.txt"))).await;
    assert_eq!(heard.texts.concat(), "The greatest common divisor is 21.");
    assert_eq!(heard.reasoning, "1071 = 2 × 462 + 147\n147 = 7 × 21 + 0");
    complete(&heard.end, "end_turn");
}

#[tokio::test]
async fn the_web_search_example() {
    let heard = call::<Messages>(stream::<Messages>().bytes(include_str!("web_search.txt"))).await;
    assert_eq!(heard.texts.concat(), "I'll check. It is 58 °F in New York.");
    assert_eq!(heard.end.citations.len(), 1);
    complete(&heard.end, "end_turn");
    assert_eq!(heard.end.usage, Some(Usage { prompt_tokens: 10682, completion_tokens: 510, total_tokens: 11192 }));
}
