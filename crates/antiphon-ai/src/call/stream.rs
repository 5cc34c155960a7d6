//! A streaming call: its response read piece by piece, and how it ended.

use super::dialect::{Answer, Dialect};
use super::endpoint::Endpoint;
use super::fault;
use super::whole::{read_whole, send};
use crate::frames::{Frame, FrameDecoder, Framing, repaired};
use crate::provider::{CallEnd, FaultKind, Piece, Prompt, ProviderFault};
use antiphon_core::limits;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use reqwest::Response;
use reqwest::header::CONTENT_TYPE;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// A time-out that is noticed this late passed while nobody read: the reader had paused, not the provider.
const NOTICED_LATE: Duration = Duration::from_secs(1);

/// Starts a call. It has no task of its own: it goes on only while it is polled, and dropping it closes its connection.
pub(super) fn stream<D: Dialect>(endpoint: Arc<Endpoint<D>>, prompt: Prompt) -> BoxStream<'static, Piece> {
    stream::unfold(State::Start(endpoint, Box::new(prompt)), |state| async move {
        let state = match state {
            State::Start(endpoint, prompt) => start(endpoint, &prompt).await,
            other => other,
        };
        match state {
            State::Reading(reading) => Some(reading.next().await),
            State::Ending(mut said, end) => Some(match said.pop_front() {
                Some(piece) => (piece, State::Ending(said, end)),
                None => (Piece::End(end), State::Over),
            }),
            State::Start(..) | State::Over => None,
        }
    })
    .boxed()
}

enum State<D: Dialect> {
    Start(Arc<Endpoint<D>>, Box<Prompt>),
    Reading(Box<Reading<D>>),
    /// These pieces are left, then this end.
    Ending(VecDeque<Piece>, CallEnd),
    Over,
}

/// Makes the request.
async fn start<D: Dialect>(endpoint: Arc<Endpoint<D>>, prompt: &Prompt) -> State<D> {
    let mut response = match send(&endpoint, prompt, true, endpoint.options.header_timeout).await {
        Ok(response) => response,
        Err(fault) => return State::Ending(VecDeque::new(), CallEnd::failed(fault)),
    };
    if D::FRAMING == Framing::ServerSentEvents && is_json(&response) {
        // A server that cannot stream answers with the whole object all the same.
        let whole = read_whole(&endpoint, prompt, &mut response);
        let (said, end) = match timeout(endpoint.options.whole_timeout, whole).await {
            Ok(answer) => answer,
            Err(_) => (VecDeque::new(), CallEnd::failed(FaultKind::Timeout.fault("the whole answer took too long"))),
        };
        return State::Ending(said, end);
    }
    let (decoder, answer) = (FrameDecoder::new(D::FRAMING), D::answer(prompt));
    let (opening, said, stop) = (None, VecDeque::new(), None);
    State::Reading(Box::new(Reading { endpoint, response, decoder, answer, opening, said, stop }))
}

fn is_json(response: &Response) -> bool {
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.is_some_and(|value| value.trim_start().starts_with("application/json"))
}

/// A response that streams.
struct Reading<D: Dialect> {
    endpoint: Arc<Endpoint<D>>,
    response: Response,
    decoder: FrameDecoder,
    answer: D::Answer,
    /// The first byte of the body that is no white space.
    opening: Option<u8>,
    /// What was said and not given yet.
    said: VecDeque<Piece>,
    /// Why nothing follows that.
    stop: Option<Stop>,
}

/// Why a stream is read no further.
enum Stop {
    /// The terminal marker.
    Done,
    /// The connection; with a detail for the log.
    Broke(String),
    Fault(ProviderFault),
}

impl<D: Dialect> Reading<D> {
    /// The next piece.
    async fn next(mut self: Box<Self>) -> (Piece, State<D>) {
        loop {
            if let Some(piece) = self.said.pop_front() {
                return (piece, State::Reading(self));
            }
            match self.stop.take() {
                Some(stop) => return (Piece::End(self.end(stop).await), State::Over),
                None => self.stop = self.step().await,
            }
        }
    }

    /// Takes one frame in, or the bytes for the next ones.
    async fn step(&mut self) -> Option<Stop> {
        match self.decoder.next_frame() {
            Ok(Some(frame)) => match take_frame(&mut self.answer, frame, &mut self.said) {
                Ok(is_terminal) => is_terminal.then_some(Stop::Done),
                Err(fault) => Some(Stop::Fault(fault)),
            },
            Ok(None) => {
                let idle = self.idle_timeout();
                match read_bytes(&mut self.response, idle).await {
                    Ok(Some(bytes)) => {
                        self.opening = self.opening.or(bytes.trim_ascii_start().first().copied());
                        self.decoder.feed(bytes);
                        None
                    }
                    Ok(None) => Some(self.end_of_body()),
                    Err(detail) => Some(self.broke(detail)),
                }
            }
            Err(error) => {
                let fault = FaultKind::Unusable.fault(error.to_string());
                Some(Stop::Fault(fault.saying("The model's provider sent more at once than is taken.")))
            }
        }
    }

    /// A break, unless the body was no stream of this framing at all: then it would be none the next time.
    fn broke(&self, detail: String) -> Stop {
        match self.opening {
            Some(b'<') => Stop::Fault(FaultKind::NotFound.fault("a web page came in place of an answer")),
            Some(byte) if !D::FRAMING.may_begin_with(byte) => {
                Stop::Fault(FaultKind::Error.fault("what came is not a stream of this API"))
            }
            _ => Stop::Broke(detail),
        }
    }

    fn idle_timeout(&self) -> Duration {
        let idle = self.endpoint.options.idle_timeout;
        if self.answer.is_finished() { idle.min(limits::PROVIDER_TAIL_TIMEOUT) } else { idle }
    }

    /// A clean end of the body: what is left may be a frame whose line end is missing, or half a frame.
    fn end_of_body(&mut self) -> Stop {
        let detail = "the stream ended without its terminal marker".to_owned();
        if !self.opening.is_none_or(|byte| D::FRAMING.may_begin_with(byte)) {
            return self.broke(detail);
        }
        let Ok(Some(frame)) = self.decoder.finish() else { return Stop::Broke(detail) };
        let whole = frame.data == b"[DONE]" || serde_json::from_slice::<serde::de::IgnoredAny>(frame.data).is_ok();
        if !whole {
            return Stop::Broke("the stream ended inside a frame".to_owned());
        }
        match take_frame(&mut self.answer, frame, &mut self.said) {
            Ok(true) => Stop::Done,
            Ok(false) => Stop::Broke(detail),
            Err(fault) => Stop::Fault(fault),
        }
    }

    async fn end(mut self, stop: Stop) -> CallEnd {
        match stop {
            Stop::Done => {
                self.drain().await;
                self.answer.complete()
            }
            Stop::Broke(detail) => self.answer.stopped(detail),
            Stop::Fault(fault) => CallEnd::failed(fault.without(self.endpoint.options.api_key.as_ref())),
        }
    }

    /// Reads on to the end of the body, which is as a rule there already: only then is the connection used again.
    /// What comes after the terminal marker does not count.
    async fn drain(&mut self) {
        let rest = async { while let Ok(Some(_)) = self.response.chunk().await {} };
        let _ = timeout(limits::PROVIDER_DRAIN_TIMEOUT, rest).await;
    }
}

fn take_frame(answer: &mut impl Answer, frame: Frame<'_>, said: &mut VecDeque<Piece>) -> Result<bool, ProviderFault> {
    let repaired = repaired(frame.data);
    answer.take_frame(Frame { data: repaired.as_deref().unwrap_or(frame.data), ..frame }, said)
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
