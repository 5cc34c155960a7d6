//! What a configuration's tables say together: names that must exist, bounds, and what this version does not have yet.

use super::error::closest;
use super::sections::names;
use super::{AgentSection, ConfigError, Engine, MarkerSetting, ProviderKind, ProviderSection, Settings};
use antiphon_core::limits::{MAX_ATTEMPTS, MAX_STREAM_AGE};
use antiphon_core::{AR_ROOM, ChannelName, Pattern, ROOM};
use std::net::{SocketAddr, ToSocketAddrs};

/// Duties that a process of this version has together.
const ROLES: [&str; 3] = ["api", "ai", "realtime"];
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
        self.check_roles(&mut problems);
        for (name, provider) in &self.providers {
            check_provider(name, provider, &mut problems);
        }
        for (id, agent) in &self.agents {
            self.check_agent(id, agent, &mut problems);
        }
        self.check_auth(&mut problems);
        self.check_log(&mut problems);
        self.check_server(&mut problems);
        if problems.is_empty() { Ok(()) } else { Err(ConfigError::new(problems.join("\n"))) }
    }

    /// One process has all roles: a part of them would leave the rest undone.
    fn check_roles(&self, problems: &mut Vec<String>) {
        for role in &self.roles {
            if role == "relay" {
                problems.push("roles: `relay` needs Kafka and Redis, which are not in this version".into());
            } else if role != "all" && !ROLES.contains(&role.as_str()) {
                problems.push(format!("roles: `{role}` is not one of all, {}", ROLES.join(", ")));
            }
        }
        let has = |role: &str| self.roles.iter().any(|one| one == role);
        if !has("all") && !ROLES.into_iter().all(has) {
            let message = "roles: in this version one process has all of them; leave it out, or say `all`";
            problems.push(message.into());
        }
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

    fn check_agent(&self, id: &str, agent: &AgentSection, problems: &mut Vec<String>) {
        if !self.providers.contains_key(&agent.provider) {
            let mut problem = format!("agents.{id}.provider: there is no provider `{}`", agent.provider);
            match closest(&agent.provider, self.providers.keys().map(String::as_str)) {
                Some(close) => problem.push_str(&format!("; did you mean `{close}`?")),
                None => problem.push_str(&format!("; [providers] has {}", names(&self.providers))),
            }
            problems.push(problem);
        }
        if agent.markers == MarkerSetting::Sentiment {
            problems.push(format!("agents.{id}.markers: `sentiment` is not in this version; use prompt or off"));
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

    fn check_log(&self, problems: &mut Vec<String>) {
        let engine = match self.log.engine {
            Engine::Disk | Engine::Memory => None,
            Engine::Kafka => Some("kafka"),
            Engine::RedisStreams => Some("redis-streams"),
        };
        if let Some(engine) = engine {
            problems.push(format!("log.engine: `{engine}` is not in this version; use disk or memory"));
        }
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
    let kind = match provider.kind {
        ProviderKind::Openai => {
            if provider.base_url.is_none() {
                problems.push(format!(
                    "providers.{name}.base_url is missing: what the provider's SDK takes, such as https://api.openai.com/v1"
                ));
            }
            return refuse_keys(name, "openai", [("file", provider.file.is_some())], problems);
        }
        ProviderKind::Local => {
            if provider.file.is_none() {
                problems.push(format!("providers.{name}.file is missing: the model's GGUF file"));
            }
            let unused = [("base_url", provider.base_url.is_some()), ("api_key", provider.api_key.is_some())];
            return refuse_keys(name, "local", unused, problems);
        }
        ProviderKind::Script => {
            let unused = [
                ("base_url", provider.base_url.is_some()),
                ("api_key", provider.api_key.is_some()),
                ("file", provider.file.is_some()),
            ];
            return refuse_keys(name, "script", unused, problems);
        }
        ProviderKind::Anthropic => "anthropic",
        ProviderKind::Gemini => "gemini",
        ProviderKind::Ollama => "ollama",
        ProviderKind::Perplexity => "perplexity",
    };
    problems.push(format!(
        "providers.{name}.kind: `{kind}` is not in this version; use openai (which many servers speak, Ollama and \
         Perplexity too), local or script"
    ));
}

/// A key that means nothing for a kind would be silently without effect.
fn refuse_keys<const N: usize>(name: &str, kind: &str, keys: [(&str, bool); N], problems: &mut Vec<String>) {
    for (key, is_set) in keys {
        if is_set {
            problems.push(format!("providers.{name}.{key}: a provider of kind `{kind}` has none"));
        }
    }
}
