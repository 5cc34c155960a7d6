//! From the configuration to the check of who calls.

use crate::config::{ConfigError, Settings};
use crate::demo;
use crate::serve::ServeError;
use antiphon_core::Pattern;
use antiphon_transport::auth::{ApiKeySettings, AuthOptions, Authenticator};

/// Finds the secrets and sets the check up. Fetches nothing.
pub fn authenticator(settings: &Settings, is_demo: bool) -> Result<Authenticator, ServeError> {
    let auth = &settings.auth;
    let jwt_secret = match &auth.jwt_secret {
        Some(secret) => Some(secret.reveal("auth.jwt_secret")?),
        None if is_demo => Some(demo::kept_secret(&settings.data).map_err(|error| {
            ServeError::Start(format!("the demo's secret cannot be kept in {}: {error}", settings.data.display()))
        })?),
        None => None,
    };
    let mut public_keys = Vec::new();
    for (place, key) in auth.public_keys.iter().enumerate() {
        public_keys.push(key.reveal(&format!("auth.public_keys.{place}"))?);
    }
    let patterns = |texts: &[String]| {
        texts
            .iter()
            .map(|text| Pattern::parse(text))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|refusal| ConfigError::new(refusal.message))
    };
    let mut api_keys = Vec::new();
    for (place, key) in auth.api_keys.iter().enumerate() {
        api_keys.push(ApiKeySettings {
            name: key.name.clone(),
            key: key.key.reveal(&format!("auth.api_keys.{place}.key"))?,
            read: patterns(&key.read)?,
            publish: patterns(&key.publish)?,
        });
    }
    if is_demo {
        let demo = demo::api_key()?;
        if !api_keys.iter().any(|key| key.name == demo.name || key.key == demo.key) {
            api_keys.push(demo);
        }
    }
    if jwt_secret.is_none() && auth.jwks_url.is_none() && public_keys.is_empty() && api_keys.is_empty() {
        tracing::warn!("nobody can get in: set auth.jwt_secret, auth.jwks_url or auth.api_keys, or try --demo");
    }
    let http = match &auth.jwks_url {
        Some(_) => {
            Some(antiphon_ai::http_client().map_err(|error| ServeError::Start(format!("no HTTP client: {error}")))?)
        }
        None => None,
    };
    let options = AuthOptions {
        jwt_secret,
        jwks_url: auth.jwks_url.clone(),
        public_keys,
        issuer: auth.issuer.clone(),
        audience: auth.audience.clone(),
        api_keys,
        is_demo,
        http,
    };
    Authenticator::new(options).map_err(|error| ConfigError::new(format!("auth: {error}")).into())
}
