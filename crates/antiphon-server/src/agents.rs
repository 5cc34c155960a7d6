//! From the configuration to agents with their providers.

use crate::config::{AgentSection, ConfigError, MarkerSetting, ProviderKind, ProviderSection, Settings};
use crate::demo;
use antiphon_ai::agent::{Agent, Agents, MarkerSource, OnDisconnect, Recovery};
use antiphon_ai::connect::connect;
use antiphon_ai::placing::{SecondModel, Sentiment};
use antiphon_ai::provider::Provider;
use antiphon_ai::script::Script;
use antiphon_ai::{ApiKey, HttpOptions, http_client};
use antiphon_transport::http::AgentView;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Tokens of prompt and answer together where neither the configuration nor the provider says.
const DEFAULT_CONTEXT_TOKENS: usize = 8_192;
/// The same for a local model: every small one has it, and a processor reads that much in bearable time.
const LOCAL_CONTEXT_TOKENS: usize = 2_048;

/// Tokens of an answer of the demo's agents: a minute of speech.
const DEMO_ANSWER_TOKENS: u32 = 256;

/// Builds every provider and agent. Calls nobody; a local model goes on loading on its own thread.
pub fn build(settings: &Settings, is_demo: bool) -> Result<Agents, ConfigError> {
    let http = http_client().map_err(|error| ConfigError::new(format!("no HTTP client for the providers: {error}")))?;
    let http = HttpOptions::new("", None, http);
    let mut providers: BTreeMap<&str, Arc<dyn Provider>> = BTreeMap::new();
    for (name, section) in &settings.providers {
        providers.insert(name, provider(name, section, &http)?);
    }
    let mut agents = Vec::new();
    for (id, section) in &settings.agents {
        let provider = providers
            .get(section.provider.as_str())
            .ok_or_else(|| ConfigError::new(format!("agents.{id}.provider: there is no such provider")))?;
        agents.push(agent(id, section, provider.clone(), marker_source(section, provider, &providers)));
    }
    if is_demo {
        let is_free = |id: &str| !settings.agents.contains_key(id);
        if is_free(demo::GUIDE) {
            agents.push(demo_agent(
                demo::GUIDE,
                "Guide",
                "script",
                "",
                Arc::new(Script::default()),
                MarkerSource::Prompt,
            ));
        }
        if is_free(demo::ANNA)
            && let Some(provider) = demo_model(settings)
        {
            let file = provider.status().file.unwrap_or_default();
            let model = file.trim_end_matches(".gguf");
            // Small models seldom write markers of their own, and spend a prompt's length on being told to.
            let markers = MarkerSource::Placed(Arc::new(Sentiment));
            agents.push(demo_agent(demo::ANNA, "Anna", model, demo::ANNA_SYSTEM, provider, markers));
        }
    }
    Ok(Agents::new(agents))
}

fn provider(name: &str, section: &ProviderSection, http: &HttpOptions) -> Result<Arc<dyn Provider>, ConfigError> {
    let wrong = |problem: String| ConfigError::new(format!("providers.{name}: {problem}"));
    if let Some(kind) = section.kind.remote() {
        let base_url = section.base_url.clone().unwrap_or_default();
        let options = HttpOptions { base_url, api_key: provider_key(name, section)?, ..http.clone() };
        return connect(kind, options).map_err(|error| wrong(error.to_string()));
    }
    if section.kind == ProviderKind::Script {
        return Ok(Arc::new(Script::default()));
    }
    let file = section.file.as_deref().ok_or_else(|| wrong("file is missing".into()))?;
    local(file).ok_or_else(|| wrong("this program was built without local models".into()))
}

/// A key that is not there does not keep the other agents from starting: calls of this one will be refused.
fn provider_key(name: &str, section: &ProviderSection) -> Result<Option<ApiKey>, ConfigError> {
    let Some(secret) = &section.api_key else { return Ok(None) };
    let found = secret.find(&format!("providers.{name}.api_key"))?;
    if found.is_none() {
        tracing::warn!(provider = name, source = ?secret, "the provider's key is not set: it will be called without");
    }
    Ok(found.map(ApiKey::new))
}

