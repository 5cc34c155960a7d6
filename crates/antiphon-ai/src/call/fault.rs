//! What a provider's refusals and broken connections mean: HTTP statuses, errors inside a stream, transport errors.

use super::error_body::{ErrorBody, QUOTA_OF_A_DAY};
use crate::api_key::ApiKey;
use crate::provider::{FaultKind, ProviderFault};
use antiphon_core::limits;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use std::time::{Duration, SystemTime};

/// What an HTTP status other than 200 means. 408, 409, 425 and 429 pass with time, and so do server errors, but for
/// 501 and 505: the server will never know how (RFC 9110 section 15).
fn kind_of_status(status: u16) -> FaultKind {
    match status {
        300..=399 => FaultKind::Moved,
        401 | 403 => FaultKind::KeyRefused,
        402 => FaultKind::Quota,
        404 => FaultKind::NotFound,
        408 | 504 | 524 => FaultKind::Timeout,
        409 | 425 => FaultKind::Error,
        429 | 503 | 529 => FaultKind::Busy,
        501 | 505 => FaultKind::Refused,
        500.. => FaultKind::Error,
        _ => FaultKind::Refused,
    }
}

/// What an error's words mean, where they say more than its status: an empty account answers 429 as a busy server
/// does, and an error inside a stream has words only.
fn kind_of_words(words: &[String]) -> Option<FaultKind> {
    words.iter().find_map(|word| match word.as_str() {
        "insufficient_quota" | "billing_hard_limit_reached" | "billing_error" | QUOTA_OF_A_DAY => {
            Some(FaultKind::Quota)
        }
        "invalid_api_key" | "authentication_error" | "permission_error" | "permission_denied" => {
            Some(FaultKind::KeyRefused)
        }
        // Google's: an invalid key comes with the status 400.
        "API_KEY_INVALID" | "UNAUTHENTICATED" | "PERMISSION_DENIED" => Some(FaultKind::KeyRefused),
        "model_not_found" | "not_found_error" | "invalid_model" | "NOT_FOUND" => Some(FaultKind::NotFound),
        "context_length_exceeded" | "content_filter" | "content_policy_violation" | "invalid_prompt" => {
            Some(FaultKind::Refused)
        }
        _ => None,
    })
}

/// What the words mean that an error inside a stream has instead of a status.
fn kind_of_stream_words(words: &[String]) -> Option<FaultKind> {
    words.iter().find_map(|word| match word.as_str() {
        "invalid_request_error" | "BadRequestError" | "request_too_large" => Some(FaultKind::Refused),
        "INVALID_ARGUMENT" | "FAILED_PRECONDITION" => Some(FaultKind::Refused),
        "rate_limit_exceeded" | "rate_limit_error" | "overloaded_error" | "tokens" | "requests" => {
            Some(FaultKind::Busy)
        }
        "RESOURCE_EXHAUSTED" | "UNAVAILABLE" => Some(FaultKind::Busy),
        "timeout" | "timeout_error" | "DEADLINE_EXCEEDED" => Some(FaultKind::Timeout),
        _ => None,
    })
}

/// The fault of a response that is not a success.
pub(crate) fn of_response(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ProviderFault {
    let error = ErrorBody::parse(body).unwrap_or_default();
    let kind = kind_of_words(&error.words).unwrap_or_else(|| kind_of_status(status.as_u16()));
    let said = if error.message.is_empty() && error.words.is_empty() {
        String::from_utf8_lossy(body).into_owned()
    } else {
        describe(&error)
    };
    let mut fault = kind.fault(format!("status {}: {said}", status.as_u16()));
    if kind.is_retryable() {
        fault.retry_after = retry_after(headers, SystemTime::now()).or(error.retry_after);
    }
    fault
}

/// The fault of an error inside a stream that began well.
pub(crate) fn in_band(json: &[u8]) -> ProviderFault {
    let error = ErrorBody::parse(json).unwrap_or_default();
    let kind = kind_of_words(&error.words)
        .or(error.status.filter(|status| *status >= 400).map(kind_of_status))
        .or(kind_of_stream_words(&error.words))
        .unwrap_or(FaultKind::Error);
    let fault = kind.fault(format!("error in the stream: {}", describe(&error)));
    ProviderFault { retry_after: error.retry_after.filter(|_| kind.is_retryable()), ..fault }
}

/// The fault of a frame or body that is not what the provider's reference describes.
pub(crate) fn not_understood(what: &str, json: &[u8]) -> ProviderFault {
    FaultKind::Error.fault(format!("not {what}: {}", String::from_utf8_lossy(json)))
}

/// The fault of a call that has no response: nobody answered, or the connection ended before the headers.
pub(super) fn of_transport(error: reqwest::Error) -> ProviderFault {
    FaultKind::Unreachable.fault(chain(error)).without(None)
}

/// A transport error with its causes, without the address.
pub(super) fn chain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

fn describe(error: &ErrorBody) -> String {
    let words = error.words.join(", ");
    match (error.message.is_empty(), words.is_empty()) {
        (false, false) => format!("{} ({words})", error.message),
        (false, true) => error.message.clone(),
        (true, _) => words,
    }
}

impl ProviderFault {
    /// The same with a detail fit for the log: short, on one line, without the key.
    pub(crate) fn without(self, key: Option<&ApiKey>) -> Self {
        let text = key.map_or_else(|| self.detail.clone(), |key| key.redact(&self.detail));
        Self { detail: plain(&text), ..self }
    }
}

/// A provider's words fit for the log: short, on one line.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(limits::MAX_PROVIDER_DETAIL).collect()
}

