//! Messages as Anthropic sends them: named events, of which a reader must skip some.

use super::reply::{Reply, Step};
use serde_json::{Value, json};

impl Reply {
    /// A whole streamed message of these texts, ended by `end_turn`.
    pub fn anthropic_chat(texts: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let texts: Vec<Vec<u8>> = texts.into_iter().map(|piece| text(piece.as_ref())).collect();
        let count = texts.len();
        texts.into_iter().fold(Self::stream().bytes(begin()), Self::bytes).bytes(end("end_turn", count).concat())
    }

    /// A whole message that does not stream.
    pub fn anthropic_whole(text: &str) -> Self {
        Self::json(200, &whole(text, text.split_whitespace().count()))
    }

    /// A streamed message at an even pace, its texts stamped as [`super::stamp_of`] reads them.
    pub fn anthropic_paced(tokens: usize, per_second: f64) -> Self {
        let paced = Step::Paced { tokens, per_second, frame: text };
        Self::stream().bytes(begin()).step(paced).bytes(end("end_turn", tokens).concat())
    }
}

/// The events before the first text: the message's start with the prompt's 7 tokens, the block's, and a ping.
pub fn begin() -> Vec<u8> {
    let message = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "scripted", "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": 7, "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0, "output_tokens": 1, "service_tier": "standard"}});
    [
        event(&json!({"type": "message_start", "message": message})),
        event(&json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})),
        event(&json!({"type": "ping"})),
    ]
    .concat()
}

/// An event with this text.
pub fn text(text: &str) -> Vec<u8> {
    delta(&json!({"type": "text_delta", "text": text}))
}

/// An event that adds this to the first block.
pub fn delta(delta: &Value) -> Vec<u8> {
    event(&json!({"type": "content_block_delta", "index": 0, "delta": delta}))
}

/// The events after the last text, with the answer's tokens.
pub fn end(stop_reason: &str, tokens: usize) -> Vec<Vec<u8>> {
    vec![
        event(&json!({"type": "content_block_stop", "index": 0})),
        event(&json!({"type": "message_delta", "delta": {"stop_reason": stop_reason, "stop_sequence": null},
            "usage": {"output_tokens": tokens}})),
        event(&json!({"type": "message_stop"})),
    ]
}

/// A whole answer that does not stream, after a prompt of 7 tokens.
pub fn whole(text: &str, tokens: usize) -> Value {
    json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "scripted",
        "content": [{"type": "text", "text": text}], "stop_reason": "end_turn", "stop_sequence": null,
        "usage": {"input_tokens": 7, "output_tokens": tokens}})
}

/// An event named by its `type`.
pub fn event(data: &Value) -> Vec<u8> {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap_or_default()).into_bytes()
}
