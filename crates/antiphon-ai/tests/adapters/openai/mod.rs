//! The OpenAI adapter: the table, and what is peculiar to chat completions.

mod compatibles;
mod failures;
mod published;
mod real_server;
mod request;
mod stream;
mod whole;

use crate::conformance::{self, Case, Continuation};
use antiphon_ai::frames::Framing;
use antiphon_ai::openai::OpenAi;
use antiphon_ai::provider::{FaultKind, Provider};
use antiphon_ai::{HttpOptions, SetupError};
use antiphon_core::Citation;
use antiphon_testkit::upstream::openai;
use serde_json::{Value, json};

/// Chat completions.
pub struct ChatCompletions;

impl Case for ChatCompletions {
    const NAME: &'static str = "openai";
    const BASE_PATH: &'static str = "/v1";
    const FRAMING: Framing = Framing::ServerSentEvents;
    const STOP: &'static str = "stop";

    fn provider(options: HttpOptions) -> Result<Box<dyn Provider>, SetupError> {
        Ok(Box::new(OpenAi::new(options)?))
    }

    fn begin() -> Vec<u8> {
        openai::begin()
    }

    fn text(text: &str) -> Vec<u8> {
        openai::text(text)
    }

    fn end() -> Vec<Vec<u8>> {
        vec![openai::finish("stop"), openai::usage(7, 3), openai::done()]
    }

    fn whole(text: &str) -> Value {
        openai::whole(text, 3)
    }

    fn noise() -> Vec<Vec<u8>> {
        vec![
            b": OPENROUTER PROCESSING\n\n".to_vec(),
            b"event: ping\ndata: \n\n".to_vec(),
            frame(&json!({"type": "ping"})),
            frame(&json!({"choices": null, "x": 1})),
            frame(&json!({"choices": [{"index": 0, "delta": null}]})),
        ]
    }

    fn empty_reason(text: &str) -> Option<Vec<u8>> {
        Some(frame(&json!({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": ""}]})))
    }

    fn errors() -> Vec<(Vec<u8>, FaultKind)> {
        [
            (json!({"error": {"message": "boom", "type": "server_error"}}), FaultKind::Error),
            (json!({"error": "boom"}), FaultKind::Error),
            (json!({"error": {"message": "boom", "code": 502}, "choices": []}), FaultKind::Error),
            (json!({"error": {"message": "boom", "code": "context_length_exceeded"}}), FaultKind::Refused),
            (json!({"error": {"message": "boom", "type": "rate_limit_exceeded"}}), FaultKind::Busy),
            (json!({"object": "error", "message": "boom", "code": 400}), FaultKind::Refused),
        ]
        .into_iter()
        .map(|(error, kind)| (frame(&error), kind))
        .chain([(b"event: error\ndata: {\"message\": \"boom\"}\n\n".to_vec(), FaultKind::Error)])
        .collect()
    }

    fn refusals() -> Vec<Vec<u8>> {
        let refused = json!({"choices": [{"index": 0, "delta": {"refusal": "I cannot help with that."}}]});
        let filtered = [openai::text("Well"), openai::finish("content_filter"), openai::done()].concat();
        vec![
            filtered,
            [openai::finish("content_filter"), openai::done()].concat(),
            [frame(&refused), openai::finish("stop"), openai::done()].concat(),
        ]
    }

    fn reasoning(thought: &str) -> Option<Vec<u8>> {
        Some(frame(&json!({"choices": [{"index": 0, "delta": {"content": null, "reasoning_content": thought}}]})))
    }

    /// As OpenAI's search models and OpenRouter name them.
    fn citations(citations: &[Citation]) -> Option<Vec<u8>> {
        let annotation = |citation: &Citation| {
            json!({"type": "url_citation", "url_citation": {
                "url": citation.url, "title": citation.title, "start_index": 0, "end_index": 1}})
        };
        let annotations: Vec<Value> = citations.iter().map(annotation).collect();
        Some(frame(&json!({"choices": [{"index": 0, "delta": {"annotations": annotations}}]})))
    }

    fn continuation() -> Option<Continuation> {
        None
    }
}

fn frame(json: &Value) -> Vec<u8> {
    format!("data: {json}\n\n").into_bytes()
}

#[tokio::test]
async fn conforms() {
    conformance::check::<ChatCompletions>().await;
}
