//! JSON Web Tokens: HS256 with the configured secret, RS256 and ES256 with public keys, nothing else.
//!
//! The header's algorithm only chooses among keys that belong to that algorithm, so a public key is never taken for a
//! secret (RFC 8725, section 2.1).

use super::key_set::{KeySet, PublicKey};
use super::{API_KEY_USER_PREFIX, AuthError, AuthOptions, unauthorized};
use antiphon_core::limits::{MAX_JWKS_KEYS, MAX_PATTERNS, MAX_TOKEN_BYTES, MAX_USER_ID_BYTES, MIN_JWT_SECRET_BYTES};
use antiphon_core::{Identity, Pattern, Refusal, Timestamp};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

/// The claims of a token that this server makes.
#[derive(Clone, Debug, Serialize)]
pub struct MintedClaims {
    /// The user's id.
    pub sub: String,
    /// Its end, in seconds since the Unix epoch.
    pub exp: u64,
    /// Bare channels it may read, as patterns.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub read: Vec<String>,
    /// Bare channels it may publish to, as patterns.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub publish: Vec<String>,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: f64,
    #[serde(default)]
    read: Vec<String>,
    #[serde(default)]
    publish: Vec<String>,
}

pub(super) struct Tokens {
    secret: Option<(EncodingKey, DecodingKey)>,
    public_keys: Vec<PublicKey>,
    key_set: Option<KeySet>,
    issuer: Option<String>,
    audience: Option<String>,
}

impl Tokens {
    pub(super) fn new(options: AuthOptions) -> Result<Self, AuthError> {
        let secret = match options.jwt_secret {
            Some(secret) if secret.is_empty() => {
                return Err(AuthError::new("jwt_secret is empty; make one with `openssl rand -base64 48`"));
            }
            secret => secret.map(|secret| {
                if secret.len() < MIN_JWT_SECRET_BYTES {
                    let wanted = MIN_JWT_SECRET_BYTES;
                    tracing::warn!(wanted, "jwt_secret has fewer bytes than HS256 wants (RFC 7518, section 3.2)");
                }
                (EncodingKey::from_secret(secret.as_bytes()), DecodingKey::from_secret(secret.as_bytes()))
            }),
        };
        if options.public_keys.len() > MAX_JWKS_KEYS {
            return Err(AuthError::new(format!("at most {MAX_JWKS_KEYS} public keys can be used")));
        }
        let public_keys =
            options.public_keys.iter().map(|pem| PublicKey::from_pem(pem)).collect::<Result<Vec<_>, _>>()?;
        let key_set = match (options.jwks_url, options.http) {
            (None, _) => None,
            (Some(url), Some(http)) => Some(KeySet::new(&url, http)?),
            (Some(_), None) => return Err(AuthError::new("jwks_url needs an HTTP client")),
        };
        Ok(Self { secret, public_keys, key_set, issuer: options.issuer, audience: options.audience })
    }

    /// A token with these claims, if there is a secret to sign it with.
    pub(super) fn mint(&self, claims: &MintedClaims) -> Option<String> {
        let (key, _) = self.secret.as_ref()?;
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, key).ok()
    }

    pub(super) async fn check(&self, token: &str) -> Result<Identity, Refusal> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(unauthorized(format!("a token has at most {MAX_TOKEN_BYTES} bytes")));
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| not_a_token())?;
        match header.alg {
            Algorithm::HS256 => {
                let (_, key) = self.secret.as_ref().ok_or_else(wrong_algorithm)?;
                self.verify(token, key, Algorithm::HS256)
            }
            algorithm @ (Algorithm::RS256 | Algorithm::ES256) => {
                self.verify_public(token, header.kid.as_deref(), algorithm).await
            }
            _ => Err(wrong_algorithm()),
        }
    }

    async fn verify_public(
        &self,
        token: &str,
        key_id: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Identity, Refusal> {
        if self.public_keys.is_empty() && self.key_set.is_none() {
            return Err(wrong_algorithm());
        }
        let configured: Vec<DecodingKey> =
            self.public_keys.iter().filter(|key| key.algorithm == algorithm).map(|key| key.key.clone()).collect();
        if let Some(answer) = self.verify_with_any(token, &configured, algorithm) {
            return answer;
        }
        if let Some(key_set) = &self.key_set
            && let Some(answer) = self.verify_with_any(token, &key_set.find(key_id, algorithm).await?, algorithm)
        {
            return answer;
        }
        Err(unauthorized("the token's signature does not hold with any key that the server trusts"))
    }

    /// None where no key verifies the signature; else what its claims come to.
    fn verify_with_any(
        &self,
        token: &str,
        keys: &[DecodingKey],
        algorithm: Algorithm,
    ) -> Option<Result<Identity, Refusal>> {
        keys.iter().find_map(|key| match self.decode(token, key, algorithm) {
            Ok(claims) => Some(identity_of(claims)),
            Err(error) if matches!(error.kind(), ErrorKind::InvalidSignature) => None,
            Err(error) => Some(Err(refusal_of(&error))),
        })
    }

    fn verify(&self, token: &str, key: &DecodingKey, algorithm: Algorithm) -> Result<Identity, Refusal> {
        let claims = self.decode(token, key, algorithm).map_err(|error| refusal_of(&error))?;
        identity_of(claims)
    }

    fn decode(
        &self,
        token: &str,
        key: &DecodingKey,
        algorithm: Algorithm,
    ) -> Result<Claims, jsonwebtoken::errors::Error> {
        let mut validation = Validation::new(algorithm);
        // An expired token is over, to the second; whoever's clock is off is told so by the message.
        validation.leeway = 0;
        validation.validate_nbf = true;
        let mut required = vec!["exp", "sub"];
        if let Some(issuer) = &self.issuer {
            validation.set_issuer(&[issuer]);
            required.push("iss");
        }
        match &self.audience {
            Some(audience) => {
                validation.set_audience(&[audience]);
                required.push("aud");
            }
            None => validation.validate_aud = false,
        }
        validation.set_required_spec_claims(&required);
        jsonwebtoken::decode::<Claims>(token, key, &validation).map(|data| data.claims)
    }
}

