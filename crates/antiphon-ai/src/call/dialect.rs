//! What differs between the providers that are called over HTTP: the request, and what its frames say.

use super::endpoint::SetupError;
use crate::api_key::ApiKey;
use crate::frames::{Frame, Framing};
use crate::provider::{CallEnd, Piece, Prompt, ProviderFault};
use reqwest::Url;
use reqwest::header::HeaderMap;
use std::collections::VecDeque;

/// One provider's wire format.
pub trait Dialect: Send + Sync + 'static {
    /// What gathers an answer.
    type Answer: Answer;
    /// The `kind` of the configuration.
    const KIND: &'static str;
    /// An address of this kind, for the error that says how one looks.
    const BASE_URL: &'static str;
    /// How the body of a stream is cut.
    const FRAMING: Framing;

    /// The headers that every call carries, the key's among them.
    fn headers(key: Option<&ApiKey>) -> Result<HeaderMap, SetupError>;

    /// Where a call goes, below the configured address, which can be a base.
    fn url(base: &Url, prompt: &Prompt, stream: bool) -> Url;

    /// The request's body.
    fn body(base: &Url, prompt: &Prompt, stream: bool) -> serde_json::Result<Vec<u8>>;

    /// An answer to that prompt of which nothing has come yet.
    fn answer(prompt: &Prompt) -> Self::Answer;

    /// Whether the model goes on in `Prompt::partial`.
    fn can_continue(_model: &str) -> bool {
        false
    }
}

/// What the frames of one answer have said so far, and what end that makes.
pub trait Answer: Send + 'static {
    /// Takes a frame of a stream in; its pieces, none empty, go to `said`. True for the provider's terminal marker,
    /// after which nothing counts.
    fn take_frame(&mut self, frame: Frame<'_>, said: &mut VecDeque<Piece>) -> Result<bool, ProviderFault>;

    /// Takes the one object of an answer that does not stream.
    fn take_whole(&mut self, json: &[u8], said: &mut VecDeque<Piece>) -> Result<(), ProviderFault>;

    /// Whether the provider has said why the answer is over. Of what follows, only the count can be missed.
    fn is_finished(&self) -> bool;

    /// The end where the whole of it arrived.
    fn complete(self) -> CallEnd;

    /// The end where the stream stopped, for what `detail` says, before its terminal marker.
    fn stopped(self, detail: String) -> CallEnd;
}
