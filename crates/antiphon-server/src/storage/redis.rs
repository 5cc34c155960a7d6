//! How the configuration's Redis is reached.

use crate::config::{ConfigError, Settings};
use antiphon_redis::RedisTarget;

/// Where Redis is, where nothing is said.
const LOCAL: &str = "redis://127.0.0.1:6379";

/// The Redis that the configuration names.
pub fn target(settings: &Settings) -> Result<RedisTarget, ConfigError> {
    let url = match &settings.redis.url {
        Some(url) => url.reveal("redis.url")?,
        None => LOCAL.to_owned(),
    };
    // The error names no part of the URL, which may hold a password.
    let target = RedisTarget::parse(&url, &settings.redis.prefix)
        .map_err(|error| ConfigError::new(format!("redis.url: {error}")))?;
    let Some(file) = &settings.redis.ca_file else { return Ok(target) };
    let refused = |reason: String| ConfigError::new(format!("redis.ca_file: {}: {reason}", file.display()));
    let authorities = std::fs::read(file).map_err(|error| refused(error.to_string()))?;
    target.trusting(authorities).map_err(|error| refused(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn refused(url: &str, content: Option<&str>) -> String {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        if let Some(content) = content {
            std::fs::write(&file, content).unwrap();
        }
        let mut settings = Settings::default();
        settings.redis.url = Some(Secret::Text(url.to_owned()));
        settings.redis.ca_file = Some(file);
        target(&settings).unwrap_err().to_string()
    }

    #[test]
    fn authorities_that_nobody_can_trust_are_refused_with_the_settings_name() {
        for (url, content, words) in [
            ("rediss://redis.example", None, "No such file"),
            ("rediss://redis.example", Some("nothing"), "no certificate"),
            ("redis://redis.example", Some("nothing"), "rediss://"),
        ] {
            let error = refused(url, content);
            assert!(error.contains("redis.ca_file") && error.contains(words), "{error}");
        }
    }
}
