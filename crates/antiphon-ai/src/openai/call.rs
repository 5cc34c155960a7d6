//! One call: the request, its response read piece by piece, and how it ended.

use super::answer::{Answer, Said};
use super::fault::{self, Kind, failed};
use super::{Endpoint, wire};
use crate::frames::SseDecoder;
use crate::provider::{CallEnd, CallOutcome, Piece, Prompt, ProviderFault};
use antiphon_core::limits;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Response, StatusCode};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// A time-out that is noticed this late passed while nobody read: the reader had paused, not the provider.
const NOTICED_LATE: Duration = Duration::from_secs(1);

/// A streaming call. It has no task of its own: it goes on only while it is polled, and dropping it closes its
/// connection.
pub(super) fn stream(endpoint: Arc<Endpoint>, prompt: Prompt) -> BoxStream<'static, Piece> {
    stream::unfold(State::Start(endpoint, Box::new(prompt)), |state| async move {
        match state {
            State::Start(endpoint, prompt) => Some(start(endpoint, &prompt).await),
            State::Reading(reading) => Some(read(reading).await),
            State::Ending(end) => Some((Piece::End(end), State::Over)),
            State::Over => None,
        }
    })
    .boxed()
}

enum State {
    Start(Arc<Endpoint>, Box<Prompt>),
    Reading(Box<Reading>),
    /// All text has been given; this is the end.
    Ending(CallEnd),
    Over,
}

/// The first piece of a call.
async fn start(endpoint: Arc<Endpoint>, prompt: &Prompt) -> (Piece, State) {
    let mut response = match send(&endpoint, prompt, true, endpoint.options.header_timeout).await {
        Ok(response) => response,
        Err(fault) => return (Piece::End(failed(fault)), State::Over),
    };
    if !is_json(&response) {
        let decoder = SseDecoder::default();
        return read(Box::new(Reading { endpoint, response, decoder, answer: Answer::default() })).await;
    }
    // A server that cannot stream answers with the whole object all the same.
    let (text, end) = match timeout(endpoint.options.whole_timeout, read_whole(&endpoint, &mut response)).await {
        Ok(whole) => whole,
        Err(_) => (String::new(), failed(Kind::Timeout.fault("the whole answer took too long"))),
    };
    if text.is_empty() { (Piece::End(end), State::Over) } else { (Piece::Text(text), State::Ending(end)) }
}

/// The next piece of a stream that has begun.
async fn read(mut reading: Box<Reading>) -> (Piece, State) {
    match reading.next().await {
        Next::Text(text) => (Piece::Text(text), State::Reading(reading)),
        Next::LastText(text, detail) => (Piece::Text(text), State::Ending(reading.answer.stopped(detail))),
        Next::Done => {
            reading.drain().await;
            (Piece::End(reading.answer.complete()), State::Over)
        }
        Next::Stopped(detail) => (Piece::End(reading.answer.stopped(detail)), State::Over),
        Next::Fault(fault) => (Piece::End(failed(fault)), State::Over),
    }
}

/// A call for the whole answer.
pub(super) async fn whole(endpoint: &Endpoint, prompt: &Prompt) -> (String, CallEnd) {
    let limit = endpoint.options.whole_timeout;
    let call = async {
        // The headers come with the answer, so that its time is theirs.
        match send(endpoint, prompt, false, limit).await {
            Ok(mut response) => read_whole(endpoint, &mut response).await,
            Err(fault) => (String::new(), failed(fault)),
        }
    };
    match timeout(limit, call).await {
        Ok(whole) => whole,
        Err(_) => (String::new(), failed(Kind::Timeout.fault(format!("no whole answer within {limit:?}")))),
    }
}

/// Sends the request and waits for the headers of a success.
async fn send(
    endpoint: &Endpoint,
    prompt: &Prompt,
    stream: bool,
    header_timeout: Duration,
) -> Result<Response, ProviderFault> {
    let new_names = endpoint.url.host_str() == Some("api.openai.com");
    let body = wire::request(prompt, stream, new_names)
        .map_err(|error| Kind::Refused.fault(format!("the prompt cannot be encoded: {error}")))?;
    let request = endpoint.options.http.post(endpoint.url.clone()).headers(endpoint.headers.clone()).body(body);
    let mut response = timeout(header_timeout, request.send())
        .await
        .map_err(|_| Kind::Timeout.fault(format!("no response headers within {header_timeout:?}")))?
        .map_err(fault::of_transport)?;
    let status = response.status();
    if status == StatusCode::OK {
        return Ok(response);
    }
    let mut body = Vec::new();
    // What kind of error it is stands in the status; a body that breaks or never ends only costs the log its words.
    let _ =
        timeout(endpoint.options.idle_timeout, read_body(&mut response, &mut body, limits::MAX_PROVIDER_ERROR)).await;
    Err(fault::of_response(status, response.headers(), &body, endpoint.options.api_key.as_ref()))
}

