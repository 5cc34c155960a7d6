//! Replies as Perplexity gives them: chat completions with the message so far, the usage and the sources in each frame.

use super::{Reply, Step};
use serde_json::{Value, json};

/// A frame with this text.
pub fn text(text: &str) -> Vec<u8> {
    frame(&chunk(text, &Value::Null, 7, 1))
}

/// A frame without text that has these sources: addresses, and titles where there are any.
pub fn sources<'a>(sources: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) -> Vec<u8> {
    let mut chunk = chunk("", &Value::Null, 7, 1);
    let (mut addresses, mut results) = (Vec::new(), Vec::new());
    for (url, title) in sources {
        addresses.push(url);
        results.push(json!({"title": title, "url": url, "date": "2026-01-01", "snippet": "…", "source": "web"}));
    }
    // In another order than the addresses, which are what the text counts.
    results.reverse();
    chunk["citations"] = json!(addresses);
    chunk["search_results"] = json!(results);
    frame(&chunk)
}

/// The frame that says why the answer is over, and its counts.
pub fn finish(reason: &str, prompt_tokens: usize, completion_tokens: usize) -> Vec<u8> {
    let mut chunk = chunk("", &json!(reason), prompt_tokens, completion_tokens);
    chunk["object"] = json!("chat.completion.done");
    frame(&chunk)
}

/// A whole answer that does not stream.
pub fn whole(text: &str, prompt_tokens: usize, completion_tokens: usize) -> Value {
    let mut whole = chunk("", &json!("stop"), prompt_tokens, completion_tokens);
    whole["object"] = json!("chat.completion");
    whole["choices"][0]["message"]["content"] = json!(text);
    whole
}

impl Reply {
    /// A whole streamed answer: these tokens, `stop` with the usage, `[DONE]`.
    pub fn perplexity_chat(tokens: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let tokens: Vec<Vec<u8>> = tokens.into_iter().map(|token| text(token.as_ref())).collect();
        let count = tokens.len();
        tokens.into_iter().fold(Self::stream(), Self::bytes).bytes(finish("stop", 7, count)).done_marker()
    }

    /// A whole streamed answer at an even pace; see [`super::stamp_of`].
    pub fn perplexity_paced(tokens: usize, per_second: f64) -> Self {
        let paced = Step::Paced { tokens, per_second, frame: text };
        Self::stream().step(paced).bytes(finish("stop", 7, tokens)).done_marker()
    }

    /// A whole answer that does not stream.
    pub fn perplexity_whole(text: &str) -> Self {
        Self::json(200, &whole(text, 7, text.split_whitespace().count()))
    }
}

fn chunk(text: &str, finish_reason: &Value, prompt_tokens: usize, completion_tokens: usize) -> Value {
    json!({
        "id": "58cb", "model": "sonar", "created": 1, "object": "chat.completion.chunk",
        "usage": {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens, "search_context_size": "low", "num_search_queries": 1,
            "cost": {"input_tokens_cost": 0.00001, "output_tokens_cost": 0, "request_cost": 0.005, "total_cost": 0.00501}},
        "choices": [{"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": finish_reason,
            "message": {"role": "assistant", "content": "All that was said so far, once more."}}],
    })
}

fn frame(json: &Value) -> Vec<u8> {
    format!("data: {json}\n\n").into_bytes()
}
