//! A provider that is called over HTTP: what answers at its address, whether it takes the key, and which models it has.
//! Nothing here costs: lists of models, and calls that lack what a call needs and are refused.

use super::finding::{Finding, Place, of_fault, of_setup};
use super::unreachable;
use crate::settings::ProviderSettings;
use antiphon_ai::connect::{self, Question, RemoteKind};
use antiphon_ai::provider::{FaultKind, Provider, ProviderFault};
use antiphon_ai::{ApiKey, HttpOptions, SetupError};
use antiphon_core::limits::{CALL_TIMEOUT, MAX_PROVIDER_BODY};
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap, LOCATION};
use serde_json::Value;
use std::sync::Arc;
use url::Url;

/// A provider as it is configured.
pub(super) struct Remote {
    place: Place,
    options: HttpOptions,
    provider: Arc<dyn Provider>,
}

/// What answers at the address: this API.
pub(super) enum Standing {
    /// With a list of its models.
    Lists(Vec<String>),
    /// Without one.
    ListsNone,
}

/// What is known of a model without calling it.
pub(super) enum Model {
    Known,
    /// The provider tells nothing of its models.
    Untold,
    /// It is in no list, but some servers take names that they do not list.
    Unlisted(Finding),
    Unknown(Finding),
}

/// A response, read to its end.
struct Response {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Remote {
    /// Checks what is configured; calls nobody.
    pub(super) fn new(kind: RemoteKind, settings: &ProviderSettings, http: reqwest::Client) -> Result<Self, Finding> {
        let key = match &settings.api_key {
            Some(Err(reason)) => return Err(Finding::bad("its key is missing: api_key gives none", reason)),
            Some(Ok(key)) => Some(ApiKey::new(key)),
            None => None,
        };
        let has_key = key.is_some();
        let base_url = settings.base_url.as_deref().or(kind.default_url()).unwrap_or_default();
        let options = HttpOptions::new(base_url, key, http);
        let provider = connect::connect(kind, options.clone()).map_err(|error| of_setup(kind, error))?;
        let base = Url::parse(base_url.trim())
            .map_err(|_| of_setup(kind, SetupError::BaseUrl { example: kind.public_url() }))?;
        let place = Place { kind, base, has_key };
        if !has_key && place.is_public() && kind != RemoteKind::Ollama {
            let fix = format!(
                "[providers.{}] api_key = {{ env = \"NAME\" }}; keys are from {}",
                settings.name,
                place.keys_page()
            );
            return Err(Finding::bad("its key is missing: it has no api_key", fix));
        }
        Ok(Self { place, options, provider })
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    pub(super) fn provider(&self) -> &dyn Provider {
        self.provider.as_ref()
    }

    /// A line about what is well.
    pub(super) fn describe(&self, standing: &Standing) -> String {
        let key = if self.place.has_key { " and takes the key" } else { "" };
        let models = match standing {
            Standing::Lists(names) => format!("{} models", names.len()),
            Standing::ListsNone => "no list of models".to_owned(),
        };
        format!("{} answers{key}, {models}", self.place.origin())
    }

    /// Finds out what answers.
    pub(super) async fn ask_for_models(&self) -> Result<Standing, Finding> {
        let listed = self.list().await?;
        // Some servers give their list to anybody, so that it says nothing of the key.
        let is_open = self.place.kind == RemoteKind::Openai && self.place.has_key && !self.place.is_public();
        if listed.is_none() || is_open {
            self.call_in_vain().await?;
        }
        Ok(listed.map_or(Standing::ListsNone, Standing::Lists))
    }

    /// The list of models; none where there is no such address.
    async fn list(&self) -> Result<Option<Vec<String>>, Finding> {
        let Some(response) = self.ask(Question::Models).await? else { return Ok(None) };
        if response.status == StatusCode::OK {
            let names = serde_json::from_slice(&response.body).ok().and_then(|json| names(&json));
            return names.map(Some).ok_or_else(|| self.place.not_this_api(&response.what()));
        }
        let fault = self.fault(&response)?;
        match fault.kind {
            FaultKind::NotFound | FaultKind::Refused => Ok(None),
            _ => Err(of_fault(&self.place, &fault, None)),
        }
    }

    /// Makes a call that is refused for what it lacks: any refusal of the API's own will do.
    async fn call_in_vain(&self) -> Result<(), Finding> {
        let Some(response) = self.ask(Question::Incomplete("")).await? else { return Ok(()) };
        let fault = self.fault(&response)?;
        let is_json = serde_json::from_slice::<Value>(&response.body).is_ok();
        match fault.kind {
            FaultKind::KeyRefused | FaultKind::Quota | FaultKind::Busy => Err(of_fault(&self.place, &fault, None)),
            FaultKind::NotFound => Err(self.place.not_this_api(&response.what())),
            _ if response.status == StatusCode::METHOD_NOT_ALLOWED || !is_json => {
                Err(self.place.not_this_api(&response.what()))
            }
            _ => Ok(()),
        }
    }

    /// Whether the provider has a model.
    pub(super) async fn look_up(&self, model: &str, standing: &Standing) -> Model {
        let names = match standing {
            Standing::Lists(names) => names.as_slice(),
            Standing::ListsNone => &[],
        };
        if names.iter().any(|name| self.is_called(name, model)) {
            return Model::Known;
        }
        let question = match self.place.kind {
            RemoteKind::Ollama if matches!(standing, Standing::ListsNone) => return Model::Untold,
            RemoteKind::Ollama => return Model::Unknown(self.place.unknown_model(model, names)),
            RemoteKind::Perplexity => Question::Incomplete(model),
            RemoteKind::Openai | RemoteKind::Anthropic | RemoteKind::Gemini => Question::Model(model),
        };
        let Ok(Some(response)) = self.ask(question).await else { return Model::Untold };
        let is_missing = self.fault(&response).is_ok_and(|fault| fault.kind == FaultKind::NotFound);
        // There, a call of a known model is refused for what it lacks.
        let is_call = self.place.kind == RemoteKind::Perplexity;
        let is_there = if is_call { response.status == StatusCode::BAD_REQUEST } else { response.is_of_a_model() };
        let has_say = self.place.kind != RemoteKind::Openai || self.place.is_public();
        match (is_missing, names.is_empty()) {
            (true, _) if has_say => Model::Unknown(self.place.unknown_model(model, names)),
            (true, false) => {
                let finding = self.place.unknown_model(model, names);
                let fix = format!("{} Some servers take names that they do not list: --call finds out", finding.fix);
                Model::Unlisted(Finding::warning(format!("{} by its list", finding.what), fix))
            }
            (false, _) if is_there => Model::Known,
            _ => Model::Untold,
        }
    }

    /// Ollama's names have a tag, which is `latest` where nothing is said; Google's may be written with their folder.
    fn is_called(&self, name: &str, model: &str) -> bool {
        match self.place.kind {
            RemoteKind::Ollama => name == model || name.strip_suffix(":latest") == Some(model),
            RemoteKind::Gemini => name == model.trim_start_matches("models/"),
            _ => name == model,
        }
    }

    /// What a refusal means. The error is for a redirect, which is told with where it leads.
    fn fault(&self, response: &Response) -> Result<ProviderFault, Finding> {
        if response.status.is_redirection() {
            let to = response.headers.get(LOCATION).and_then(|value| value.to_str().ok());
            return Err(self.place.moved(to));
        }
        Ok(connect::refusal(&self.options, response.status, &response.headers, &response.body))
    }

    async fn ask(&self, question: Question<'_>) -> Result<Option<Response>, Finding> {
        let request = connect::ask(self.place.kind, &self.options, question);
        let Some(request) = request.map_err(|error| of_setup(self.place.kind, error))? else { return Ok(None) };
        let failed = |error: reqwest::Error| unreachable::finding(&self.place, &error);
        let mut response = request.timeout(CALL_TIMEOUT).send().await.map_err(failed)?;
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        let mut body = Vec::new();
        while let Some(bytes) = response.chunk().await.map_err(failed)? {
            if body.len() + bytes.len() > MAX_PROVIDER_BODY {
                return Err(self.place.not_this_api("an answer without an end"));
            }
            body.extend_from_slice(&bytes);
        }
        Ok(Some(Response { status, headers, body }))
    }
}

impl Response {
    /// Whether it describes a model: some servers answer anything with 200.
    fn is_of_a_model(&self) -> bool {
        let json: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        self.status == StatusCode::OK && (json.get("id").is_some() || json.get("name").is_some())
    }

    /// What came, in words.
    fn what(&self) -> String {
        let kind = self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let kind = if kind.contains("html") {
            "a web page"
        } else if serde_json::from_slice::<Value>(&self.body).is_ok() {
            "other JSON"
        } else if self.body.is_empty() {
            "nothing"
        } else {
            "something else"
        };
        format!("{kind} came, with status {}", self.status.as_u16())
    }
}

/// The names in a list of models, in any of the shapes `{"data": [{"id"}]}`, `[{"id"}]` and `{"models": [{"name"}]}`.
fn names(json: &Value) -> Option<Vec<String>> {
    let list = json.get("data").or_else(|| json.get("models")).unwrap_or(json).as_array()?;
    let name = |entry: &Value| {
        let name = entry.get("id").or_else(|| entry.get("name"))?.as_str()?;
        Some(name.trim_start_matches("models/").to_owned())
    };
    Some(list.iter().filter_map(name).collect())
}
