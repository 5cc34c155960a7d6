//! What a provider's refusals and broken connections mean: HTTP statuses, errors inside a stream, transport errors.

use super::wire::ErrorBody;
use crate::api_key::ApiKey;
use crate::provider::{CallEnd, CallOutcome, ProviderFault};
use antiphon_core::limits;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use std::time::{Duration, SystemTime};

/// The four kinds of failure, each with a code and a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Error,
    Refused,
    Busy,
    Unreachable,
    Timeout,
}

impl Kind {
    fn code(self) -> &'static str {
        match self {
            Kind::Error => "provider_error",
            Kind::Refused | Kind::Busy => "provider_refused",
            Kind::Unreachable => "provider_unreachable",
            Kind::Timeout => "provider_timeout",
        }
    }

    fn message(self) -> &'static str {
        match self {
            Kind::Error => "The model's provider had an error and could not answer.",
            Kind::Refused => "The model's provider refused the request.",
            Kind::Busy => "The model's provider takes no more requests at the moment.",
            Kind::Unreachable => "The model's provider could not be reached.",
            Kind::Timeout => "The model's provider took too long to answer.",
        }
    }

    fn retryable(self) -> bool {
        self != Kind::Refused
    }

    pub(super) fn fault(self, detail: impl Into<String>) -> ProviderFault {
        ProviderFault {
            code: self.code(),
            message: self.message().to_owned(),
            detail: detail.into(),
            retryable: self.retryable(),
            retry_after: None,
        }
    }
}

/// An end by a fault.
pub(super) fn failed(fault: ProviderFault) -> CallEnd {
    CallEnd { outcome: CallOutcome::Failed(fault), finish_reason: None, usage: None }
}

/// What an HTTP status other than 200 means. 408, 409, 425 and 429 pass with time, and so do server errors, but for
/// 501 and 505: the server will never know how (RFC 9110 section 15).
fn kind_of_status(status: u16) -> Kind {
    match status {
        408 | 504 | 524 => Kind::Timeout,
        409 | 425 => Kind::Error,
        429 | 503 | 529 => Kind::Busy,
        501 | 505 => Kind::Refused,
        500.. => Kind::Error,
        _ => Kind::Refused,
    }
}

/// What an error's words mean, where they say more than its status: an empty account answers 429 as a busy server
/// does, and an error inside a stream has words only.
fn kind_of_words(words: &[String]) -> Option<Kind> {
    words.iter().find_map(|word| match word.as_str() {
        "insufficient_quota" | "billing_hard_limit_reached" => Some(Kind::Refused),
        "invalid_api_key" | "authentication_error" | "permission_error" | "permission_denied" => Some(Kind::Refused),
        "model_not_found" | "not_found_error" | "context_length_exceeded" => Some(Kind::Refused),
        "content_filter" | "content_policy_violation" | "invalid_prompt" => Some(Kind::Refused),
        _ => None,
    })
}

fn kind_of_stream_words(words: &[String]) -> Option<Kind> {
    words.iter().find_map(|word| match word.as_str() {
        "invalid_request_error" | "BadRequestError" => Some(Kind::Refused),
        "rate_limit_exceeded" | "rate_limit_error" | "overloaded_error" | "tokens" | "requests" => Some(Kind::Busy),
        "timeout" | "timeout_error" => Some(Kind::Timeout),
        _ => None,
    })
}

/// The fault of a response that is not a success.
pub(super) fn of_response(status: StatusCode, headers: &HeaderMap, body: &[u8], key: Option<&ApiKey>) -> ProviderFault {
    let error = ErrorBody::parse(body).unwrap_or_default();
    let kind = kind_of_words(&error.words).unwrap_or_else(|| kind_of_status(status.as_u16()));
    let said = if error.message.is_empty() && error.words.is_empty() {
        String::from_utf8_lossy(body).into_owned()
    } else {
        describe(&error)
    };
    let mut fault = kind.fault(bounded(&format!("status {}: {said}", status.as_u16()), key));
    if kind.retryable() {
        fault.retry_after = retry_after(headers, SystemTime::now());
    }
    match status.as_u16() {
        401 | 403 => fault.message = "The model's provider refused this server's key.".to_owned(),
        404 => fault.message = "The model's provider does not know the model or the address asked for.".to_owned(),
        300..=399 => fault.message = "The model's provider has moved; its address must be set anew.".to_owned(),
        _ => {}
    }
    fault
}

/// The fault of an error inside a stream that began well.
pub(super) fn in_band(json: &[u8], key: Option<&ApiKey>) -> ProviderFault {
    let error = ErrorBody::parse(json).unwrap_or_default();
    let kind = kind_of_words(&error.words)
        .or(error.status.filter(|status| *status >= 400).map(kind_of_status))
        .or(kind_of_stream_words(&error.words))
        .unwrap_or(Kind::Error);
    kind.fault(bounded(&format!("error in the stream: {}", describe(&error)), key))
}

/// The fault of a call that has no response: nobody answered, or the connection ended before the headers.
pub(super) fn of_transport(error: reqwest::Error) -> ProviderFault {
    Kind::Unreachable.fault(bounded(&chain(error), None))
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

/// A detail for the log: short, on one line, without the key.
pub(super) fn bounded(text: &str, key: Option<&ApiKey>) -> String {
    let text = key.map_or_else(|| text.to_owned(), |key| key.redact(text));
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
        let busy = of_response(StatusCode::TOO_MANY_REQUESTS, &headers("retry-after", "3"), b"{}", None);
        assert!(busy.retryable);
        assert_eq!(busy.retry_after, Some(Duration::from_secs(3)));
        let body = br#"{"error":{"message":"no money","type":"insufficient_quota","code":"insufficient_quota"}}"#;
        let empty = of_response(StatusCode::TOO_MANY_REQUESTS, &headers("retry-after", "3"), body, None);
        assert!(!empty.retryable);
        assert_eq!(empty.retry_after, None);
    }

    #[test]
    fn a_detail_is_short_one_line_and_without_the_key() {
        let key = ApiKey::new("sk-secret");
        let body = format!("wrong key sk-secret\r\n{}", "x".repeat(5000));
        let fault = of_response(StatusCode::UNAUTHORIZED, &HeaderMap::new(), body.as_bytes(), Some(&key));
        assert!(!fault.detail.contains("sk-secret") && !fault.message.contains("sk-secret"));
        assert!(!fault.detail.contains(['\r', '\n']));
        assert_eq!(fault.detail.chars().count(), limits::MAX_PROVIDER_DETAIL);
    }

    #[test]
    fn errors_in_a_stream_are_told_apart_by_their_words() {
        let kind = |json: &str| (in_band(json.as_bytes(), None).code, in_band(json.as_bytes(), None).retryable);
        assert_eq!(kind(r#"{"error":{"message":"x","type":"server_error","code":null}}"#), ("provider_error", true));
        assert_eq!(kind(r#"{"error":{"message":"x","code":429}}"#), ("provider_refused", true));
        assert_eq!(kind(r#"{"error":{"message":"x","code":400}}"#), ("provider_refused", false));
        assert_eq!(kind(r#"{"error":{"type":"overloaded_error"}}"#), ("provider_refused", true));
        assert_eq!(kind(r#"{"error":{"type":"invalid_request_error"}}"#), ("provider_refused", false));
        assert_eq!(kind(r#"{"error":"boom"}"#), ("provider_error", true));
        assert_eq!(kind(r#"{"object":"error","message":"x","code":500}"#), ("provider_error", true));
        assert_eq!(kind("nonsense"), ("provider_error", true));
    }
}
