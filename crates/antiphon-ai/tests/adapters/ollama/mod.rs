//! Ollama: the table that all adapters pass, and what only it does.

mod chat;
mod real_server;

use crate::conformance::{self, Case, Continuation};
use antiphon_ai::frames::Framing;
use antiphon_ai::ollama::Ollama as Adapter;
use antiphon_ai::provider::{FaultKind, Provider};
use antiphon_ai::{HttpOptions, SetupError};
use antiphon_core::Citation;
use antiphon_testkit::upstream::{Reply, ollama};
use serde_json::{Value, json};

/// Ollama's chat.
pub struct Ollama;

impl Case for Ollama {
    const NAME: &'static str = "ollama";
    const BASE_PATH: &'static str = "";
    const FRAMING: Framing = Framing::JsonLines;
    const STOP: &'static str = "stop";

    fn provider(options: HttpOptions) -> Result<Box<dyn Provider>, SetupError> {
        Ok(Box::new(Adapter::new(options)?))
    }

    fn begin() -> Vec<u8> {
        Vec::new()
    }

    fn text(text: &str) -> Vec<u8> {
        ollama::text(text)
    }

    fn end() -> Vec<Vec<u8>> {
        vec![ollama::done("stop", 7, 3)]
    }

    fn whole(text: &str) -> Value {
        ollama::whole(text, 7, 3)
    }

    fn noise() -> Vec<Vec<u8>> {
        vec![b"\n".to_vec(), ollama::text(""), b"{\"kind\":\"of tomorrow\"}\n".to_vec(), b"  \n\n".to_vec()]
    }

    fn empty_reason(text: &str) -> Option<Vec<u8>> {
        let line = json!({"message": {"role": "assistant", "content": text}, "done": false, "done_reason": ""});
        Some(format!("{line}\n").into_bytes())
    }

    fn errors() -> Vec<(Vec<u8>, FaultKind)> {
        vec![
            (ollama::error("boom: an error was encountered while running the model"), FaultKind::Error),
            (b"{\"error\":{\"message\":\"boom\",\"code\":429}}\n".to_vec(), FaultKind::Busy),
        ]
    }

    fn refusals() -> Vec<Vec<u8>> {
        Vec::new()
    }

    fn reasoning(thought: &str) -> Option<Vec<u8>> {
        Some(ollama::thinking(thought))
    }

    fn citations(_citations: &[Citation]) -> Option<Vec<u8>> {
        None
    }

    fn continuation() -> Option<Continuation> {
        None
    }

    fn busy() -> Reply {
        Reply::json_with(429, &[("Retry-After", "3")], &json!({"error": "slow down"}))
    }
}

#[tokio::test]
async fn conforms() {
    conformance::check::<Ollama>().await;
}
