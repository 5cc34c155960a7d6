//! The Anthropic adapter: the table, and what is peculiar to messages.

mod continuing;
mod failures;
mod published;
mod request;
mod stream;

use crate::conformance::{self, Case, Continuation};
use antiphon_ai::anthropic::Anthropic;
use antiphon_ai::frames::Framing;
use antiphon_ai::provider::{FaultKind, Provider};
use antiphon_ai::{HttpOptions, SetupError};
use antiphon_core::Citation;
use antiphon_testkit::upstream::Reply;
use antiphon_testkit::upstream::anthropic::{self, delta, event};
use serde_json::{Value, json};

/// Anthropic's messages.
pub struct Messages;

impl Case for Messages {
    const NAME: &'static str = "anthropic";
    const BASE_PATH: &'static str = "";
    const FRAMING: Framing = Framing::ServerSentEvents;
    const STOP: &'static str = "end_turn";

    fn provider(options: HttpOptions) -> Result<Box<dyn Provider>, SetupError> {
        Ok(Box::new(Anthropic::new(options)?))
    }

    fn begin() -> Vec<u8> {
        anthropic::begin()
    }

    fn text(text: &str) -> Vec<u8> {
        anthropic::text(text)
    }

    fn end() -> Vec<Vec<u8>> {
        anthropic::end("end_turn", 3)
    }

    fn whole(text: &str) -> Value {
        anthropic::whole(text, 3)
    }

    fn noise() -> Vec<Vec<u8>> {
        vec![
            event(&json!({"type": "ping"})),
            b": comment\n\n".to_vec(),
            event(&json!({"type": "an_event_of_next_year", "delta": {"type": "text_delta", "text": "not spoken"}})),
            delta(&json!({"type": "signature_delta", "signature": "EqQBCgIYAhIM"})),
            delta(&json!({"type": "input_json_delta", "partial_json": "{\"a\": \"not spoken"})),
            delta(&json!({"type": "a_delta_of_next_year", "text": "not spoken"})),
            event(&json!({"type": "content_block_start", "index": 1, "content_block":
                {"type": "server_tool_use", "id": "t", "name": "web_search", "input": {}}})),
            event(&json!({"type": "content_block_start", "index": 2, "content_block":
                {"type": "redacted_thinking", "data": "EmwKAhgB"}})),
            event(&json!({"type": "content_block_stop", "index": 1})),
        ]
    }

    /// The reason comes with an event of its own, which has no text.
    fn empty_reason(text: &str) -> Option<Vec<u8>> {
        let empty = event(&json!({"type": "message_delta", "delta": {"stop_reason": "", "stop_sequence": null},
            "usage": {"output_tokens": 1}}));
        Some([anthropic::text(text), empty].concat())
    }

    fn errors() -> Vec<(Vec<u8>, FaultKind)> {
        [
            ("overloaded_error", FaultKind::Busy),
            ("rate_limit_error", FaultKind::Busy),
            ("api_error", FaultKind::Error),
            ("timeout_error", FaultKind::Timeout),
            ("authentication_error", FaultKind::KeyRefused),
            ("permission_error", FaultKind::KeyRefused),
            ("billing_error", FaultKind::Quota),
            ("not_found_error", FaultKind::NotFound),
            ("invalid_request_error", FaultKind::Refused),
            ("request_too_large", FaultKind::Refused),
            ("an_error_of_next_year", FaultKind::Error),
        ]
        .map(|(kind, fault)| (event(&json!({"type": "error", "error": {"type": kind, "message": "boom"}})), fault))
        .into_iter()
        .chain([(b"event: error\ndata: {\"message\": \"boom\"}\n\n".to_vec(), FaultKind::Error)])
        .collect()
    }

    fn refusals() -> Vec<Vec<u8>> {
        let refused = anthropic::end("refusal", 0).concat();
        let explained = json!({"type": "message_delta", "delta": {"stop_reason": "refusal", "stop_sequence": null,
            "stop_details": {"type": "refusal", "category": "bio", "explanation": "Not that."}}, "usage": {}});
        vec![
            refused.clone(),
            [anthropic::text("Well"), refused].concat(),
            [event(&explained), event(&json!({"type": "message_stop"}))].concat(),
        ]
    }

    fn reasoning(thought: &str) -> Option<Vec<u8>> {
        Some(delta(&json!({"type": "thinking_delta", "thinking": thought})))
    }

    fn citations(citations: &[Citation]) -> Option<Vec<u8>> {
        let source = |citation: &Citation| {
            delta(&json!({"type": "citations_delta", "citation": {"type": "web_search_result_location",
                "url": citation.url, "title": citation.title, "cited_text": "…", "encrypted_index": "Eo8B"}}))
        };
        Some(citations.iter().flat_map(source).collect())
    }

    fn continuation() -> Option<Continuation> {
        let partial = |body: &Value| {
            let last = body["messages"].as_array().unwrap().last().unwrap();
            (last["role"] == "assistant").then(|| last["content"].as_str().unwrap().to_owned())
        };
        Some(Continuation { model: "claude-sonnet-4-5", partial })
    }

    fn busy() -> Reply {
        let error =
            json!({"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}, "request_id": "r"});
        Reply::json_with(429, &[("Retry-After", "3")], &error)
    }
}

#[tokio::test]
async fn conforms() {
    conformance::check::<Messages>().await;
}