fn is_json(response: &Response) -> bool {
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.is_some_and(|value| value.trim_start().starts_with("application/json"))
}

/// Reads and parses an answer that is one object.
async fn read_whole(endpoint: &Endpoint, response: &mut Response) -> (String, CallEnd) {
    let mut body = Vec::new();
    match read_body(response, &mut body, limits::MAX_PROVIDER_BODY).await {
        Ok(true) => {}
        Ok(false) => {
            let detail = format!("the answer is longer than {} bytes", limits::MAX_PROVIDER_BODY);
            return (String::new(), failed(Kind::Refused.fault(detail)));
        }
        Err(error) => {
            let outcome = CallOutcome::Truncated { detail: fault::chain(error) };
            return (String::new(), CallEnd { outcome, finish_reason: None, usage: None });
        }
    }
    let mut answer = Answer::default();
    match answer.take_whole(&body, endpoint.options.api_key.as_ref()) {
        Ok(text) => (text, answer.complete()),
        Err(fault) => (String::new(), failed(fault)),
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

/// A response that streams.
struct Reading {
    endpoint: Arc<Endpoint>,
    response: Response,
    decoder: SseDecoder,
    answer: Answer,
}

/// What comes next in a stream. A `String` beside the text is a detail for the log.
enum Next {
    Text(String),
    /// The text of a last frame without its blank line; nothing follows.
    LastText(String, String),
    Done,
    Stopped(String),
    Fault(ProviderFault),
}

impl Reading {
    async fn next(&mut self) -> Next {
        loop {
            let key = self.endpoint.options.api_key.as_ref();
            let frame = match self.decoder.next_frame() {
                Ok(frame) => frame,
                Err(error) => return Next::Fault(Kind::Refused.fault(error.to_string())),
            };
            if let Some(frame) = frame {
                match self.answer.take_frame(frame, key) {
                    Ok(Said::Nothing) => continue,
                    Ok(Said::Text(text)) => return Next::Text(text),
                    Ok(Said::Done) => return Next::Done,
                    Err(fault) => return Next::Fault(fault),
                }
            }
            let idle = self.idle_timeout();
            match read_bytes(&mut self.response, idle).await {
                Ok(Some(bytes)) => self.decoder.feed(bytes),
                Ok(None) => return self.end_of_body(),
                Err(detail) => return Next::Stopped(detail),
            }
        }
    }

    fn idle_timeout(&self) -> Duration {
        let idle = self.endpoint.options.idle_timeout;
        if self.answer.is_finished() { idle.min(limits::PROVIDER_TAIL_TIMEOUT) } else { idle }
    }

    /// A clean end of the body: what is left may be a frame whose blank line is missing, or half a frame.
    fn end_of_body(&mut self) -> Next {
        let detail = "the stream ended without its terminal marker".to_owned();
        let Ok(Some(frame)) = self.decoder.finish() else { return Next::Stopped(detail) };
        let whole = frame.data == b"[DONE]" || serde_json::from_slice::<serde::de::IgnoredAny>(frame.data).is_ok();
        if !whole {
            return Next::Stopped("the stream ended inside a frame".to_owned());
        }
        match self.answer.take_frame(frame, self.endpoint.options.api_key.as_ref()) {
            Ok(Said::Nothing) => Next::Stopped(detail),
            Ok(Said::Text(text)) => Next::LastText(text, detail),
            Ok(Said::Done) => Next::Done,
            Err(fault) => Next::Fault(fault),
        }
    }

    /// Reads on to the end of the body, which is as a rule there already: only then is the connection used again.
    /// What comes after `[DONE]` does not count.
    async fn drain(&mut self) {
        let rest = async { while let Ok(Some(_)) = self.response.chunk().await {} };
        let _ = timeout(limits::PROVIDER_DRAIN_TIMEOUT, rest).await;
    }
}

/// The next bytes of a body, none at its end; the error is a detail for the log.
///
/// The time-out is the provider's, not the reader's: while a paused reader does not poll, nothing can be seen to come.
async fn read_bytes(response: &mut Response, idle: Duration) -> Result<Option<Bytes>, String> {
    loop {
        let deadline = Instant::now() + idle;
        match timeout_at(deadline, response.chunk()).await {
            Ok(Ok(bytes)) => return Ok(bytes),
            Ok(Err(error)) => return Err(fault::chain(error)),
            Err(_) if deadline.elapsed() > NOTICED_LATE => {}
            Err(_) => return Err(format!("nothing came for {idle:?}")),
        }
    }
}
