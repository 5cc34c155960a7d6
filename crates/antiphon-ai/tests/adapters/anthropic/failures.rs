//! What is peculiar in how Anthropic fails.

use super::Messages;
use crate::calls::{call, fault};
use antiphon_ai::provider::FaultKind;
use antiphon_testkit::upstream::Reply;
use serde_json::json;

#[tokio::test]
async fn errors_before_the_stream_are_told_apart() {
    for (status, word, kind) in [
        (400, "invalid_request_error", FaultKind::Refused),
        (401, "authentication_error", FaultKind::KeyRefused),
        (402, "billing_error", FaultKind::Quota),
        (403, "permission_error", FaultKind::KeyRefused),
        (404, "not_found_error", FaultKind::NotFound),
        (413, "request_too_large", FaultKind::Refused),
        (429, "rate_limit_error", FaultKind::Busy),
        (500, "api_error", FaultKind::Error),
        (504, "timeout_error", FaultKind::Timeout),
        (529, "overloaded_error", FaultKind::Busy),
    ] {
        let error = json!({"type": "error", "error": {"type": word, "message": "because"}, "request_id": "req_1"});
        let fault = fault(call::<Messages>(Reply::json(status, &error)).await.end);
        assert_eq!(fault.kind, kind, "{status} {word}");
        assert!(fault.detail.contains("because") && fault.detail.contains(word), "{fault:?}");
    }
}

#[tokio::test]
async fn an_account_without_money_is_no_wrong_request() {
    let message = "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing.";
    let error = json!({"type": "error", "error": {"type": "invalid_request_error", "message": message}});
    assert_eq!(fault(call::<Messages>(Reply::json(400, &error)).await.end).kind, FaultKind::Quota);
}
