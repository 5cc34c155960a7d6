//! From a provider's kind and address to the provider itself, for whoever reads a configuration: the server that calls
//! it, and the doctor that finds out beforehand what answers there.

use crate::anthropic::Messages;
use crate::call::{Dialect, HttpOptions, HttpProvider, SetupError, below, fault};
use crate::gemini::GenerateContent;
use crate::ollama::OllamaChat;
use crate::openai::ChatCompletions;
use crate::perplexity::Sonar;
use crate::provider::{Prompt, Provider, ProviderFault};
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{RequestBuilder, StatusCode, Url};
use serde_json::json;
use std::sync::Arc;

/// Calls a function of a kind's wire format.
macro_rules! of_dialect {
    ($kind:expr, $function:ident($($argument:expr),*)) => {
        match $kind {
            RemoteKind::Openai => $function::<ChatCompletions>($($argument),*),
            RemoteKind::Anthropic => $function::<Messages>($($argument),*),
            RemoteKind::Gemini => $function::<GenerateContent>($($argument),*),
            RemoteKind::Ollama => $function::<OllamaChat>($($argument),*),
            RemoteKind::Perplexity => $function::<Sonar>($($argument),*),
        }
    };
}

/// The kinds of provider that are called over HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemoteKind {
    /// OpenAI's chat completions, and whoever speaks them.
    Openai,
    /// Anthropic's messages.
    Anthropic,
    /// Google's Gemini.
    Gemini,
    /// Ollama's own format.
    Ollama,
    /// Perplexity.
    Perplexity,
}

/// A request that costs nothing: no model runs for it.
#[derive(Clone, Copy, Debug)]
pub enum Question<'a> {
    /// The list of models. Perplexity has none of those that its chat completions take.
    Models,
    /// One model by its name, which may be an alias that the list leaves out. Ollama has no such address.
    Model(&'a str),
    /// A call that lacks what every call needs, so that it is refused: how, tells whether this API is there and takes
    /// the key, and at Perplexity whether it knows the model. Empty: of no model.
    Incomplete(&'a str),
}

impl RemoteKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Openai, Self::Anthropic, Self::Gemini, Self::Ollama, Self::Perplexity];

    /// The one that a configuration calls so.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The `kind` of the configuration.
    pub fn name(self) -> &'static str {
        of_dialect!(self, name())
    }

    /// The provider's own address, or its program's: what the provider's own SDK takes.
    pub fn public_url(self) -> &'static str {
        of_dialect!(self, address())
    }

    /// Where it is called if nothing is said. None for `openai`: many servers speak it, and the key of one is not to
    /// reach another because a line was forgotten.
    pub fn default_url(self) -> Option<&'static str> {
        (self != Self::Openai).then(|| self.public_url())
    }
}

/// Builds a provider; calls nobody. An empty `base_url` is the kind's own, where it has one.
pub fn connect(kind: RemoteKind, options: HttpOptions) -> Result<Arc<dyn Provider>, SetupError> {
    let options = with_address(kind, options);
    of_dialect!(kind, provider(options))
}

/// The request of a question, for options that [`connect`] takes; none where the kind has no such address.
pub fn ask(
    kind: RemoteKind,
    options: &HttpOptions,
    question: Question<'_>,
) -> Result<Option<RequestBuilder>, SetupError> {
    let options = with_address(kind, options.clone());
    of_dialect!(kind, request(kind, &options, question))
}

/// What a response other than 200 means. The detail holds no key.
pub fn refusal(options: &HttpOptions, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ProviderFault {
    fault::of_response(status, headers, body).without(options.api_key.as_ref())
}

fn provider<D: Dialect>(options: HttpOptions) -> Result<Arc<dyn Provider>, SetupError> {
    Ok(Arc::new(HttpProvider::<D>::new(options)?))
}

fn name<D: Dialect>() -> &'static str {
    D::KIND
}

fn address<D: Dialect>() -> &'static str {
    D::BASE_URL
}

fn with_address(kind: RemoteKind, mut options: HttpOptions) -> HttpOptions {
    if options.base_url.trim().is_empty() {
        options.base_url = kind.default_url().unwrap_or_default().to_owned();
    }
    options
}

