//! Refusals over HTTP: problem details (RFC 9457) with a `code` of the table.

use antiphon_core::{Code, Refusal};
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// The media type of problem details.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// A refusal as a response.
#[derive(Clone, Debug)]
pub struct Problem {
    /// What is said.
    pub refusal: Refusal,
    /// The status, where it is not the code's own.
    pub status: Option<StatusCode>,
}

/// The body of a problem.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct ProblemDetails {
    /// `urn:antiphon:problem:` and the code.
    #[serde(rename = "type")]
    #[schema(example = "urn:antiphon:problem:room_not_found")]
    pub kind: String,
    /// The code in words.
    #[schema(example = "Room not found")]
    pub title: String,
    /// The HTTP status.
    #[schema(example = 404)]
    pub status: u16,
    /// What was wrong and what is allowed.
    pub detail: String,
    /// A code of the table.
    #[schema(example = "room_not_found")]
    pub code: &'static str,
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, status: None }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let code = self.refusal.code;
        let status = self
            .status
            .or_else(|| StatusCode::from_u16(code.status()).ok())
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let details = ProblemDetails {
            kind: format!("urn:antiphon:problem:{}", code.as_str()),
            title: title(code),
            status: status.as_u16(),
            detail: self.refusal.message,
            code: code.as_str(),
        };
        let mut response = (status, Json(details)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if code == Code::Unauthorized {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if status == StatusCode::REQUEST_TIMEOUT {
            // What is left of the body would be taken for the next request.
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if let Some(after) = self.refusal.retry_after {
            let seconds = after.as_millis().div_ceil(1_000).max(1);
            if let Ok(value) = HeaderValue::from_str(&seconds.to_string()) {
                headers.insert(header::RETRY_AFTER, value);
            }
        }
        response
    }
}

/// `room_not_found` as `Room not found`.
fn title(code: Code) -> String {
    let words = code.as_str().replace('_', " ").replace("json", "JSON");
    let mut letters = words.chars();
    letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn every_code_becomes_its_status() {
        for code in Code::ALL {
            let response = Problem::from(Refusal::new(code, "why")).into_response();
            assert_eq!(response.status().as_u16(), code.status());
            assert_eq!(response.headers()[header::CONTENT_TYPE], PROBLEM_JSON);
        }
        assert_eq!(title(Code::InvalidJson), "Invalid JSON");
    }

    #[test]
    fn the_time_to_come_back_is_rounded_up() {
        let refusal = Refusal::new(Code::Unavailable, "away").retry_after(Duration::from_millis(1_001));
        assert_eq!(Problem::from(refusal).into_response().headers()[header::RETRY_AFTER], "2");
    }
}
