//! The configuration: a TOML file, then `ANTIPHON_…` variables, then flags.

mod check;
mod engines;
mod environment;
mod error;
mod secret;
mod sections;
mod topology;

pub use engines::{
    ClusterSection, Engine, KafkaMechanism, KafkaSection, KafkaSecurity, RecordsSection, RedisSection, Role, Topology,
};
pub use error::ConfigError;
pub use secret::Secret;
pub use sections::{
    AgentSection, AuthSection, ChannelsSection, DemoSection, LimitsSection, LogFormat, LogOutputSection, LogSection,
    MarkerSetting, NamespaceSection, ProviderKind, ProviderSection, ServerSection, SyncSetting,
};

use antiphon_core::limits::MAX_CONFIG_BYTES;
use environment::Environment;
use figment::Figment;
use figment::providers::{Format, Serialized, Toml};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Everything that an operator may set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Where to listen: `ADDRESS:PORT`; port 0 picks a free one.
    pub listen: String,
    /// The data directory.
    pub data: PathBuf,
    /// Which log and which live path.
    pub topology: Option<Topology>,
    /// The duties of this process: `all`, or some of `api`, `ai`, `realtime` and `relay`.
    pub roles: Vec<String>,
    /// Model providers by name.
    pub providers: BTreeMap<String, ProviderSection>,
    /// Agents by id.
    pub agents: BTreeMap<String, AgentSection>,
    /// Who callers are.
    pub auth: AuthSection,
    /// How much they may do.
    pub limits: LimitsSection,
    /// The log's engine.
    pub log: LogSection,
    /// How processes find each other.
    pub cluster: ClusterSection,
    /// How Kafka is reached.
    pub kafka: KafkaSection,
    /// How Redis is reached.
    pub redis: RedisSection,
    /// Where rooms and messages are.
    pub records: RecordsSection,
    /// What namespaces keep.
    pub namespaces: BTreeMap<String, NamespaceSection>,
    /// The process.
    pub server: ServerSection,
    /// Bare channels.
    pub channels: ChannelsSection,
    /// What `--demo` brings.
    pub demo: DemoSection,
    /// The server's own log.
    pub log_output: LogOutputSection,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8787".into(),
            data: "./antiphon-data".into(),
            topology: None,
            roles: vec!["all".into()],
            providers: BTreeMap::new(),
            agents: BTreeMap::new(),
            auth: AuthSection::default(),
            limits: LimitsSection::default(),
            log: LogSection::default(),
            cluster: ClusterSection::default(),
            kafka: KafkaSection::default(),
            redis: RedisSection::default(),
            records: RecordsSection::default(),
            namespaces: BTreeMap::new(),
            server: ServerSection::default(),
            channels: ChannelsSection::default(),
            demo: DemoSection::default(),
            log_output: LogOutputSection::default(),
        }
    }
}

/// The settings that flags give; they win.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Flags {
    /// `--listen`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<String>,
    /// `--data`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<PathBuf>,
    /// `--roles`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<String>>,
}

impl Settings {
    /// Reads the file, the variables and the flags, and checks what they say together.
    pub fn load(
        file: Option<&Path>,
        variables: impl Iterator<Item = (String, String)>,
        flags: &Flags,
    ) -> Result<Self, ConfigError> {
        let text = file.map(read_bounded).transpose()?.unwrap_or_default();
        let figment = Figment::new()
            .merge(Toml::string(&text))
            .merge(Environment::new(variables))
            .merge(Serialized::defaults(flags));
        let settings: Self =
            figment.extract().map_err(|error| error::explain(error, file.map(|file| (file, text.as_str()))))?;
        settings.check()?;
        Ok(settings)
    }

    /// The settings as a configuration file, without its secrets.
    pub fn to_toml(&self) -> Result<String, ConfigError> {
        toml::to_string(self).map_err(|error| ConfigError::new(format!("the configuration cannot be printed: {error}")))
    }
}

/// Reads a file that is no larger than a configuration may be.
fn read_bounded(path: &Path) -> Result<String, ConfigError> {
    let cannot = |problem: String| ConfigError::new(format!("{} cannot be read: {problem}", path.display()));
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|error| cannot(error.to_string()))?;
    let read = file.take(MAX_CONFIG_BYTES + 1).read_to_string(&mut text).map_err(|error| cannot(error.to_string()))?;
    if read as u64 > MAX_CONFIG_BYTES {
        return Err(cannot(format!("it is larger than {MAX_CONFIG_BYTES} bytes")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