fn identity_of(claims: Claims) -> Result<Identity, Refusal> {
    let user_id = claims.sub;
    if user_id.trim().is_empty() || user_id.len() > MAX_USER_ID_BYTES || user_id.chars().any(char::is_control) {
        return Err(unauthorized(format!(
            "the token's `sub` must be 1 to {MAX_USER_ID_BYTES} bytes without control characters"
        )));
    }
    if user_id.starts_with(API_KEY_USER_PREFIX) {
        return Err(unauthorized("a token's `sub` must not begin with `key:`, which names API keys"));
    }
    let millis = claims.exp * 1_000.0;
    // Saturates: an end beyond what a number holds is never reached.
    let expires_at = Timestamp::from_millis(millis as u64);
    if expires_at <= Timestamp::now() {
        return Err(expired());
    }
    Ok(Identity {
        user_id,
        is_back_end: false,
        read: patterns("read", &claims.read)?,
        publish: patterns("publish", &claims.publish)?,
        expires_at: Some(expires_at),
    })
}

fn patterns(claim: &str, texts: &[String]) -> Result<Vec<Pattern>, Refusal> {
    if texts.len() > MAX_PATTERNS {
        return Err(unauthorized(format!("the token's `{claim}` has over {MAX_PATTERNS} patterns")));
    }
    texts
        .iter()
        .map(|text| {
            Pattern::parse(text).map_err(|refusal| unauthorized(format!("the token's `{claim}`: {}", refusal.message)))
        })
        .collect()
}

fn not_a_token() -> Refusal {
    unauthorized("this is not a JSON Web Token")
}

fn expired() -> Refusal {
    unauthorized("the token has expired: get another")
}

fn wrong_algorithm() -> Refusal {
    unauthorized(
        "the token's algorithm is not one that this server takes: HS256 with its secret, RS256 or ES256 with its keys",
    )
}

fn refusal_of(error: &jsonwebtoken::errors::Error) -> Refusal {
    match error.kind() {
        ErrorKind::ExpiredSignature => expired(),
        ErrorKind::ImmatureSignature => unauthorized("the token is not valid yet (`nbf`)"),
        ErrorKind::InvalidSignature => unauthorized("the token's signature does not hold"),
        ErrorKind::MissingRequiredClaim(claim) => {
            unauthorized(format!("the token has no `{claim}`; it needs sub and exp"))
        }
        ErrorKind::InvalidIssuer => unauthorized("the token's `iss` is not the one that this server takes"),
        ErrorKind::InvalidAudience => unauthorized("the token's `aud` does not name this server"),
        ErrorKind::InvalidAlgorithm | ErrorKind::UnsupportedAlgorithm => wrong_algorithm(),
        ErrorKind::Json(_) | ErrorKind::InvalidClaimFormat(_) => unauthorized(
            "the token's claims are not as they must be: sub a string, exp a number, read and publish lists of patterns",
        ),
        _ => not_a_token(),
    }
}
