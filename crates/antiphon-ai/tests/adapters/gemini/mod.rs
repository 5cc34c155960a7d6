//! The Gemini adapter: the table, and what is peculiar to generated content.

mod failures;
mod published;
mod request;
mod stream;

use crate::conformance::{self, Case, Continuation};
use antiphon_ai::frames::Framing;
use antiphon_ai::gemini::Gemini;
use antiphon_ai::provider::{FaultKind, Provider};
use antiphon_ai::{HttpOptions, SetupError};
use antiphon_core::Citation;
use antiphon_testkit::upstream::gemini;
use serde_json::{Value, json};

/// Gemini's generated content.
pub struct GenerateContent;

impl Case for GenerateContent {
    const NAME: &'static str = "gemini";
    const BASE_PATH: &'static str = "/v1beta";
    const FRAMING: Framing = Framing::ServerSentEvents;
    const STOP: &'static str = "STOP";

    fn provider(options: HttpOptions) -> Result<Box<dyn Provider>, SetupError> {
        Ok(Box::new(Gemini::new(options)?))
    }

    fn begin() -> Vec<u8> {
        Vec::new()
    }

    fn text(text: &str) -> Vec<u8> {
        gemini::text(text)
    }

    fn end() -> Vec<Vec<u8>> {
        gemini::end("STOP", 3)
    }

    fn whole(text: &str) -> Value {
        gemini::whole(text, 3)
    }

    fn noise() -> Vec<Vec<u8>> {
        vec![
            b": comment\n\n".to_vec(),
            frame(&json!({"candidates": []})),
            frame(&json!({"usageMetadata": {"promptTokenCount": 7}})),
            frame(&json!({"candidates": [{"index": 0}], "promptFeedback": {"safetyRatings": []}})),
            gemini::parts(&json!([])),
            gemini::parts(&json!([{"functionCall": {"name": "f", "args": {"text": "not spoken"}}},
                {"inlineData": {"mimeType": "image/png", "data": "AA=="}},
                {"executableCode": {"language": "PYTHON", "code": "1"}}, {"text": ""}])),
            frame(&json!({"candidates": [{"content": {"parts": [{"text": "another candidate"}]}, "index": 1}]})),
        ]
    }

    fn empty_reason(text: &str) -> Option<Vec<u8>> {
        let candidate = |reason: &str| json!({"content": {"parts": [{"text": text}], "role": "model"}, "finishReason": reason, "index": 0});
        let unspecified = json!({"index": 0, "finishReason": "FINISH_REASON_UNSPECIFIED"});
        Some([frame(&json!({"candidates": [candidate("")]})), frame(&json!({"candidates": [unspecified]}))].concat())
    }

    fn errors() -> Vec<(Vec<u8>, FaultKind)> {
        [
            (503, "UNAVAILABLE", FaultKind::Busy),
            (500, "INTERNAL", FaultKind::Error),
            (429, "RESOURCE_EXHAUSTED", FaultKind::Busy),
            (504, "DEADLINE_EXCEEDED", FaultKind::Timeout),
            (400, "INVALID_ARGUMENT", FaultKind::Refused),
            (403, "PERMISSION_DENIED", FaultKind::KeyRefused),
            (404, "NOT_FOUND", FaultKind::NotFound),
        ]
        .map(|(code, status, kind)| {
            (frame(&json!({"error": {"code": code, "message": "boom", "status": status}})), kind)
        })
        .to_vec()
    }

    fn refusals() -> Vec<Vec<u8>> {
        let stopped = |reason: &str| [gemini::text("Well"), gemini::end(reason, 3).concat()].concat();
        let blocked = |reason: &str| {
            frame(&json!({"promptFeedback": {"blockReason": reason}, "usageMetadata": {"promptTokenCount": 7}}))
        };
        let stops = ["SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY", "LANGUAGE"];
        let blocks = ["SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT"];
        stops.iter().map(|reason| stopped(reason)).chain(blocks.iter().map(|reason| blocked(reason))).collect()
    }

    fn reasoning(thought: &str) -> Option<Vec<u8>> {
        Some(gemini::parts(&json!([{"text": thought, "thought": true}])))
    }

    fn citations(citations: &[Citation]) -> Option<Vec<u8>> {
        let chunk = |citation: &Citation| json!({"web": {"uri": citation.url, "title": citation.title}});
        let chunks: Vec<Value> = citations.iter().map(chunk).collect();
        let candidate =
            json!({"index": 0, "groundingMetadata": {"groundingChunks": chunks, "webSearchQueries": ["q"]}});
        Some(frame(&json!({"candidates": [candidate]})))
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
    conformance::check::<GenerateContent>().await;
}