/// `Retry-After` as seconds or a date (RFC 9110 section 10.2.3), or OpenAI's finer `retry-after-ms`.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    if let Some(milliseconds) = text("retry-after-ms").and_then(|value| value.parse::<u32>().ok()) {
        return Some(Duration::from_millis(milliseconds.into()));
    }
    let value = text(RETRY_AFTER.as_str())?;
    if let Ok(seconds) = value.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())])
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let after = |name, value| retry_after(&headers(name, value), now);
        assert_eq!(after("retry-after", "7"), Some(Duration::from_secs(7)));
        assert_eq!(after("retry-after", "Sun, 06 Nov 1994 08:49:47 GMT"), Some(Duration::from_secs(10)));
        assert_eq!(after("retry-after", "Sun, 06 Nov 1994 08:49:27 GMT"), Some(Duration::ZERO), "a past date is now");
        assert_eq!(after("retry-after-ms", "250"), Some(Duration::from_millis(250)));
        assert_eq!(after("retry-after", "soon"), None);
        assert_eq!(after("retry-after", "99999999999999999999"), None);
    }

    #[test]
    fn an_empty_account_is_not_a_busy_server() {
        let busy = of_response(StatusCode::TOO_MANY_REQUESTS, &headers("retry-after", "3"), b"{}");
        assert_eq!(busy.kind, FaultKind::Busy);
        assert_eq!(busy.retry_after, Some(Duration::from_secs(3)));
        let body = br#"{"error":{"message":"no money","type":"insufficient_quota","code":"insufficient_quota"}}"#;
        let empty = of_response(StatusCode::TOO_MANY_REQUESTS, &headers("retry-after", "3"), body);
        assert_eq!(empty.kind, FaultKind::Quota);
        assert_eq!(empty.retry_after, None);
    }

    #[test]
    fn google_says_when_to_come_again_and_which_quota_is_used_up() {
        let body = |id: &str| {
            serde_json::json!({"error": {"code": 429, "message": "You exceeded your current quota.",
                "status": "RESOURCE_EXHAUSTED", "details": [
                {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": id}]},
                {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}]}})
            .to_string()
        };
        let minute = body("GenerateRequestsPerMinutePerProjectPerModel-FreeTier");
        let day = body("GenerateRequestsPerDayPerProjectPerModel-FreeTier");
        let delay = Some(Duration::from_millis(34_500));
        let response = |body: &str| of_response(StatusCode::TOO_MANY_REQUESTS, &HeaderMap::new(), body.as_bytes());
        assert_eq!((response(&minute).kind, response(&minute).retry_after), (FaultKind::Busy, delay));
        assert_eq!((response(&day).kind, response(&day).retry_after), (FaultKind::Quota, None));
        let in_stream = in_band(minute.as_bytes());
        assert_eq!((in_stream.kind, in_stream.retry_after), (FaultKind::Busy, delay));
        let header = headers("retry-after", "3");
        let both = of_response(StatusCode::TOO_MANY_REQUESTS, &header, minute.as_bytes());
        assert_eq!(both.retry_after, Some(Duration::from_secs(3)), "the header goes first");
    }

    #[test]
    fn an_empty_balance_is_told_by_its_message() {
        let body = br#"{"type":"error","error":{"type":"invalid_request_error",
            "message":"Your credit balance is too low to access the Anthropic API."}}"#;
        assert_eq!(of_response(StatusCode::BAD_REQUEST, &HeaderMap::new(), body).kind, FaultKind::Quota);
    }

    #[test]
    fn a_detail_is_short_one_line_and_without_the_key() {
        let key = ApiKey::new("sk-secret");
        let body = format!("wrong key sk-secret\r\n{}", "x".repeat(5000));
        let fault = of_response(StatusCode::UNAUTHORIZED, &HeaderMap::new(), body.as_bytes()).without(Some(&key));
        assert!(!fault.detail.contains("sk-secret") && !fault.message.contains("sk-secret"));
        assert!(!fault.detail.contains(['\r', '\n']));
        assert_eq!(fault.detail.chars().count(), limits::MAX_PROVIDER_DETAIL);
    }

    #[test]
    fn errors_in_a_stream_are_told_apart_by_their_words() {
        let kind = |json: &str| in_band(json.as_bytes()).kind;
        assert_eq!(kind(r#"{"error":{"message":"x","type":"server_error","code":null}}"#), FaultKind::Error);
        assert_eq!(kind(r#"{"error":{"message":"x","code":429}}"#), FaultKind::Busy);
        assert_eq!(kind(r#"{"error":{"message":"x","code":400}}"#), FaultKind::Refused);
        assert_eq!(kind(r#"{"error":{"type":"overloaded_error"}}"#), FaultKind::Busy);
        assert_eq!(kind(r#"{"error":{"type":"invalid_request_error"}}"#), FaultKind::Refused);
        assert_eq!(kind(r#"{"error":"boom"}"#), FaultKind::Error);
        assert_eq!(kind(r#"{"object":"error","message":"x","code":500}"#), FaultKind::Error);
        assert_eq!(kind("nonsense"), FaultKind::Error);
    }
}
