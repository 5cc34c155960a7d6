//! Generated content as Gemini sends it: each frame a whole response, no terminal marker but the reason.

use super::reply::{Reply, Step};
use serde_json::{Value, json};

impl Reply {
    /// A whole stream of these texts, ended by `STOP`.
    pub fn gemini_chat(texts: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let texts: Vec<Vec<u8>> = texts.into_iter().map(|piece| text(piece.as_ref())).collect();
        let count = texts.len();
        texts.into_iter().fold(Self::stream(), Self::bytes).bytes(end("STOP", count).concat())
    }

    /// A whole answer that does not stream.
    pub fn gemini_whole(text: &str) -> Self {
        Self::json(200, &whole(text, text.split_whitespace().count()))
    }

    /// A stream at an even pace, its texts stamped as [`super::stamp_of`] reads them.
    pub fn gemini_paced(tokens: usize, per_second: f64) -> Self {
        let paced = Step::Paced { tokens, per_second, frame: text };
        Self::stream().step(paced).bytes(end("STOP", tokens).concat())
    }
}

/// A frame with this text, and the count so far.
pub fn text(text: &str) -> Vec<u8> {
    parts(&json!([{"text": text}]))
}

/// A frame with these parts.
pub fn parts(parts: &Value) -> Vec<u8> {
    super::player::frame(&json!({
        "candidates": [{"content": {"parts": parts, "role": "model"}, "index": 0}],
        "usageMetadata": {"promptTokenCount": 7, "totalTokenCount": 7}, "modelVersion": "scripted", "responseId": "r1",
    }))
}

/// The frames after the last text: the reason with an empty text, and the answer's tokens in a frame of their own.
pub fn end(finish_reason: &str, tokens: usize) -> Vec<Vec<u8>> {
    vec![
        super::player::frame(&json!({
            "candidates": [{"content": {"parts": [{"text": ""}], "role": "model"}, "finishReason": finish_reason,
                "index": 0, "safetyRatings": [{"category": "HARM_CATEGORY_HARASSMENT", "probability": "NEGLIGIBLE"}]}],
            "modelVersion": "scripted", "responseId": "r1",
        })),
        super::player::frame(&json!({"usageMetadata": usage(tokens), "modelVersion": "scripted", "responseId": "r1"})),
    ]
}

/// A whole answer that does not stream, after a prompt of 7 tokens.
pub fn whole(text: &str, tokens: usize) -> Value {
    json!({
        "candidates": [{"content": {"parts": [{"text": text}], "role": "model"}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": usage(tokens), "modelVersion": "scripted", "responseId": "r1",
    })
}

/// One of the answer's tokens is told as a thought, where there is one.
fn usage(tokens: usize) -> Value {
    let thoughts = tokens.min(1);
    json!({"promptTokenCount": 7, "candidatesTokenCount": tokens - thoughts, "thoughtsTokenCount": thoughts,
        "totalTokenCount": 7 + tokens})
}
