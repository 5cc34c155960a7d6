//! What is wrong with a provider, and what to do: a sentence for each kind of fault.

use antiphon_ai::SetupError;
use antiphon_ai::connect::RemoteKind;
use antiphon_ai::provider::{FaultKind, ProviderFault};
use url::Url;

/// Something to mend or to know.
#[derive(Debug)]
pub(super) struct Finding {
    /// Whether it keeps answers from coming; else it passes, or may be nothing.
    pub(super) is_bad: bool,
    pub(super) what: String,
    pub(super) fix: String,
}

impl Finding {
    pub(super) fn bad(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { is_bad: true, what: what.into(), fix: fix.into() }
    }

    pub(super) fn warning(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { is_bad: false, what: what.into(), fix: fix.into() }
    }
}

/// Which provider, and where.
pub(super) struct Place {
    pub(super) kind: RemoteKind,
    pub(super) base: Url,
    pub(super) has_key: bool,
}

impl Place {
    /// Its scheme, host and port: what an address may hold beside them stays out of print-outs.
    pub(super) fn origin(&self) -> String {
        self.base.origin().ascii_serialization()
    }

    /// Whether it is the provider that the kind is named after, and not another that speaks the same.
    pub(super) fn is_public(&self) -> bool {
        Url::parse(self.kind.public_url()).is_ok_and(|url| url.host_str() == self.base.host_str())
    }

    /// Where its keys are made.
    pub(super) fn keys_page(&self) -> &'static str {
        match self.kind {
            _ if !self.is_public() => "the pages of its provider",
            RemoteKind::Openai => "platform.openai.com/api-keys",
            RemoteKind::Anthropic => "console.anthropic.com/settings/keys",
            RemoteKind::Gemini => "aistudio.google.com/apikey",
            RemoteKind::Perplexity => "www.perplexity.ai/settings/api",
            RemoteKind::Ollama => "ollama.com/settings/keys",
        }
    }

    fn billing_page(&self) -> &'static str {
        match self.kind {
            _ if !self.is_public() => "the pages of its provider",
            RemoteKind::Openai => "platform.openai.com/settings/organization/billing",
            RemoteKind::Anthropic => "console.anthropic.com/settings/billing",
            RemoteKind::Gemini => "aistudio.google.com/usage",
            RemoteKind::Perplexity => "www.perplexity.ai/settings/api",
            RemoteKind::Ollama => "ollama.com/settings/billing",
        }
    }

    /// What base_url is to be.
    fn address_fix(&self) -> String {
        let has_path = self.base.path().trim_matches('/').len() > 1;
        let origin = self.origin();
        match self.kind {
            RemoteKind::Openai if !has_path => {
                format!("servers of this kind are called below /v1: base_url = \"{origin}/v1\"?")
            }
            RemoteKind::Anthropic | RemoteKind::Ollama | RemoteKind::Perplexity if has_path => {
                format!("this kind's base_url has no path: base_url = \"{origin}\"?")
            }
            kind => {
                format!("is kind right, and base_url what the provider's own SDK takes, such as {}?", kind.public_url())
            }
        }
    }

    /// Somebody answers, but not this API.
    pub(super) fn not_this_api(&self, what_came: &str) -> Finding {
        let what = format!("{} answers, but not as this API: {what_came}", self.origin());
        Finding::bad(what, self.address_fix())
    }

    /// The address answers with a redirect, which is not followed, as it could carry the key to another host.
    pub(super) fn moved(&self, to: Option<&str>) -> Finding {
        let Some(to) = to.and_then(|to| self.base.join(to).ok()) else {
            return Finding::bad(format!("{} answers with a redirect", self.origin()), self.address_fix());
        };
        let what = format!("{} answers with a redirect to {}", self.origin(), to.origin().ascii_serialization());
        let only_scheme =
            to.host_str() == self.base.host_str() && to.scheme() == "https" && self.base.scheme() == "http";
        let fix = if only_scheme { "write base_url with https://".to_owned() } else { self.address_fix() };
        Finding::bad(what, fix)
    }

    /// The provider does not have the model.
    pub(super) fn unknown_model(&self, model: &str, known: &[String]) -> Finding {
        let what = format!("{} does not know the model `{model}`", self.origin());
        let close = known
            .iter()
            .map(|name| (strsim::jaro_winkler(name, model), name))
            .filter(|(likeness, _)| *likeness > 0.85)
            .max_by(|(one, _), (other, _)| one.total_cmp(other));
        let fix = match (close, self.kind) {
            (Some((_, name)), RemoteKind::Ollama) => format!("did you mean `{name}`? Or: ollama pull {model}"),
            (None, RemoteKind::Ollama) => format!("ollama pull {model}"),
            (Some((_, name)), _) => format!("did you mean `{name}`?"),
            (None, RemoteKind::Perplexity) => "docs.perplexity.ai/getting-started/models has their names".to_owned(),
            (None, _) if known.is_empty() => "is the name right, and may this account use the model?".to_owned(),
            (None, _) => format!("is the name right, and may this account use it? There are {}.", first(known)),
        };
        Finding::bad(what, fix)
    }
}

