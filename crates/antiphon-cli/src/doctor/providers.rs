//! Providers: is the key there, does the address answer, is the key taken. Asks for nothing that costs.

use super::Report;
use crate::failure::Failure;
use crate::server::{is_loopback, root_cause};
use crate::settings::ProviderSettings;
use antiphon_core::limits::PROVIDER_CONNECT_TIMEOUT;
use reqwest::{Client, RequestBuilder, StatusCode};
use std::io::Write;
use url::Url;

/// Where a kind of provider is, and how its list of models is asked for.
struct Kind {
    name: &'static str,
    base_url: &'static str,
    /// Below the base URL. None: the provider has no call that is free, so only the address is tried.
    models: Option<&'static str>,
    /// The header that takes the key, and what stands before it.
    header: (&'static str, &'static str),
    needs_key: bool,
}

/// From the providers' own references: platform.openai.com/docs/api-reference, docs.anthropic.com/en/api,
/// ai.google.dev/api, docs.perplexity.ai, github.com/ollama/ollama/blob/main/docs/api.md.
const KINDS: [Kind; 5] = [
    Kind {
        name: "openai",
        base_url: "https://api.openai.com/v1",
        models: Some("models"),
        header: ("authorization", "Bearer "),
        needs_key: true,
    },
    Kind {
        name: "anthropic",
        base_url: "https://api.anthropic.com",
        models: Some("v1/models"),
        header: ("x-api-key", ""),
        needs_key: true,
    },
    Kind {
        name: "gemini",
        base_url: "https://generativelanguage.googleapis.com/v1beta",
        models: Some("models"),
        header: ("x-goog-api-key", ""),
        needs_key: true,
    },
    Kind {
        name: "perplexity",
        base_url: "https://api.perplexity.ai",
        models: None,
        header: ("authorization", "Bearer "),
        needs_key: true,
    },
    Kind {
        name: "ollama",
        base_url: "http://127.0.0.1:11434",
        models: Some("api/tags"),
        header: ("authorization", "Bearer "),
        needs_key: false,
    },
];

pub(super) async fn check<W: Write>(provider: &ProviderSettings, report: &mut Report<W>) -> Result<(), Failure> {
    let subject = format!("provider {}", provider.name);
    match provider.kind.as_str() {
        "script" => return report.good(&format!("{subject}: a script, which needs nothing")),
        "local" => return check_local(&subject, provider, report),
        _ => {}
    }
    let Some(kind) = KINDS.iter().find(|kind| kind.name == provider.kind) else {
        let fix = "kind is one of openai, anthropic, gemini, ollama, perplexity, local, script";
        return report.bad(&format!("{subject}: its kind is `{}`", provider.kind), fix);
    };
    let key = match &provider.api_key {
        Some(Err(reason)) => return report.bad(&format!("{subject}: its api_key cannot be had"), reason),
        Some(Ok(key)) => Some(key.as_str()),
        None => None,
    };
    // Whoever speaks OpenAI's format at another address may need no key.
    let needs_key = kind.needs_key && (kind.name != "openai" || provider.base_url.is_none());
    if key.is_none() && needs_key {
        let fix = format!("[providers.{}] api_key = {{ env = \"NAME\" }}", provider.name);
        return report.bad(&format!("{subject}: it has no api_key"), &fix);
    }
    let base = provider.base_url.as_deref().unwrap_or(kind.base_url);
    let Ok(url) = Url::parse(&format!("{}/{}", base.trim_end_matches('/'), kind.models.unwrap_or(""))) else {
        let fix = format!("an address of this kind looks like {}", kind.base_url);
        return report.bad(&format!("{subject}: its base_url is no address"), &fix);
    };
    probe(&subject, kind, url, key, report).await
}

fn check_local<W: Write>(subject: &str, provider: &ProviderSettings, report: &mut Report<W>) -> Result<(), Failure> {
    let Some(file) = &provider.file else {
        return report.bad(&format!("{subject}: it names no model"), "set `file` to a GGUF file");
    };
    match std::fs::File::open(file).and_then(|file| file.metadata()) {
        Ok(metadata) => report.good(&format!("{subject}: {} ({} MiB)", file.display(), metadata.len() >> 20)),
        Err(error) => {
            report.bad(&format!("{subject}: {}: {error}", file.display()), "set `file` to a GGUF file that is readable")
        }
    }
}

async fn probe<W: Write>(
    subject: &str,
    kind: &Kind,
    url: Url,
    key: Option<&str>,
    report: &mut Report<W>,
) -> Result<(), Failure> {
    let place = url.origin().ascii_serialization();
    let Some(request) = request(kind, url, key) else {
        return report.bad(&format!("{subject}: its api_key holds characters that no header may hold"), "mend the key");
    };
    let response = match request.send().await {
        Ok(response) => response,
        Err(error) => {
            let fix = if kind.name == "ollama" {
                "start it with `ollama serve`, or set base_url"
            } else {
                "check base_url, the network and the variables HTTPS_PROXY and NO_PROXY"
            };
            return report.bad(&format!("{subject}: {place} cannot be reached: {}", root_cause(&error)), fix);
        }
    };
    let status = response.status();
    // Gemini says 400 to a wrong key.
    let is_refused = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
        || kind.name == "gemini" && status == StatusCode::BAD_REQUEST;
    let code = status.as_u16();
    if is_refused && kind.models.is_some() {
        let what = if key.is_some() { "refuses the key" } else { "wants a key" };
        let fix = "set api_key to a valid one; is it for this very provider, and not withdrawn?";
        report.bad(&format!("{subject}: {place} {what} ({code})"), fix)
    } else if status == StatusCode::TOO_MANY_REQUESTS {
        report.warn(
            &format!("{subject}: {place} says too many requests ({code})"),
            "wait, or look at the account's quota",
        )
    } else if status.is_server_error() {
        report
            .warn(&format!("{subject}: {place} has a fault of its own ({code})"), "look at the provider's status page")
    } else if kind.models.is_none() {
        report.good(&format!("{subject}: {place} answers; whether it takes the key shows with the first answer"))
    } else if status.is_success() {
        let taken = if key.is_some() { " and takes the key" } else { "" };
        report.good(&format!("{subject}: {place} answers{taken}"))
    } else {
        let fix = format!("is base_url what the provider's own SDK takes, such as {}?", kind.base_url);
        report.warn(&format!("{subject}: {place} answers, but lists no models ({code})"), &fix)
    }
}

/// None where the key cannot be a header's value.
fn request(kind: &Kind, url: Url, key: Option<&str>) -> Option<RequestBuilder> {
    let mut client = Client::builder()
        .timeout(PROVIDER_CONNECT_TIMEOUT)
        .connect_timeout(PROVIDER_CONNECT_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none());
    if is_loopback(&url) {
        client = client.no_proxy();
    }
    let mut request = client.build().ok()?.get(url);
    if kind.name == "anthropic" {
        request = request.header("anthropic-version", "2023-06-01");
    }
    if let Some(key) = key {
        let (name, before) = kind.header;
        let mut value = reqwest::header::HeaderValue::from_str(&format!("{before}{key}")).ok()?;
        value.set_sensitive(true);
        request = request.header(name, value);
    }
    Some(request)
}