#[cfg(feature = "local")]
fn local(file: &Path) -> Option<Arc<dyn Provider>> {
    Some(crate::local_model::load_later(file))
}

#[cfg(not(feature = "local"))]
fn local(_: &Path) -> Option<Arc<dyn Provider>> {
    None
}

/// The demo's model, if its weights are there.
fn demo_model(settings: &Settings) -> Option<Arc<dyn Provider>> {
    let file = settings.demo.model.clone().or_else(|| demo::kept_model(&settings.data))?;
    if !file.is_file() {
        tracing::warn!(file = %file.display(), "demo.model is not there: the agent `anna` is left out");
        return None;
    }
    let provider = local(&file);
    if provider.is_none() {
        tracing::warn!("this program was built without local models: the agent `anna` is left out");
    }
    provider
}

fn marker_source(
    section: &AgentSection,
    own: &Arc<dyn Provider>,
    providers: &BTreeMap<&str, Arc<dyn Provider>>,
) -> MarkerSource {
    match section.markers {
        MarkerSetting::Prompt => MarkerSource::Prompt,
        MarkerSetting::Off => MarkerSource::Off,
        MarkerSetting::Sentiment => MarkerSource::Placed(Arc::new(Sentiment)),
        MarkerSetting::Model => {
            // The configuration was checked: the name is known.
            let named = section.marker_provider.as_deref().and_then(|name| providers.get(name));
            let model = section.marker_model.as_ref().unwrap_or(&section.model);
            MarkerSource::Placed(Arc::new(SecondModel::new(named.unwrap_or(own).clone(), model.clone())))
        }
    }
}

fn agent(id: &str, section: &AgentSection, provider: Arc<dyn Provider>, markers: MarkerSource) -> Agent {
    let status = provider.status();
    let default = if status.kind == "local" { LOCAL_CONTEXT_TOKENS } else { DEFAULT_CONTEXT_TOKENS };
    let context_tokens = section.context_tokens.or(status.context_tokens).unwrap_or(default);
    Agent {
        id: id.to_owned(),
        name: section.name.clone().unwrap_or_else(|| id.to_owned()),
        provider,
        model: section.model.clone(),
        system: section.system.clone(),
        markers,
        recovery: section.recovery,
        max_attempts: section.max_attempts,
        on_disconnect: section.on_disconnect,
        viewer_grace: Duration::from_secs(section.viewer_grace_seconds),
        temperature: section.temperature,
        max_tokens: section.max_tokens,
        context_tokens,
    }
}

fn demo_agent(
    id: &str,
    name: &str,
    model: &str,
    system: &str,
    provider: Arc<dyn Provider>,
    markers: MarkerSource,
) -> Agent {
    let section = AgentSection {
        name: Some(name.to_owned()),
        provider: String::new(),
        model: model.to_owned(),
        system: system.to_owned(),
        markers: MarkerSetting::Prompt,
        marker_provider: None,
        marker_model: None,
        recovery: Recovery::Restart,
        max_attempts: 3,
        on_disconnect: OnDisconnect::Continue,
        viewer_grace_seconds: 30,
        temperature: None,
        max_tokens: Some(DEMO_ANSWER_TOKENS),
        context_tokens: None,
    };
    agent(id, &section, provider, markers)
}

/// The agents as clients see them now.
pub fn views(agents: &Agents) -> Vec<AgentView> {
    let view = |agent: &Agent| {
        let status = agent.provider.status();
        AgentView {
            id: agent.id.clone(),
            name: agent.name.clone(),
            kind: status.kind.to_owned(),
            model: agent.model.clone(),
            simulated: status.simulated,
            ready: status.ready,
            file: status.file,
            sha256: status.sha256,
            tokens_per_second: status.tokens_per_second,
        }
    };
    agents.iter().map(view).collect()
}
