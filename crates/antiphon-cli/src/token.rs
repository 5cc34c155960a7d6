//! `antiphon token`: a token for a user, signed with the secret that the server checks it with (RFC 7519, HS256).

use crate::failure::Failure;
use crate::settings::{GENERATED_SECRET, Settings, secret_of_file, secret_of_variable};
use antiphon_core::limits::{MAX_PATTERNS, MAX_USER_ID_BYTES};
use antiphon_core::{Pattern, Timestamp};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// What `antiphon token` is given.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The secret is the one that the server checks tokens with, from exactly one of --config, --data, --secret-env and \
--secret-file. Patterns are namespace:id, namespace:prefix*, namespace:* or *; a user's own rooms need none.

Examples:
  antiphon token --user ada --config antiphon.toml
  antiphon token --user ada --data ./antiphon-data        the secret that --demo made
  antiphon token --user ada --secret-env JWT_SECRET --expires 10m --read 'jobs:*'
  antiphon token --rights-of worker --config antiphon.toml
  export ANTIPHON_TOKEN=$(antiphon token --user ada --config antiphon.toml)")]
#[command(group(clap::ArgGroup::new("secret").required(true).args(["secret_env", "secret_file", "config", "data"])))]
pub struct TokenArguments {
    /// The user's id
    #[arg(long, value_name = "ID", required_unless_present = "rights_of")]
    pub user: Option<String>,
    /// How long it holds, such as 10m, 1h or 7days
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = humantime::parse_duration)]
    pub expires: Duration,
    /// Channels that it may read; may be given several times
    #[arg(long, value_name = "PATTERN")]
    pub read: Vec<String>,
    /// Channels that it may publish to; may be given several times
    #[arg(long, value_name = "PATTERN")]
    pub publish: Vec<String>,
    /// Give it the read and publish rights of this API key of the configuration
    #[arg(long, value_name = "NAME", requires = "config")]
    pub rights_of: Option<String>,
    /// The variable that holds the secret
    #[arg(long, value_name = "NAME")]
    pub secret_env: Option<String>,
    /// The file that holds the secret
    #[arg(long, value_name = "FILE")]
    pub secret_file: Option<PathBuf>,
    /// The server's configuration file
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The server's data directory, for the secret that --demo made up
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
struct Claims {
    sub: String,
    iat: u64,
    exp: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    read: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    publish: Vec<String>,
}

pub(crate) fn run(arguments: TokenArguments) -> Result<ExitCode, Failure> {
    use std::io::Write;
    let token = mint(arguments, Timestamp::now().millis() / 1_000)?;
    writeln!(std::io::stdout(), "{token}").map_err(|error| Failure::from_output(&error))?;
    Ok(ExitCode::SUCCESS)
}

/// A token for a user of a server that is started with this secret, for an hour.
pub(crate) fn mint_for_user(secret: &str, user: &str) -> Result<String, Failure> {
    let now_seconds = Timestamp::now().millis() / 1_000;
    let claims = Claims {
        sub: user.to_owned(),
        iat: now_seconds,
        exp: now_seconds + 3_600,
        read: Vec::new(),
        publish: Vec::new(),
    };
    sign(&claims, secret)
}

fn sign(claims: &Claims, secret: &str) -> Result<String, Failure> {
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(secret.as_bytes()))
        .map_err(|_| Failure::new("the token could not be signed"))
}

fn mint(arguments: TokenArguments, now_seconds: u64) -> Result<String, Failure> {
    let settings = arguments.config.as_deref().map(Settings::load).transpose()?;
    let secret = find_secret(&arguments, settings.as_ref())?;
    if secret.is_empty() {
        return Err(
            Failure::new("the secret is empty").fix("make one with `openssl rand -base64 48`, for the server too")
        );
    }
    let (mut read, mut publish) = (arguments.read, arguments.publish);
    if let Some(name) = &arguments.rights_of {
        let rights = settings.as_ref().and_then(|settings| settings.rights_of(name));
        let (more_read, more_publish) = rights
            .ok_or_else(|| Failure::new(format!("auth.api_keys of the configuration has no key named `{name}`")))?;
        read.extend(more_read);
        publish.extend(more_publish);
    }
    for patterns in [&read, &publish] {
        check_patterns(patterns)?;
    }
    let sub = arguments.user.or(arguments.rights_of).unwrap_or_default();
    if sub.is_empty() || sub.len() > MAX_USER_ID_BYTES || sub.starts_with("key:") {
        return Err(Failure::new(format!(
            "a user's id has 1 to {MAX_USER_ID_BYTES} bytes and does not begin with key:"
        )));
    }
    let exp = now_seconds.saturating_add(arguments.expires.as_secs());
    let claims = Claims { sub, iat: now_seconds, exp, read, publish };
    sign(&claims, &secret)
}

