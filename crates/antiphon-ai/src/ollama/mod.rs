//! Ollama's chat, of a server of one's own or of ollama.com.
//!
//! Public source of the format: `docs/api.md` and `docs/api/errors.mdx` in github.com/ollama/ollama, "Generate a chat
//! completion", `POST /api/chat`: one JSON object a line, the last with `done`.
//!
//! `think` is not sent: models that can think then do so, with their reasoning in a field of its own, and those that
//! cannot would refuse `true`. Older servers leave the reasoning in the text, between tags that are taken out here.

mod answer;
mod wire;

use crate::api_key::ApiKey;
use crate::call::{Dialect, HttpProvider, SetupError, below};
use crate::frames::Framing;
use crate::openai::bearer;
use crate::provider::Prompt;
use answer::LineAnswer;
use reqwest::Url;
use reqwest::header::HeaderMap;

/// An Ollama server.
pub type Ollama = HttpProvider<OllamaChat>;

/// The wire format of `/api/chat`.
///
/// It cannot be relied on to continue. A last message of the assistant's is continued where the model's template leaves
/// it open, as the built-in renderers of some models do (`model/renderers`), but `template/chatml.gotmpl` and its like
/// close every message and begin a new one, and the server does not tell which it did: the text would be said twice.
pub struct OllamaChat;

impl Dialect for OllamaChat {
    type Answer = LineAnswer;
    const KIND: &'static str = "ollama";
    const BASE_URL: &'static str = "http://localhost:11434";
    const FRAMING: Framing = Framing::JsonLines;

    /// The key is ollama.com's; a server of one's own asks for none.
    fn headers(key: Option<&ApiKey>) -> Result<HeaderMap, SetupError> {
        bearer(key)
    }

    /// Newer documents of Ollama's write the address with `/api` at its end.
    fn url(base: &Url, _prompt: &Prompt, _stream: bool) -> Url {
        let names_api = base.path().trim_end_matches('/').ends_with("/api");
        below(base, if names_api { &["chat"] } else { &["api", "chat"] })
    }

    fn body(_base: &Url, prompt: &Prompt, stream: bool) -> serde_json::Result<Vec<u8>> {
        wire::request(prompt, stream)
    }

    fn answer(_prompt: &Prompt) -> LineAnswer {
        LineAnswer::default()
    }
}
