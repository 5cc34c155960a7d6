//! What a configuration's tables say together: names that must exist, bounds, and what this version does not have yet.

use super::error::closest;
use super::sections::names;
use super::{AgentSection, ConfigError, MarkerSetting, ProviderKind, ProviderSection, Settings};
use antiphon_core::limits::{MAX_ATTEMPTS, MAX_STREAM_AGE, MAX_TRUSTED_PROXIES};
use antiphon_core::{AR_ROOM, ChannelName, Pattern, ROOM};
use antiphon_transport::proxy::TrustedProxies;
use std::net::{SocketAddr, ToSocketAddrs};

/// The longest that a graceful shutdown may be set to take, in seconds.
const MAX_DRAIN_SECONDS: u64 = 3_600;
/// The longest time between heartbeats, in seconds: a client that hears nothing for longer is taken for dead.
const MAX_HEARTBEAT_SECONDS: u64 = 60;

impl Settings {
    /// Collects every problem, a line each.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let mut problems = Vec::new();
        if let Err(problem) = self.address() {
            problems.push(problem.to_string());
        }
        self.check_topology(&mut problems);
        for (name, provider) in &self.providers {
            check_provider(name, provider, &mut problems);
        }
        for (id, agent) in &self.agents {
            self.check_agent(id, agent, &mut problems);
        }
        self.check_auth(&mut problems);
        self.check_namespaces(&mut problems);
        self.check_server(&mut problems);
        if problems.is_empty() { Ok(()) } else { Err(ConfigError::new(problems.join("\n"))) }
    }

    /// The address to listen on.
    pub fn address(&self) -> Result<SocketAddr, ConfigError> {
        let wrong = || {
            ConfigError::new(format!(
                "listen: `{}` is not an address and port, such as 127.0.0.1:8787 or [::]:8787",
                self.listen
            ))
        };
        if let Ok(address) = self.listen.parse() {
            return Ok(address);
        }
        self.listen.to_socket_addrs().ok().and_then(|mut addresses| addresses.next()).ok_or_else(wrong)
    }

    /// Whose word on a client's address is taken.
    pub fn trusted_proxies(&self) -> Result<TrustedProxies, ConfigError> {
        let proxies = &self.server.trusted_proxies;
        if proxies.len() > MAX_TRUSTED_PROXIES {
            return Err(ConfigError::new(format!("server.trusted_proxies: at most {MAX_TRUSTED_PROXIES} entries")));
        }
        TrustedProxies::parse(proxies.iter().map(String::as_str))
            .map_err(|problem| ConfigError::new(format!("server.trusted_proxies: {problem}")))
    }

    fn check_agent(&self, id: &str, agent: &AgentSection, problems: &mut Vec<String>) {
        self.check_provider(&format!("agents.{id}.provider"), &agent.provider, problems);
        if agent.markers == MarkerSetting::Model {
            if let Some(provider) = &agent.marker_provider {
                self.check_provider(&format!("agents.{id}.marker_provider"), provider, problems);
            }
        } else if agent.marker_provider.is_some() || agent.marker_model.is_some() {
            problems.push(format!("agents.{id}: marker_provider and marker_model are for markers = \"model\" only"));
        }
        if agent.max_attempts == 0 || agent.max_attempts > MAX_ATTEMPTS {
            problems.push(format!("agents.{id}.max_attempts: it is 1 to {MAX_ATTEMPTS}, not {}", agent.max_attempts));
        }
        if agent.temperature.is_some_and(|temperature| !(0.0..=2.0).contains(&temperature)) {
            problems.push(format!("agents.{id}.temperature: it is 0 to 2"));
        }
        let has_own_model = self
            .providers
            .get(&agent.provider)
            .is_none_or(|provider| matches!(provider.kind, ProviderKind::Local | ProviderKind::Script));
        if agent.model.is_empty() && !has_own_model {
            problems.push(format!("agents.{id}.model is missing: the provider's name for the model"));
        }
    }

    fn check_provider(&self, setting: &str, provider: &str, problems: &mut Vec<String>) {
        if self.providers.contains_key(provider) {
            return;
        }
        let mut problem = format!("{setting}: there is no provider `{provider}`");
        match closest(provider, self.providers.keys().map(String::as_str)) {
            Some(close) => problem.push_str(&format!("; did you mean `{close}`?")),
            None => problem.push_str(&format!("; [providers] has {}", names(&self.providers))),
        }
        problems.push(problem);
    }

    fn check_auth(&self, problems: &mut Vec<String>) {
        for (place, key) in self.auth.api_keys.iter().enumerate() {
            let is_name = !key.name.is_empty()
                && key.name.len() <= 64
                && key.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
            if !is_name {
                problems.push(format!(
                    "auth.api_keys.{place}.name: 1 to 64 characters of A-Z, a-z, 0-9, _, - and ., not `{}`",
                    key.name
                ));
            }
            for pattern in key.read.iter().chain(&key.publish) {
                if let Err(refusal) = Pattern::parse(pattern) {
                    problems.push(format!("auth.api_keys.{place}: {}", refusal.message));
                }
            }
        }
    }

    fn check_namespaces(&self, problems: &mut Vec<String>) {
        for (name, namespace) in &self.namespaces {
            if ChannelName::new(name, "any").is_err() {
                problems.push(format!("namespaces.{name}: a namespace is 1 to 64 characters of a-z, 0-9, _ and -"));
            }
            let is_room = matches!(name.as_str(), AR_ROOM | ROOM);
            if is_room && namespace.keep.age.is_some_and(|age| !age.is_zero() && age <= MAX_STREAM_AGE) {
                problems.push(format!(
                    "namespaces.{name}.keep.age: rooms keep events for more than {} seconds, which an answer may take",
                    MAX_STREAM_AGE.as_secs()
                ));
            }
        }
    }

    fn check_server(&self, problems: &mut Vec<String>) {
        if self.server.drain_seconds > MAX_DRAIN_SECONDS {
            problems.push(format!("server.drain_seconds: it is at most {MAX_DRAIN_SECONDS}"));
        }
        if self.server.heartbeat_seconds == 0 || self.server.heartbeat_seconds > MAX_HEARTBEAT_SECONDS {
            problems.push(format!("server.heartbeat_seconds: it is 1 to {MAX_HEARTBEAT_SECONDS}"));
        }
        if let Err(problem) = self.trusted_proxies() {
            problems.push(problem.to_string());
        }
        for origin in &self.server.cors_origins {
            let is_origin = origin == "*"
                || ["http://", "https://"].iter().any(|scheme| {
                    origin.strip_prefix(scheme).is_some_and(|host| !host.is_empty() && !host.contains('/'))
                });
            if !is_origin {
                problems.push(format!(
                    "server.cors_origins: `{origin}` is not an origin, such as https://app.example, without a path"
                ));
            }
        }
    }
}