fn check_patterns(patterns: &[String]) -> Result<(), Failure> {
    if patterns.len() > MAX_PATTERNS {
        return Err(Failure::new(format!("at most {MAX_PATTERNS} patterns fit into a token")));
    }
    for pattern in patterns {
        Pattern::parse(pattern).map_err(|refusal| Failure::new(refusal.message))?;
    }
    Ok(())
}

fn find_secret(arguments: &TokenArguments, settings: Option<&Settings>) -> Result<String, Failure> {
    if let Some(name) = &arguments.secret_env {
        return secret_of_variable(name).map_err(Failure::new);
    }
    if let Some(path) = &arguments.secret_file {
        return secret_of_file(path).map_err(Failure::new);
    }
    if let Some(folder) = &arguments.data {
        return secret_of_file(&folder.join(GENERATED_SECRET)).map_err(|reason| {
            Failure::new(reason).fix("start the server once with `antiphon serve --demo --data DIR`, which makes it")
        });
    }
    match settings.and_then(Settings::jwt_secret) {
        Some(secret) => secret.map_err(|reason| Failure::new(format!("auth.jwt_secret: {reason}"))),
        None => Err(Failure::new("the configuration names no auth.jwt_secret")
            .fix("set it there, or use --data for the secret that --demo made up")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::{DecodingKey, Validation};

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    #[derive(clap::Parser)]
    struct Command {
        #[command(flatten)]
        arguments: TokenArguments,
    }

    fn parse(line: &[&str]) -> Result<TokenArguments, clap::Error> {
        let words = std::iter::once("token").chain(line.iter().copied());
        clap::Parser::try_parse_from(words).map(|command: Command| command.arguments)
    }

    #[test]
    fn a_token_says_who_until_when_and_what() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(GENERATED_SECRET), format!("{SECRET}\n")).unwrap();
        let data = folder.path().to_str().unwrap();
        let line = ["--user", "ada", "--data", data, "--expires", "10m", "--read", "jobs:*", "--read", "a:b"];
        let token = mint(parse(&line).unwrap(), 4_000_000_000).unwrap();
        let key = DecodingKey::from_secret(SECRET.as_bytes());
        let claims = jsonwebtoken::decode::<serde_json::Value>(token, &key, &Validation::default()).unwrap().claims;
        let expected = serde_json::json!(
            {"sub": "ada", "iat": 4_000_000_000_u64, "exp": 4_000_000_600_u64, "read": ["jobs:*", "a:b"]});
        assert_eq!(claims, expected);
    }

    #[test]
    fn an_api_key_s_rights_can_be_lent() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.toml");
        let text = format!(
            "[auth]\njwt_secret = \"{SECRET}\"\napi_keys = [{{ name = \"w\", key = \"k\", publish = [\"j:*\"] }}]\n"
        );
        std::fs::write(&path, text).unwrap();
        let path = path.to_str().unwrap();
        let token = mint(parse(&["--rights-of", "w", "--config", path]).unwrap(), 4_000_000_000).unwrap();
        let key = DecodingKey::from_secret(SECRET.as_bytes());
        let claims = jsonwebtoken::decode::<serde_json::Value>(token, &key, &Validation::default()).unwrap().claims;
        assert_eq!((&claims["sub"], &claims["publish"]), (&"w".into(), &serde_json::json!(["j:*"])));
        assert!(mint(parse(&["--rights-of", "x", "--config", path]).unwrap(), 0).is_err());
    }

    #[test]
    fn one_source_of_the_secret_and_sound_rights_are_needed() {
        assert!(parse(&["--user", "ada"]).is_err());
        assert!(parse(&["--user", "ada", "--data", "x", "--secret-env", "Y"]).is_err());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "").unwrap();
        let file = path.to_str().unwrap();
        assert!(mint(parse(&["--user", "ada", "--secret-file", file]).unwrap(), 0).is_err());
        std::fs::write(&path, SECRET).unwrap();
        assert!(mint(parse(&["--user", "ada", "--secret-file", file]).unwrap(), 0).is_ok());
        assert!(mint(parse(&["--user", "ada", "--secret-file", file, "--read", "a*b"]).unwrap(), 0).is_err());
        assert!(mint(parse(&["--user", "key:x", "--secret-file", file]).unwrap(), 0).is_err());
    }
}
