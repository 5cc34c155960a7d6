//! Perplexity: the table that all adapters pass, and what only it does.

mod sonar;

use crate::conformance::{self, Case, Continuation};
use antiphon_ai::frames::Framing;
use antiphon_ai::perplexity::Perplexity as Adapter;
use antiphon_ai::provider::{FaultKind, Provider};
use antiphon_ai::{HttpOptions, SetupError};
use antiphon_core::Citation;
use antiphon_testkit::upstream::perplexity;
use serde_json::{Value, json};

/// Perplexity's Sonar.
pub struct Perplexity;

impl Case for Perplexity {
    const NAME: &'static str = "perplexity";
    const BASE_PATH: &'static str = "";
    const FRAMING: Framing = Framing::ServerSentEvents;
    const STOP: &'static str = "stop";

    fn provider(options: HttpOptions) -> Result<Box<dyn Provider>, SetupError> {
        Ok(Box::new(Adapter::new(options)?))
    }

    fn begin() -> Vec<u8> {
        perplexity::text("")
    }

    fn text(text: &str) -> Vec<u8> {
        perplexity::text(text)
    }

    fn end() -> Vec<Vec<u8>> {
        vec![perplexity::finish("stop", 7, 3), b"data: [DONE]\n\n".to_vec()]
    }

    fn whole(text: &str) -> Value {
        perplexity::whole(text, 7, 3)
    }

    fn noise() -> Vec<Vec<u8>> {
        vec![
            b": ping\n\n".to_vec(),
            b"data: {\"type\":\"info\",\"object\":\"chat.reasoning\",\"choices\":[]}\n\n".to_vec(),
            b"event: ping\ndata: \n\n".to_vec(),
        ]
    }

    fn empty_reason(text: &str) -> Option<Vec<u8>> {
        let choice = json!({"index": 0, "delta": {"content": text}, "finish_reason": ""});
        Some(format!("data: {}\n\n", json!({"choices": [choice]})).into_bytes())
    }

    fn errors() -> Vec<(Vec<u8>, FaultKind)> {
        let error = |kind: &str, code: u16| {
            let error = json!({"error": {"message": "boom", "type": kind, "code": code}});
            format!("data: {error}\n\n").into_bytes()
        };
        vec![
            (error("internal_error", 500), FaultKind::Error),
            (error("rate_limit_exceeded", 429), FaultKind::Busy),
            (error("invalid_message", 400), FaultKind::Refused),
            (error("invalid_model", 400), FaultKind::NotFound),
            (error("insufficient_quota", 401), FaultKind::Quota),
            (b"event: error\ndata: {\"message\":\"boom\"}\n\n".to_vec(), FaultKind::Error),
        ]
    }

    fn refusals() -> Vec<Vec<u8>> {
        Vec::new()
    }

    /// In tags at the beginning of the text; the thought begins with a capital letter and ends with a full stop.
    fn reasoning(thought: &str) -> Option<Vec<u8>> {
        let opening = if thought.starts_with(char::is_uppercase) { "<think>" } else { "" };
        let closing = if thought.ends_with('.') { "</think>" } else { "" };
        Some(perplexity::text(&format!("{opening}{thought}{closing}")))
    }

    fn citations(citations: &[Citation]) -> Option<Vec<u8>> {
        let sources = citations.iter().map(|citation| (citation.url.as_str(), citation.title.as_deref()));
        Some(perplexity::sources(sources))
    }

    fn continuation() -> Option<Continuation> {
        None
    }
}

#[tokio::test]
async fn conforms() {
    conformance::check::<Perplexity>().await;
}
