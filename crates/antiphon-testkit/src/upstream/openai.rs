//! Chat completions as OpenAI sends them, with the fields that a reader must skip.

use super::reply::{Reply, Step};
use serde_json::{Value, json};

impl Reply {
    /// A whole streamed chat completion: the role first, these tokens, `stop`, the usage, `[DONE]`.
    pub fn openai_chat(tokens: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let tokens: Vec<String> = tokens.into_iter().map(|token| token.as_ref().to_owned()).collect();
        let count = tokens.len();
        Self::stream().role().tokens(tokens).finish("stop").usage(7, count).done_marker()
    }

    /// A whole chat completion that does not stream.
    pub fn openai_whole(text: &str) -> Self {
        Self::json(200, &whole(text, text.split_whitespace().count()))
    }

    /// A whole streamed chat completion at an even pace. Each token is its number and a stamp of when it was sent, as
    /// `N@MICROSECONDS ` since the Unix epoch; see [`super::stamp_of`].
    pub fn openai_paced(tokens: usize, per_second: f64) -> Self {
        let paced = Step::Paced { tokens, per_second, frame: text };
        Self::stream().role().step(paced).finish("stop").usage(7, tokens).done_marker()
    }

    /// And then the frame with which OpenAI begins: the role and an empty content.
    pub fn role(self) -> Self {
        self.bytes(begin())
    }

    /// And then a frame with this text.
    pub fn token(self, token: &str) -> Self {
        self.bytes(text(token))
    }

    /// And then a frame for each of these texts.
    pub fn tokens(self, texts: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        texts.into_iter().fold(self, |reply, text| reply.token(text.as_ref()))
    }

    /// And then the frame that says why the answer is over.
    pub fn finish(self, reason: &str) -> Self {
        self.bytes(finish(reason))
    }

    /// And then the usage, in a frame without choices.
    pub fn usage(self, prompt_tokens: usize, completion_tokens: usize) -> Self {
        self.bytes(usage(prompt_tokens, completion_tokens))
    }

    /// And then `[DONE]`.
    pub fn done_marker(self) -> Self {
        self.bytes(done())
    }
}

/// The frame with which a stream begins: the role and an empty content.
pub fn begin() -> Vec<u8> {
    chunk(&json!({"role": "assistant", "content": ""}), &Value::Null)
}

/// A frame with this text.
pub fn text(text: &str) -> Vec<u8> {
    chunk(&json!({"content": text}), &Value::Null)
}

/// The frame that says why the answer is over.
pub fn finish(reason: &str) -> Vec<u8> {
    chunk(&json!({}), &json!(reason))
}

/// The usage, in a frame without choices.
pub fn usage(prompt_tokens: usize, completion_tokens: usize) -> Vec<u8> {
    super::player::frame(&json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "scripted", "choices": [],
        "usage": {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens},
    }))
}

/// `[DONE]`.
pub fn done() -> Vec<u8> {
    b"data: [DONE]\n\n".to_vec()
}

/// A whole answer that does not stream, after a prompt of 7 tokens.
pub fn whole(text: &str, tokens: usize) -> Value {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "scripted",
        "choices": [{"index": 0, "finish_reason": "stop", "logprobs": null,
            "message": {"role": "assistant", "content": text, "refusal": null}}],
        "usage": {"prompt_tokens": 7, "completion_tokens": tokens, "total_tokens": 7 + tokens},
    })
}

fn chunk(delta: &Value, finish_reason: &Value) -> Vec<u8> {
    super::player::frame(&json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "scripted",
        "service_tier": "default", "system_fingerprint": "fp_1", "usage": null, "obfuscation": "x7Qd",
        "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason}],
    }))
}
