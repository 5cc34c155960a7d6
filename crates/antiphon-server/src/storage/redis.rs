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
    RedisTarget::parse(&url, &settings.redis.prefix).map_err(|error| ConfigError::new(format!("redis.url: {error}")))
}
