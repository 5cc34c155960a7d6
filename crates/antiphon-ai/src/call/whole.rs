//! A call for the whole answer in one response.

use super::dialect::{Answer, Dialect};
use super::endpoint::Endpoint;
use super::fault;
use crate::frames::repaired;
use crate::provider::{CallEnd, CallOutcome, FaultKind, Piece, Prompt, ProviderFault, WholeAnswer};
use antiphon_core::limits;
use reqwest::{Response, StatusCode};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::timeout;

/// Makes the call.
pub(super) async fn whole<D: Dialect>(endpoint: &Endpoint<D>, prompt: &Prompt) -> WholeAnswer {
    let limit = endpoint.options.whole_timeout;
    let call = async {
        // The headers come with the answer, so that its time is theirs.
        match send(endpoint, prompt, false, limit).await {
            Ok(mut response) => read_whole(endpoint, prompt, &mut response).await,
            Err(fault) => (VecDeque::new(), CallEnd::failed(fault)),
        }
    };
    let (pieces, end) = match timeout(limit, call).await {
        Ok(answer) => answer,
        Err(_) => return FaultKind::Timeout.fault(format!("no whole answer within {limit:?}")).into(),
    };
    let (mut text, mut reasoning) = (String::new(), String::new());
    for piece in pieces {
        match piece {
            Piece::Text(piece) => text.push_str(&piece),
            Piece::Reasoning(piece) => reasoning.push_str(&piece),
            Piece::Waiting { .. } | Piece::End(_) => {}
        }
    }
    WholeAnswer { text, reasoning, end }
}

/// Sends the request and waits for the headers of a success.
pub(super) async fn send<D: Dialect>(
    endpoint: &Endpoint<D>,
    prompt: &Prompt,
    stream: bool,
    header_timeout: Duration,
) -> Result<Response, ProviderFault> {
    let request = endpoint
        .request(prompt, stream)
        .map_err(|error| FaultKind::Refused.fault(format!("the prompt cannot be encoded: {error}")))?;
    let mut response = timeout(header_timeout, request.send())
        .await
        .map_err(|_| FaultKind::Timeout.fault(format!("no response headers within {header_timeout:?}")))?
        .map_err(fault::of_transport)?;
    let status = response.status();
    if status == StatusCode::OK {
        return Ok(response);
    }
    let mut body = Vec::new();
    // What kind of error it is stands in the status; a body that breaks or never ends only costs the log its words.
    let _ =
        timeout(endpoint.options.idle_timeout, read_body(&mut response, &mut body, limits::MAX_PROVIDER_ERROR)).await;
    Err(fault::of_response(status, response.headers(), &body).without(endpoint.options.api_key.as_ref()))
}

/// Reads and parses an answer that is one object.
pub(super) async fn read_whole<D: Dialect>(
    endpoint: &Endpoint<D>,
    prompt: &Prompt,
    response: &mut Response,
) -> (VecDeque<Piece>, CallEnd) {
    let mut body = Vec::new();
    let mut said = VecDeque::new();
    match read_body(response, &mut body, limits::MAX_PROVIDER_BODY).await {
        Ok(true) => {}
        Ok(false) => {
            let detail = format!("the answer is longer than {} bytes", limits::MAX_PROVIDER_BODY);
            return (said, CallEnd::failed(FaultKind::Error.fault(detail)));
        }
        Err(error) => {
            return (said, CallEnd::new(CallOutcome::Truncated { detail: fault::chain(error) }));
        }
    }
    let mut answer = D::answer(prompt);
    let repaired = repaired(&body);
    match answer.take_whole(repaired.as_deref().unwrap_or(&body), &mut said) {
        Ok(()) => (said, answer.complete()),
        Err(fault) => (VecDeque::new(), CallEnd::failed(fault.without(endpoint.options.api_key.as_ref()))),
    }
}

/// Reads a body of up to `limit` bytes; false if it is longer.
async fn read_body(response: &mut Response, body: &mut Vec<u8>, limit: usize) -> Result<bool, reqwest::Error> {
    while let Some(bytes) = response.chunk().await? {
        let room = limit - body.len();
        body.extend_from_slice(&bytes.slice(..room.min(bytes.len())));
        if bytes.len() > room {
            return Ok(false);
        }
    }
    Ok(true)
}
