//! What a provider says about an error, in whichever of the known shapes.

use serde_json::Value;
use std::time::Duration;

/// The word for a quota that lasts until another day, which Google tells in a violation's `quotaId` only.
pub(crate) const QUOTA_OF_A_DAY: &str = "quota of a day";

/// An error object: `{"error": {"message", "type", "code", "status"}}`, `{"error": "…"}`, `{"detail": …}`, or the inner
/// object by itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ErrorBody {
    pub(crate) message: String,
    /// The `type`, the `code` and the `status`, as words, and the `reason`s of Google's `details`.
    pub(crate) words: Vec<String>,
    /// A `code` or `status` that is an HTTP status, as Google and OpenRouter send.
    pub(crate) status: Option<u16>,
    /// Google's `RetryInfo`, which stands where others send `Retry-After`.
    pub(crate) retry_after: Option<Duration>,
}

impl ErrorBody {
    pub(crate) fn parse(json: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(json).ok()?;
        // Google wraps an error in an array where the answer would have been one.
        let value = value.get(0).unwrap_or(&value);
        let error = value.get("error").filter(|error| !error.is_null()).unwrap_or(value);
        let mut body = Self::default();
        if let Some(message) = error.as_str() {
            body.message = message.to_owned();
            return Some(body);
        }
        body.message = error.get("message").or(error.get("detail")).map(text_of).unwrap_or_default();
        for field in ["type", "code", "status"] {
            match error.get(field) {
                Some(Value::String(word)) => body.words.push(word.clone()),
                Some(number) => body.status = number.as_u64().and_then(|n| u16::try_from(n).ok()).or(body.status),
                None => {}
            }
        }
        for detail in error.get("details").and_then(Value::as_array).into_iter().flatten() {
            body.take_detail(detail);
        }
        // Anthropic's answer to an account without money has no word of its own.
        if body.message.contains("credit balance is too low") {
            body.words.insert(0, "billing_error".to_owned());
        }
        // OpenAI says some words twice.
        body.words.dedup();
        (!body.message.is_empty() || !body.words.is_empty() || body.status.is_some()).then_some(body)
    }

    /// Takes in one of Google's details: `ErrorInfo`, `QuotaFailure` or `RetryInfo`.
    fn take_detail(&mut self, detail: &Value) {
        self.words.extend(detail.get("reason").and_then(Value::as_str).map(str::to_owned));
        let violations = detail.get("violations").and_then(Value::as_array).into_iter().flatten();
        let mut quotas = violations.filter_map(|violation| violation.get("quotaId")?.as_str());
        if quotas.any(|quota| quota.contains("PerDay")) {
            self.words.push(QUOTA_OF_A_DAY.to_owned());
        }
        self.retry_after = detail.get("retryDelay").and_then(Value::as_str).and_then(duration_of).or(self.retry_after);
    }
}

/// A `google.protobuf.Duration` in JSON: seconds, perhaps with a fraction, and an `s`.
fn duration_of(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.strip_suffix('s')?.parse().ok()?).ok()
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