/// A few names and how many more.
fn first(names: &[String]) -> String {
    const SHOWN: usize = 8;
    let shown: Vec<&str> = names.iter().take(SHOWN).map(String::as_str).collect();
    let more = names.len().saturating_sub(SHOWN);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{rest}", shown.join(", "))
}

/// A detail without the web page that stands in it where a proxy and not the API refused.
fn without_page(detail: &str) -> String {
    let lower = detail.to_ascii_lowercase();
    let page = ["<html", "<!doctype"].iter().filter_map(|start| lower.find(start)).min();
    match page.and_then(|start| detail.get(..start)) {
        Some(before) => format!("{} a web page", before.trim_end()),
        None => detail.trim().to_owned(),
    }
}

/// What a fault means; `model` is the one that was called.
pub(super) fn of_fault(place: &Place, fault: &ProviderFault, model: Option<&str>) -> Finding {
    let (origin, detail) = (place.origin(), without_page(&fault.detail));
    match fault.kind {
        FaultKind::KeyRefused if place.has_key => Finding::bad(
            format!("{origin} refuses the key ({detail})"),
            format!("is the key for this very provider, whole, and not withdrawn? New ones: {}", place.keys_page()),
        ),
        FaultKind::KeyRefused => Finding::bad(
            format!("{origin} wants a key ({detail})"),
            format!("api_key = {{ env = \"NAME\" }}; keys are from {}", place.keys_page()),
        ),
        FaultKind::NotFound => match model {
            Some(model) => {
                let finding = place.unknown_model(model, &[]);
                Finding { what: format!("{} ({detail})", finding.what), ..finding }
            }
            None => place.not_this_api(&detail),
        },
        FaultKind::Moved => place.moved(None),
        FaultKind::Quota => Finding::bad(
            format!("{origin}: the account has nothing left ({detail})"),
            format!("add credit or raise the limit: {}", place.billing_page()),
        ),
        FaultKind::Busy => {
            let wait = fault.retry_after.map(|time| format!("wait {} s", time.as_secs().max(1)));
            let wait = wait.unwrap_or_else(|| "wait a little".to_owned());
            let fix = format!("{wait}; if it stays so, raise the rate limit or the quota: {}", place.billing_page());
            Finding::warning(format!("{origin} takes no more requests at the moment ({detail})"), fix)
        }
        FaultKind::Refused => Finding::bad(
            format!("{origin} refuses the call ({detail})"),
            "what it says is about the request: the agent's model, temperature or the account's rights",
        ),
        FaultKind::Unreachable => {
            Finding::bad(format!("{origin} cannot be reached: {detail}"), "check base_url and the network")
        }
        FaultKind::Timeout => Finding::bad(
            format!("{origin} took too long ({detail})"),
            "try again; a model that loads first, or a long queue, takes its time",
        ),
        FaultKind::Error | FaultKind::Unusable => Finding::bad(
            format!("{origin} had an error ({detail})"),
            "try again; then look at the provider's status page, or the log of a server of your own",
        ),
    }
}

/// What a setting that cannot be used means.
pub(super) fn of_setup(kind: RemoteKind, error: SetupError) -> Finding {
    let fix = match error {
        SetupError::BaseUrl { .. } if kind == RemoteKind::Openai => {
            "many servers speak this kind, so that base_url says which: OpenAI's own is https://api.openai.com/v1"
        }
        SetupError::BaseUrl { .. } => "leave base_url out for the provider's own address",
        SetupError::Credentials => "take them out of the address, and give the key as api_key",
        SetupError::ApiKey => "copy the key again: it holds a line end, a space or a letter that no header may hold",
    };
    Finding::bad(error.to_string(), fix)
}
