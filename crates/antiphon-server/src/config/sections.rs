//! The tables of the configuration file.

use super::{Engine, Secret};
use antiphon_ai::agent::{OnDisconnect, Recovery};
use antiphon_ai::connect::RemoteKind;
use antiphon_transport::limiter::LimiterOptions;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// The wire format of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProviderKind {
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
    /// A model in this process.
    Local,
    /// A persona that needs nothing.
    Script,
}

/// `[providers.NAME]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderSection {
    /// Which.
    pub kind: ProviderKind,
    /// What the provider's own SDK takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// Its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<Secret>,
    /// A local model's GGUF file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
}

impl ProviderKind {
    /// The kind as it is called over HTTP; none for those in this process.
    pub fn remote(self) -> Option<RemoteKind> {
        match self {
            Self::Openai => Some(RemoteKind::Openai),
            Self::Anthropic => Some(RemoteKind::Anthropic),
            Self::Gemini => Some(RemoteKind::Gemini),
            Self::Ollama => Some(RemoteKind::Ollama),
            Self::Perplexity => Some(RemoteKind::Perplexity),
            Self::Local | Self::Script => None,
        }
    }
}

/// Where an agent's markers come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MarkerSetting {
    /// The model is asked for them.
    Prompt,
    /// They are added from the answer's sentiment.
    Sentiment,
    /// A second model is asked for them, sentence by sentence.
    Model,
    /// None.
    Off,
}

/// `[agents.ID]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentSection {
    /// What people see; the id where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A name of `[providers]`.
    pub provider: String,
    /// The provider's name for the model.
    #[serde(default)]
    pub model: String,
    /// The system prompt.
    #[serde(default)]
    pub system: String,
    /// Where markers come from.
    #[serde(default = "prompt")]
    pub markers: MarkerSetting,
    /// For `markers = "model"`: who places them, a name of `[providers]`; the agent's own where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marker_provider: Option<String>,
    /// For `markers = "model"`: that provider's name for the model; the agent's own where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marker_model: Option<String>,
    /// What is done when an answer breaks.
    #[serde(default = "restart")]
    pub recovery: Recovery,
    /// Attempts in all.
    #[serde(default = "three")]
    pub max_attempts: u32,
    /// What happens to an answer that nobody watches.
    #[serde(default = "go_on")]
    pub on_disconnect: OnDisconnect,
    /// How long nobody may watch before `cancel_after_last_viewer` cancels.
    #[serde(default = "half_a_minute")]
    pub viewer_grace_seconds: u64,
    /// 0 = greedy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Tokens of an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// Tokens of prompt and answer together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_tokens: Option<usize>,
}

fn prompt() -> MarkerSetting {
    MarkerSetting::Prompt
}

fn restart() -> Recovery {
    Recovery::Restart
}

fn three() -> u32 {
    3
}

fn go_on() -> OnDisconnect {
    OnDisconnect::Continue
}

fn half_a_minute() -> u64 {
    30
}

/// `[auth]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthSection {
    /// The secret of HS256 tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwt_secret: Option<Secret>,
    /// Where an identity provider publishes its keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks_url: Option<String>,
    /// Public keys in PEM.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub public_keys: Vec<Secret>,
    /// The `iss` that tokens must have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// The `aud` that tokens must name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// Keys of back-end callers.
    pub api_keys: Vec<ApiKeySection>,
}

/// One of `auth.api_keys`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKeySection {
    /// Whose it is.
    pub name: String,
    /// The key.
    pub key: Secret,
    /// Channels it may publish to.
    #[serde(default)]
    pub publish: Vec<String>,
    /// Channels it may read.
    #[serde(default)]
    pub read: Vec<String>,
}

/// `[limits]`; 0 = none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsSection {
    /// Per user.
    pub messages_per_minute: u32,
    /// Per address.
    pub requests_per_minute: u32,
    /// At once.
    pub connections_per_user: u32,
    /// At once.
    pub connections_per_address: u32,
    /// Per key.
    pub publishes_per_second: u32,
}

impl Default for LimitsSection {
    fn default() -> Self {
        let LimiterOptions {
            messages_per_minute,
            requests_per_minute,
            connections_per_user,
            connections_per_address,
            publishes_per_second,
        } = LimiterOptions::default();
        Self {
            messages_per_minute,
            requests_per_minute,
            connections_per_user,
            connections_per_address,
            publishes_per_second,
        }
    }
}

impl From<LimitsSection> for LimiterOptions {
    fn from(section: LimitsSection) -> Self {
        Self {
            messages_per_minute: section.messages_per_minute,
            requests_per_minute: section.requests_per_minute,
            connections_per_user: section.connections_per_user,
            connections_per_address: section.connections_per_address,
            publishes_per_second: section.publishes_per_second,
        }
    }
}

/// When an append is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SyncSetting {
    /// Once the disk has it.
    Always,
    /// Once the operating system has it.
    Never,
}

/// `[log]`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogSection {
    /// Which engine; it follows from the topology.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine: Option<Engine>,
    /// When an append is acknowledged; for `disk`.
    pub sync: SyncSetting,
}

impl Default for LogSection {
    fn default() -> Self {
        Self { engine: None, sync: SyncSetting::Always }
    }
}

/// `[namespaces.NAME]`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NamespaceSection {
    /// What is kept.
    pub keep: KeepSection,
    /// Kept in memory only.
    pub ephemeral: bool,
}

/// `keep` of a namespace. What is not said is as for a namespace that says nothing; 0 = no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeepSection {
    /// At most this many events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<u64>,
    /// Nothing older, such as `24h`.
    #[serde(with = "humantime_serde", skip_serializing_if = "Option::is_none")]
    pub age: Option<Duration>,
    /// At most this much, such as `64MiB`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<Bytes>,
}

/// A number of bytes: read from `64MiB` or a number, written as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "bytesize::ByteSize")]
pub struct Bytes(pub u64);

impl From<bytesize::ByteSize> for Bytes {
    fn from(size: bytesize::ByteSize) -> Self {
        Self(size.as_u64())
    }
}

impl Serialize for Bytes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

/// `[server]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerSection {
    /// How long running streams may go on at shutdown.
    pub drain_seconds: u64,
    /// How often clients hear from the server.
    pub heartbeat_seconds: u64,
    /// Pages that may call, such as `https://app.example`; `*` = any.
    pub cors_origins: Vec<String>,
    /// Addresses and ranges of the proxies before the server, such as `10.0.0.0/8`: their `X-Forwarded-For` or `Forwarded`
    /// says whose address the limits count.
    pub trusted_proxies: Vec<String>,
}

impl Default for ServerSection {
    fn default() -> Self {
        Self { drain_seconds: 10, heartbeat_seconds: 30, cors_origins: Vec::new(), trusted_proxies: Vec::new() }
    }
}

/// `[channels]`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChannelsSection {
    /// Whether only the namespaces of `[namespaces]` exist.
    pub require_declared: bool,
}

/// `[demo]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DemoSection {
    /// The GGUF file of the agent `anna`; where nothing is said, one in `models` of the data directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<PathBuf>,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// `[log_output]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogOutputSection {
    /// How lines look.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug`, `trace`, or by module as in `info,antiphon_rooms=debug`.
    pub level: String,
}

impl Default for LogOutputSection {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".into() }
    }
}

/// The names of a table's entries, for messages.
pub fn names<T>(table: &BTreeMap<String, T>) -> String {
    if table.is_empty() {
        return "none".into();
    }
    table.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
}
