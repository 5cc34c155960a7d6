//! What is peculiar in how Gemini fails.

use super::GenerateContent;
use crate::calls::{call, fault};
use antiphon_ai::provider::FaultKind;
use antiphon_testkit::upstream::Reply;
use serde_json::{Value, json};
use std::time::Duration;

fn error(code: u16, status: &str, details: Value) -> Reply {
    Reply::json(code, &json!({"error": {"code": code, "message": "because", "status": status, "details": details}}))
}

#[tokio::test]
async fn a_wrong_key_is_no_wrong_request() {
    let details = json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID",
        "domain": "googleapis.com", "metadata": {"service": "generativelanguage.googleapis.com"}}]);
    let refused = fault(call::<GenerateContent>(error(400, "INVALID_ARGUMENT", details)).await.end);
    assert_eq!(refused.kind, FaultKind::KeyRefused);
    let refused = fault(call::<GenerateContent>(error(400, "FAILED_PRECONDITION", json!([]))).await.end);
    assert_eq!(refused.kind, FaultKind::Refused);
}

#[tokio::test]
async fn how_long_to_wait_stands_in_the_details() {
    let details = |quota: &str| {
        json!([{"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": quota}]},
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"}])
    };
    let minute = error(429, "RESOURCE_EXHAUSTED", details("GenerateRequestsPerMinutePerProjectPerModel-FreeTier"));
    let busy = fault(call::<GenerateContent>(minute).await.end);
    assert_eq!((busy.kind, busy.retry_after), (FaultKind::Busy, Some(Duration::from_secs(34))));
    let day = error(429, "RESOURCE_EXHAUSTED", details("GenerateRequestsPerDayPerProjectPerModel-FreeTier"));
    let over = fault(call::<GenerateContent>(day).await.end);
    assert_eq!((over.kind, over.retry_after), (FaultKind::Quota, None), "no wait of seconds will do");
}