fn check_provider(name: &str, provider: &ProviderSection, problems: &mut Vec<String>) {
    if let Some(kind) = provider.kind.remote() {
        if provider.base_url.is_none() && kind.default_url().is_none() {
            problems.push(format!(
                "providers.{name}.base_url is missing: what the provider's SDK takes, such as {}",
                kind.public_url()
            ));
        }
        return refuse_keys(name, kind.name(), [("file", provider.file.is_some())], problems);
    }
    let unused = [("base_url", provider.base_url.is_some()), ("api_key", provider.api_key.is_some())];
    if provider.kind == ProviderKind::Script {
        refuse_keys(name, "script", [("file", provider.file.is_some())], problems);
        return refuse_keys(name, "script", unused, problems);
    }
    if provider.file.is_none() {
        problems.push(format!("providers.{name}.file is missing: the model's GGUF file"));
    }
    refuse_keys(name, "local", unused, problems);
}

/// A key that means nothing for a kind would be silently without effect.
fn refuse_keys<const N: usize>(name: &str, kind: &str, keys: [(&str, bool); N], problems: &mut Vec<String>) {
    for (key, is_set) in keys {
        if is_set {
            problems.push(format!("providers.{name}.{key}: a provider of kind `{kind}` has none"));
        }
    }
}
