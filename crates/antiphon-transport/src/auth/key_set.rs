//! Public keys of an identity provider: a JSON Web Key Set (RFC 7517), fetched when needed and kept for a while.

use super::AuthError;
use antiphon_core::limits::{JWKS_MAX_AGE, JWKS_MIN_INTERVAL, JWKS_TIMEOUT, MAX_JWKS_BYTES, MAX_JWKS_KEYS};
use antiphon_core::{Code, Refusal};
use futures::StreamExt;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use parking_lot::RwLock;
use std::sync::Arc;
use tokio::time::Instant;

/// A key and the one algorithm that it is for.
#[derive(Clone)]
pub(super) struct PublicKey {
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
    key_id: Option<String>,
}

impl PublicKey {
    /// Reads a PEM file's text: RSA for RS256, P-256 for ES256.
    pub(super) fn from_pem(pem: &str) -> Result<Self, AuthError> {
        let (algorithm, key) = if let Ok(key) = DecodingKey::from_rsa_pem(pem.as_bytes()) {
            (Algorithm::RS256, key)
        } else if let Ok(key) = DecodingKey::from_ec_pem(pem.as_bytes()) {
            (Algorithm::ES256, key)
        } else {
            return Err(AuthError::new("a public key must be PEM: `-----BEGIN PUBLIC KEY-----` of RSA or P-256"));
        };
        Ok(Self { algorithm, key, key_id: None })
    }

    /// Takes RSA and P-256 signature keys; none for any other, such as a symmetric one.
    fn from_jwk(jwk: &Jwk) -> Option<Self> {
        if !matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature)) {
            return None;
        }
        let algorithm = match (&jwk.algorithm, jwk.common.key_algorithm) {
            (AlgorithmParameters::RSA(_), None | Some(KeyAlgorithm::RS256)) => Algorithm::RS256,
            (AlgorithmParameters::EllipticCurve(curve), None | Some(KeyAlgorithm::ES256))
                if curve.curve == EllipticCurve::P256 =>
            {
                Algorithm::ES256
            }
            _ => return None,
        };
        Some(Self { algorithm, key: DecodingKey::from_jwk(jwk).ok()?, key_id: jwk.common.key_id.clone() })
    }
}

/// The fetched keys.
pub(super) struct KeySet {
    url: reqwest::Url,
    http: reqwest::Client,
    fetched: RwLock<Option<Fetched>>,
    /// When the last fetch began; held while one runs, so that callers wait for it and do not start another.
    last_try: tokio::sync::Mutex<Option<Instant>>,
}

#[derive(Clone)]
struct Fetched {
    keys: Arc<Vec<PublicKey>>,
    at: Instant,
}

impl KeySet {
    pub(super) fn new(url: &str, http: reqwest::Client) -> Result<Self, AuthError> {
        let url = reqwest::Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let url = url.ok_or_else(|| AuthError::new("jwks_url must be an http:// or https:// address"))?;
        Ok(Self { url, http, fetched: RwLock::new(None), last_try: tokio::sync::Mutex::default() })
    }

    /// Keys for a token; a token that names a key gets only that one.
    pub(super) async fn find(&self, key_id: Option<&str>, algorithm: Algorithm) -> Result<Vec<DecodingKey>, Refusal> {
        let fetched = self.fetched.read().clone();
        if let Some(fetched) = fetched {
            let found = select(&fetched.keys, key_id, algorithm);
            if !found.is_empty() && fetched.at.elapsed() < JWKS_MAX_AGE {
                return Ok(found);
            }
        }
        self.refresh().await;
        let fetched = self.fetched.read().clone();
        let Some(fetched) = fetched else {
            return Err(Refusal::new(Code::Unavailable, "the identity provider's keys cannot be had at the moment")
                .retry_after(JWKS_MIN_INTERVAL));
        };
        Ok(select(&fetched.keys, key_id, algorithm))
    }

    /// Fetches, unless that was tried a moment ago. A failure leaves the keys as they are.
    async fn refresh(&self) {
        let mut last_try = self.last_try.lock().await;
        if last_try.is_some_and(|at| at.elapsed() < JWKS_MIN_INTERVAL) {
            return;
        }
        *last_try = Some(Instant::now());
        match tokio::time::timeout(JWKS_TIMEOUT, self.fetch()).await {
            Ok(Ok(keys)) => {
                *self.fetched.write() = Some(Fetched { keys: Arc::new(keys), at: Instant::now() });
            }
            Ok(Err(problem)) => tracing::warn!(host = self.url.host_str(), problem, "the JWKS cannot be fetched"),
            Err(_) => tracing::warn!(host = self.url.host_str(), problem = "time-out", "the JWKS cannot be fetched"),
        }
    }

    async fn fetch(&self) -> Result<Vec<PublicKey>, String> {
        let response = self.http.get(self.url.clone()).send().await.map_err(|error| error.without_url().to_string())?;
        if !response.status().is_success() {
            return Err(format!("status {}", response.status().as_u16()));
        }
        let mut body = Vec::new();
        let mut pieces = response.bytes_stream();
        while let Some(piece) = pieces.next().await {
            body.extend_from_slice(&piece.map_err(|error| error.without_url().to_string())?);
            if body.len() > MAX_JWKS_BYTES {
                return Err(format!("over {MAX_JWKS_BYTES} bytes"));
            }
        }
        // Key by key: one of a kind that is not known here must not hide the others.
        #[derive(serde::Deserialize)]
        struct Document {
            keys: Vec<serde_json::Value>,
        }
        let document: Document = serde_json::from_slice(&body).map_err(|_| "not a key set".to_owned())?;
        let keys = document.keys.into_iter().take(MAX_JWKS_KEYS);
        Ok(keys.filter_map(|key| PublicKey::from_jwk(&serde_json::from_value(key).ok()?)).collect())
    }
}

fn select(keys: &[PublicKey], key_id: Option<&str>, algorithm: Algorithm) -> Vec<DecodingKey> {
    keys.iter()
        .filter(|key| key.algorithm == algorithm && (key_id.is_none() || key.key_id.as_deref() == key_id))
        .map(|key| key.key.clone())
        .collect()
}
