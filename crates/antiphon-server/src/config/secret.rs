//! Secrets: given as they are, or by the name of a variable or file. No print-out or error shows one.

use super::{ConfigError, read_bounded};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::path::PathBuf;

/// What stands for a secret in a print-out.
const REDACTED: &str = "[redacted]";

/// Where a secret comes from.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// `"…"`
    Text(String),
    /// `{ env = "NAME" }`
    Environment(String),
    /// `{ file = "PATH" }`
    File(PathBuf),
}

impl Secret {
    /// The secret itself; `key` is where it stands in the configuration. None where its variable is not set.
    pub fn find(&self, key: &str) -> Result<Option<String>, ConfigError> {
        let text = match self {
            Self::Text(text) => text.clone(),
            Self::Environment(name) => match std::env::var(name) {
                Ok(text) => text,
                Err(std::env::VarError::NotPresent) => return Ok(None),
                Err(std::env::VarError::NotUnicode(_)) => {
                    return Err(ConfigError::new(format!("{key}: the variable {name} is not valid UTF-8")));
                }
            },
            Self::File(path) => read_bounded(path).map_err(|error| ConfigError::new(format!("{key}: {error}")))?,
        };
        // A file's last line end, and a variable's, are not part of a secret.
        let text = text.trim();
        if text.is_empty() {
            return Err(ConfigError::new(format!("{key} is empty")));
        }
        Ok(Some(text.to_owned()))
    }

    /// The secret itself, which must be there.
    pub fn reveal(&self, key: &str) -> Result<String, ConfigError> {
        self.find(key)?.ok_or_else(|| {
            let name = if let Self::Environment(name) = self { name.as_str() } else { "" };
            ConfigError::new(format!("{key}: the variable {name} is not set: set it, or give the secret otherwise"))
        })
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => formatter.write_str(REDACTED),
            Self::Environment(name) => write!(formatter, "{{ env = {name:?} }}"),
            Self::File(path) => write!(formatter, "{{ file = {path:?} }}"),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    env: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<PathBuf>,
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(_) => serializer.serialize_str(REDACTED),
            Self::Environment(name) => Source { env: Some(name.clone()), file: None }.serialize(serializer),
            Self::File(path) => Source { env: None, file: Some(path.clone()) }.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretVisitor)
    }
}

struct SecretVisitor;

impl<'de> de::Visitor<'de> for SecretVisitor {
    type Value = Secret;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a secret: \"…\", { env = \"NAME\" } or { file = \"PATH\" }")
    }

    // The unexpected value is never named in an error: it may be the secret.
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Secret, E> {
        if text == REDACTED {
            return Err(E::custom("this is a print-out: put the secret in its place, or { env = \"NAME\" }"));
        }
        Ok(Secret::Text(text.to_owned()))
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Secret, E> {
        Err(E::custom("a secret is a string: put it in quotes"))
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Secret, E> {
        Err(E::custom("a secret is a string: put it in quotes"))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Secret, A::Error> {
        let source = Source::deserialize(de::value::MapAccessDeserializer::new(map))?;
        match (source.env, source.file) {
            (Some(name), None) => Ok(Secret::Environment(name)),
            (None, Some(path)) => Ok(Secret::File(path)),
            _ => Err(de::Error::custom("a secret is given by either env or file")),
        }
    }
}
