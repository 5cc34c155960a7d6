//! Google's Gemini API.
//!
//! Public source of the format: the Gemini API reference, "Generating content", `models.generateContent` and
//! `models.streamGenerateContent`; its published client `python-genai`; for errors `google.rpc.Status` with
//! `RetryInfo` and `QuotaFailure` (github.com/googleapis/googleapis, `google/rpc/error_details.proto`).

mod answer;
mod wire;

use crate::api_key::ApiKey;
use crate::call::{Dialect, HttpProvider, SetupError, below, key_header};
use crate::frames::Framing;
use crate::provider::Prompt;
use answer::ContentAnswer;
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName};

/// Gemini.
pub type Gemini = HttpProvider<GenerateContent>;

/// The wire format of generated content.
///
/// It cannot continue: the reference promises nothing for a conversation whose last turn is the model's.
pub struct GenerateContent;

impl Dialect for GenerateContent {
    type Answer = ContentAnswer;
    const KIND: &'static str = "gemini";
    const BASE_URL: &'static str = "https://generativelanguage.googleapis.com/v1beta";
    const FRAMING: Framing = Framing::ServerSentEvents;

    fn headers(key: Option<&ApiKey>) -> Result<HeaderMap, SetupError> {
        let mut headers = HeaderMap::new();
        if let Some(key) = key {
            headers.insert(HeaderName::from_static("x-goog-api-key"), key_header("", key)?);
        }
        Ok(headers)
    }

    /// A model is a resource: `models/…` or `tunedModels/…`, of which the first word may be left out. An address
    /// without the API's version is that of the newest published clients, which add it themselves.
    fn url(base: &Url, prompt: &Prompt, stream: bool) -> Url {
        let resource = match prompt.model.contains('/') {
            true => prompt.model.clone(),
            false => format!("models/{}", prompt.model),
        };
        let call = if stream { "streamGenerateContent" } else { "generateContent" };
        let resource = format!("{resource}:{call}");
        let version = (base.path() == "/").then_some("v1beta");
        let segments: Vec<&str> = version.into_iter().chain(resource.split('/')).collect();
        let mut url = below(base, &segments);
        if stream {
            url.query_pairs_mut().append_pair("alt", "sse");
        }
        url
    }

    fn body(_base: &Url, prompt: &Prompt, _stream: bool) -> serde_json::Result<Vec<u8>> {
        wire::request(prompt)
    }

    fn answer(_prompt: &Prompt) -> ContentAnswer {
        ContentAnswer::default()
    }
}
