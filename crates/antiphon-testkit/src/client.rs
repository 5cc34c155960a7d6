//! Clients as strangers would write them, from PROTOCOL.md alone: HTTP calls, WebSocket, server-sent events, and a check
//! of everything that a client saw.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod api;
mod checker;
mod sse;
mod token;
mod websocket;

pub use api::{Answer, Api, Credential};
pub use checker::{Checker, Folded};
pub use sse::{SseClient, SseEvent};
pub use token::{mint, mint_claims};
pub use websocket::{WebSocketClient, raw_upgrade};

use serde_json::Value;
use std::time::Duration;

/// How long anything may take before a test gives up on it: far longer than it should on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Whether a message is an event of the log; notices such as `subscribed` are not.
pub fn is_logged(message: &Value) -> bool {
    let is_notice = matches!(message["type"].as_str(), Some("subscribed" | "caught-up" | "presence" | "error"));
    message["position"].is_string() && !is_notice
}

/// Whether an event has that type and, where the stream is not empty, that `streamId`.
pub fn is_event(event: &Value, kind: &str, stream: &str) -> bool {
    event["type"] == kind && (stream.is_empty() || event["streamId"] == stream)
}