fn request<D: Dialect>(
    kind: RemoteKind,
    options: &HttpOptions,
    question: Question<'_>,
) -> Result<Option<RequestBuilder>, SetupError> {
    let base = Url::parse(options.base_url.trim()).map_err(|_| SetupError::BaseUrl { example: D::BASE_URL })?;
    let headers = D::headers(options.api_key.as_ref().filter(|key| !key.reveal().is_empty()))?;
    let call = |model: &str| D::url(&base, &Prompt { model: model.to_owned(), ..Prompt::default() }, false);
    let request = match question {
        Question::Models => list_url(kind, call("any")).map(|mut url| {
            url.set_query(page_size(kind));
            options.http.get(url)
        }),
        Question::Model(model) => model_url(kind, call("any"), model).map(|url| options.http.get(url)),
        Question::Incomplete(model) => {
            let body = if model.is_empty() { json!({}) } else { json!({"model": model, "messages": []}) };
            let request = options.http.post(call(model)).header(CONTENT_TYPE, "application/json");
            Some(request.body(body.to_string()))
        }
    };
    Ok(request.map(|request| request.headers(headers)))
}

/// The list beside a call's address. From the providers' references: `GET /v1/models` (OpenAI, Anthropic),
/// `models.list` (Gemini), `GET /api/tags` (Ollama). Perplexity's list is that of another API.
fn list_url(kind: RemoteKind, mut call: Url) -> Option<Url> {
    let (segments_of_the_call, list) = match kind {
        RemoteKind::Openai => (2, Some("models")),
        RemoteKind::Anthropic => (1, Some("models")),
        // A call is of a model below `models`.
        RemoteKind::Gemini => (1, None),
        RemoteKind::Ollama => (1, Some("tags")),
        RemoteKind::Perplexity => return None,
    };
    // Fails only for an address that cannot be a base, which was refused at the start.
    let mut path = call.path_segments_mut().ok()?;
    for _ in 0..segments_of_the_call {
        path.pop();
    }
    path.extend(list);
    drop(path);
    Some(call)
}

/// The most that a page of a list holds; nobody has as many models.
fn page_size(kind: RemoteKind) -> Option<&'static str> {
    match kind {
        RemoteKind::Anthropic => Some("limit=1000"),
        RemoteKind::Gemini => Some("pageSize=1000"),
        RemoteKind::Openai | RemoteKind::Ollama | RemoteKind::Perplexity => None,
    }
}

fn model_url(kind: RemoteKind, call: Url, model: &str) -> Option<Url> {
    let name = model.trim_start_matches("models/");
    // A tuned model of Gemini's is in no list.
    let is_elsewhere = kind == RemoteKind::Gemini && name.contains('/');
    if kind == RemoteKind::Ollama || is_elsewhere {
        return None;
    }
    Some(below(&list_url(kind, call)?, &[name]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(base_url: &str) -> HttpOptions {
        HttpOptions::new(base_url, None, crate::http_client().unwrap())
    }

    fn asked(kind: RemoteKind, base_url: &str, question: Question<'_>) -> String {
        let request = ask(kind, &options(base_url), question).unwrap();
        request.map_or_else(|| "none".to_owned(), |request| request.build().unwrap().url().to_string())
    }

    #[test]
    fn a_kind_has_one_name_and_only_openai_s_must_say_where_it_is() {
        for kind in RemoteKind::ALL {
            assert_eq!(RemoteKind::named(kind.name()), Some(kind));
            let provider = connect(kind, options(""));
            assert_eq!(provider.is_ok(), kind != RemoteKind::Openai);
            let provider = connect(kind, options(kind.public_url())).unwrap();
            assert_eq!(provider.status().kind, kind.name());
        }
        assert_eq!(RemoteKind::named("local"), None);
    }

    #[test]
    fn lists_and_models_are_beside_the_calls() {
        let list = |kind, base_url| asked(kind, base_url, Question::Models);
        assert_eq!(list(RemoteKind::Openai, "http://x/api/v1/"), "http://x/api/v1/models");
        assert_eq!(list(RemoteKind::Anthropic, ""), "https://api.anthropic.com/v1/models?limit=1000");
        let gemini = "https://generativelanguage.googleapis.com/v1beta/models";
        assert_eq!(list(RemoteKind::Gemini, ""), format!("{gemini}?pageSize=1000"));
        assert_eq!(list(RemoteKind::Ollama, "http://x"), "http://x/api/tags");
        assert_eq!(list(RemoteKind::Perplexity, ""), "none");
        let model = |kind, name| asked(kind, kind.public_url(), Question::Model(name));
        assert_eq!(model(RemoteKind::Gemini, "models/m"), format!("{gemini}/m"));
        assert_eq!(model(RemoteKind::Openai, "a/b"), "https://api.openai.com/v1/models/a%2Fb");
        assert_eq!(model(RemoteKind::Ollama, "m"), "none");
        let call = asked(RemoteKind::Perplexity, "", Question::Incomplete(""));
        assert_eq!(call, "https://api.perplexity.ai/chat/completions");
    }
}
