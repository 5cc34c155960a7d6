//! What every answer goes through: problems in one form, headers for browsers, and which pages may read it.

use crate::origin::OriginPolicy;
use crate::problem::{PROBLEM_JSON, Problem};
use antiphon_core::{Code, Refusal};
use axum::Router;
use axum::body::to_bytes;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use std::time::Duration;
use tower_http::cors::{AllowOrigin, CorsLayer};

/// The longest text of a refusal by the framework that is passed on.
const MAX_REJECTION_BYTES: usize = 4 * 1024;

/// Completes the whole router, once everything is merged into it.
pub fn finish(router: Router, origins: Arc<OriginPolicy>) -> Router {
    router.layer(map_response(complete)).layer(cors(origins))
}

fn cors(origins: Arc<OriginPolicy>) -> CorsLayer {
    let allowed = AllowOrigin::predicate(move |origin: &HeaderValue, request: &Parts| {
        let mut headers = HeaderMap::with_capacity(2);
        headers.insert(header::ORIGIN, origin.clone());
        if let Some(host) = request.headers.get(header::HOST) {
            headers.insert(header::HOST, host.clone());
        }
        origins.allows(&headers)
    });
    CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            crate::auth::API_KEY_HEADER,
            HeaderName::from_static("last-event-id"),
            header::CACHE_CONTROL,
        ])
        .expose_headers([header::RETRY_AFTER])
        .max_age(Duration::from_secs(3_600))
}

/// Turns refusals that the framework made itself into problems, and adds the headers that are the same everywhere.
async fn complete(response: Response) -> Response {
    let is_plain_refusal = (response.status().is_client_error() || response.status().is_server_error())
        && !response.headers().get(header::CONTENT_TYPE).is_some_and(is_json);
    let mut response = if is_plain_refusal { problem_of(response).await } else { response };
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.entry(header::REFERRER_POLICY).or_insert(HeaderValue::from_static("no-referrer"));
    response
}

fn is_json(content_type: &HeaderValue) -> bool {
    let bytes = content_type.as_bytes();
    bytes.starts_with(b"application/json") || bytes.starts_with(PROBLEM_JSON.as_bytes())
}

async fn problem_of(response: Response) -> Response {
    let (head, body) = response.into_parts();
    let text = to_bytes(body, MAX_REJECTION_BYTES).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let allow = head.headers.get(header::ALLOW).cloned();
    let refusal = match head.status {
        StatusCode::NOT_FOUND => Refusal::new(Code::NotFound, "there is nothing at this path; see /openapi.json"),
        StatusCode::METHOD_NOT_ALLOWED => {
            let allowed = allow.as_ref().and_then(|allow| allow.to_str().ok()).unwrap_or("another");
            Refusal::new(Code::MethodNotAllowed, format!("this path takes {allowed}"))
        }
        StatusCode::PAYLOAD_TOO_LARGE => Refusal::new(Code::PayloadTooLarge, text),
        status if status.is_client_error() => Refusal::new(Code::InvalidRequest, text),
        // Whatever went wrong inside is not for clients.
        _ => Refusal::new(Code::Internal, "the server failed at this; its log says why"),
    };
    let mut response = Problem::from(refusal).into_response();
    if let Some(allow) = allow {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}
