//! Replies as Ollama gives them: one JSON object a line.

use super::{Framing, Reply, Step};
use serde_json::{Value, json};

/// A line with this text.
pub fn text(text: &str) -> Vec<u8> {
    line(&json!({"content": text, "images": null}))
}

/// A line with this thought.
pub fn thinking(thought: &str) -> Vec<u8> {
    line(&json!({"content": "", "thinking": thought}))
}

/// The last line: why the answer is over, and its counts.
pub fn done(reason: &str, prompt_tokens: usize, completion_tokens: usize) -> Vec<u8> {
    ended_by_line(&last("", reason, prompt_tokens, completion_tokens))
}

/// A whole answer that does not stream.
pub fn whole(text: &str, prompt_tokens: usize, completion_tokens: usize) -> Value {
    last(text, "stop", prompt_tokens, completion_tokens)
}

/// What ends a stream with an error that came up inside it.
pub fn error(message: &str) -> Vec<u8> {
    ended_by_line(&json!({"error": message}))
}

impl Reply {
    /// A whole streamed answer: these tokens, `stop`, the usage.
    pub fn ollama_chat(tokens: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let tokens: Vec<Vec<u8>> = tokens.into_iter().map(|token| text(token.as_ref())).collect();
        let count = tokens.len();
        tokens.into_iter().fold(Self::json_lines(), Self::bytes).bytes(done("stop", 7, count))
    }

    /// A whole streamed answer at an even pace; see [`super::stamp_of`].
    pub fn ollama_paced(tokens: usize, per_second: f64) -> Self {
        Self::json_lines().step(Step::Paced { tokens, per_second, frame: text }).bytes(done("stop", 7, tokens))
    }

    /// A whole answer that does not stream.
    pub fn ollama_whole(text: &str) -> Self {
        Self::json(200, &whole(text, 7, text.split_whitespace().count()))
    }

    /// A stream of one JSON object a line, so far empty.
    pub fn json_lines() -> Self {
        let headers = vec![("content-type".to_owned(), "application/x-ndjson".to_owned())];
        Self::new([Step::Headers { status: 200, headers, framing: Framing::Chunked }])
    }
}

fn line(message: &Value) -> Vec<u8> {
    let mut message = message.clone();
    message["role"] = json!("assistant");
    ended_by_line(
        &json!({"model": "scripted", "created_at": "2026-01-01T00:00:00.5Z", "message": message, "done": false}),
    )
}

fn last(text: &str, reason: &str, prompt_tokens: usize, completion_tokens: usize) -> Value {
    json!({
        "model": "scripted", "created_at": "2026-01-01T00:00:01Z", "message": {"role": "assistant", "content": text},
        "done_reason": reason, "done": true, "total_duration": 4_883_583_458_u64, "load_duration": 1_334_875,
        "prompt_eval_count": prompt_tokens, "prompt_eval_duration": 342_546_000, "eval_count": completion_tokens,
        "eval_duration": 4_535_599_000_u64,
    })
}

fn ended_by_line(json: &Value) -> Vec<u8> {
    format!("{json}\n").into_bytes()
}
