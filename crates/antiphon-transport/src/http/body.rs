//! Request bodies: bounded in size and time, JSON whatever the content type says, and refused with a reason.

use crate::problem::Problem;
use antiphon_core::limits::{MAX_BODY_BYTES, MAX_DISCARDED_BYTES, REQUEST_BODY_TIMEOUT};
use antiphon_core::{Code, Refusal};
use antiphon_wire::Object;
use antiphon_wire::object::complaint;
use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use std::time::Duration;

/// A body that must be there.
pub(super) struct Json<T>(pub(super) T);

/// A body that may be empty.
pub(super) struct OptionalJson<T>(pub(super) T);

/// A body as it came.
pub(super) struct Raw(pub(super) Bytes);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        Ok(Self(parse::<Object<T>>(&read(request).await?)?.0))
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for OptionalJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let body = read(request).await?;
        Ok(Self(if body.trim_ascii().is_empty() { T::default() } else { parse::<Object<T>>(&body)?.0 }))
    }
}

impl<S: Send + Sync> FromRequest<S> for Raw {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        Ok(Self(read(request).await?))
    }
}

async fn read(request: Request) -> Result<Bytes, Problem> {
    let (head, body) = request.into_parts();
    match tokio::time::timeout(REQUEST_BODY_TIMEOUT, collect(&head.headers, body)).await {
        Ok(read) => Ok(read?),
        Err(_) => Err(Problem {
            refusal: Refusal::new(
                Code::InvalidRequest,
                format!("the body did not arrive within {} seconds", REQUEST_BODY_TIMEOUT.as_secs()),
            ),
            status: Some(StatusCode::REQUEST_TIMEOUT),
        }),
    }
}

async fn collect(headers: &HeaderMap, mut body: Body) -> Result<Bytes, Refusal> {
    let announced =
        headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok()).unwrap_or(0);
    if announced > MAX_BODY_BYTES as u64 {
        // A client that asked whether to send it need not.
        if !headers.contains_key(header::EXPECT) {
            discard(&mut body).await;
        }
        return Err(too_large());
    }
    let mut whole = BytesMut::new();
    let mut first = Bytes::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Refusal::new(Code::InvalidRequest, "the body broke off"))?;
        let Ok(data) = frame.into_data() else { continue };
        if whole.len() + first.len() + data.len() > MAX_BODY_BYTES {
            discard(&mut body).await;
            return Err(too_large());
        }
        // Most bodies come in one piece, which is not copied.
        if first.is_empty() && whole.is_empty() {
            first = data;
        } else {
            whole.extend_from_slice(&std::mem::take(&mut first));
            whole.extend_from_slice(&data);
        }
    }
    Ok(if whole.is_empty() { first } else { whole.freeze() })
}

/// Reads on for a while: a client that is still sending would lose the answer to a connection closed under it.
async fn discard(body: &mut Body) {
    let discarding = async {
        let mut discarded = 0;
        while let Some(Ok(frame)) = body.frame().await {
            discarded += frame.data_ref().map_or(0, Bytes::len);
            if discarded > MAX_DISCARDED_BYTES {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(2), discarding).await;
}

fn too_large() -> Refusal {
    Refusal::new(Code::PayloadTooLarge, format!("a body has at most {MAX_BODY_BYTES} bytes"))
}

/// The text of a body; JSON is UTF-8 (RFC 8259, section 8.1).
pub(super) fn text(body: &[u8]) -> Result<&str, Refusal> {
    let text = std::str::from_utf8(body)
        .map_err(|error| Refusal::new(Code::InvalidJson, format!("the body is not UTF-8: {error}")))?;
    if text.trim_ascii().is_empty() {
        return Err(Refusal::new(Code::InvalidJson, "the body is empty; it must be JSON"));
    }
    Ok(text)
}

/// Parses JSON. Not JSON is `invalid_json`; JSON of another shape is `invalid_request` and names the field.
pub(super) fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Refusal> {
    let text = text(body)?;
    serde_json::from_str(text).map_err(|error| {
        // A wrong type may come before the place where the JSON itself breaks.
        if let Err(broken) = serde_json::from_str::<IgnoredAny>(text) {
            return Refusal::new(Code::InvalidJson, format!("the body is not JSON: {broken}"));
        }
        // The way to the wrong field costs time, so it is looked for only here.
        let mut reader = serde_json::Deserializer::from_str(text);
        let path = serde_path_to_error::deserialize::<_, T>(&mut reader).err().map(|error| error.path().to_string());
        Refusal::new(Code::InvalidRequest, complaint(path.as_deref(), &error))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Wanted {
        #[expect(dead_code, reason = "only read from JSON")]
        content: String,
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (body, code, word) in [
            (&b""[..], Code::InvalidJson, "empty"),
            (b"{", Code::InvalidJson, "EOF"),
            (b"{\"content\":3", Code::InvalidJson, "not JSON"),
            (b"{\"content\":\"\xff\"}", Code::InvalidJson, "not UTF-8"),
            (b"{\"content\":\"a\",\"more\":\"\xff\"}", Code::InvalidJson, "not UTF-8"),
            (b"{\"content\":\"a\"} x", Code::InvalidJson, "trailing"),
            (b"{}", Code::InvalidRequest, "content"),
            (b"{\"content\":3}", Code::InvalidRequest, "`content`: invalid type"),
            (b"3", Code::InvalidRequest, "expected an object"),
            (b"[\"a\"]", Code::InvalidRequest, "array, expected an object"),
        ] {
            let refusal = parse::<Object<Wanted>>(body).unwrap_err();
            assert_eq!(refusal.code, code, "{}", String::from_utf8_lossy(body));
            assert!(refusal.message.contains(word), "{}", refusal.message);
        }
    }
    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_comes_is_not_waited_for() {
        let never = Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>());
        let problem = read(Request::new(never)).await.unwrap_err();
        assert_eq!((problem.refusal.code, problem.status), (Code::InvalidRequest, Some(StatusCode::REQUEST_TIMEOUT)));
    }
}
