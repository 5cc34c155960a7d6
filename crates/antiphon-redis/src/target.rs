//! Where Redis is and how to get in, from one URL.

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::fmt;

const SENTINEL: &str = "redis+sentinel://";
const SENTINEL_TLS: &str = "rediss+sentinel://";
/// Sentinels that a URL may name.
const MAX_SENTINELS: usize = 16;
const SENTINEL_PORT: u16 = 26_379;

/// A Redis, or the sentinels that know which one it is, and what stands before every key. The password is never formatted.
#[derive(Clone)]
pub struct RedisTarget {
    /// The server, or the sentinels; each with the server's credentials and database.
    pub(crate) servers: Vec<ConnectionInfo>,
    /// The name under which the sentinels know the server.
    pub(crate) master: Option<String>,
    /// Certificates of authorities that are trusted beside none other, as PEM; the system's where there are none.
    pub(crate) authorities: Option<Vec<u8>>,
    /// Stands before every key and channel.
    pub(crate) prefix: String,
}

/// A URL that names no Redis.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is no address of a Redis ({reason}): write redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE], rediss://… for TLS, or \
     redis+sentinel://[USER:PASSWORD@]HOST:PORT,HOST:PORT/MASTER[/DATABASE]"
)]
pub struct TargetError {
    reason: String,
}

/// Authorities that cannot be trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthoritiesError {
    /// The connection would be in clear all the same.
    #[error("the address asks for no TLS: write rediss://… or rediss+sentinel://…, or leave the authorities out")]
    NotEncrypted,
    /// No certificate in PEM.
    #[error(
        "there is no certificate in it: it takes those of the authorities in PEM, each with -----BEGIN CERTIFICATE-----"
    )]
    Missing,
    /// A certificate that is none.
    #[error("a certificate in it cannot be read ({reason})")]
    Unreadable {
        /// What is wrong with it.
        reason: String,
    },
}

impl RedisTarget {
    /// Parses `redis://`, `rediss://` (TLS), `redis+sentinel://HOST:PORT,HOST:PORT/MASTER` and `rediss+sentinel://`; each may
    /// hold a user, a password and a database, percent-encoded.
    ///
    /// # Errors
    /// What is none of these.
    pub fn parse(url: &str, prefix: &str) -> Result<Self, TargetError> {
        let (servers, master) = match (url.strip_prefix(SENTINEL), url.strip_prefix(SENTINEL_TLS)) {
            (Some(rest), _) => parse_sentinels("redis://", rest)?,
            (_, Some(rest)) => parse_sentinels("rediss://", rest)?,
            _ => (vec![parse_server(url)?], None),
        };
        Ok(Self { servers, master, authorities: None, prefix: prefix.to_owned() })
    }

    /// Trusts these authorities (certificates in PEM) for TLS instead of the system's.
    ///
    /// # Errors
    /// Where there are none, or the address is one without TLS, which nothing would be trusted for.
    pub fn trusting(self, authorities: Vec<u8>) -> Result<Self, AuthoritiesError> {
        if !self.is_tls() {
            return Err(AuthoritiesError::NotEncrypted);
        }
        let mut store = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&authorities) {
            let added = certificate.map_err(|error| error.to_string()).map(|certificate| store.add(certificate));
            added
                .and_then(|added| added.map_err(|error| error.to_string()))
                .map_err(|reason| AuthoritiesError::Unreadable { reason })?;
        }
        if store.is_empty() {
            return Err(AuthoritiesError::Missing);
        }
        Ok(Self { authorities: Some(authorities), ..self })
    }

    /// Whether connections are encrypted.
    pub(crate) fn is_tls(&self) -> bool {
        self.servers.iter().any(|server| matches!(server.addr(), ConnectionAddr::TcpTls { .. }))
    }

    /// A server's words, which may repeat what it was sent, fit for a log.
    pub(crate) fn without_password(&self, words: String) -> String {
        match self.servers.first().and_then(|server| server.redis_settings().password()) {
            Some(password) if !password.is_empty() => words.replace(password, "…"),
            _ => words,
        }
    }

    /// Whether anything proves who we are.
    pub(crate) fn user(&self) -> Option<&str> {
        let settings = self.servers.first()?.redis_settings();
        settings.password().map(|_| settings.username().unwrap_or("default"))
    }
}

impl fmt::Display for RedisTarget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses: Vec<String> = self.servers.iter().map(|server| server.addr().to_string()).collect();
        match &self.master {
            Some(master) => write!(formatter, "{master:?} by sentinels at {}", addresses.join(", ")),
            None => formatter.write_str(&addresses.join(", ")),
        }
    }
}

impl fmt::Debug for RedisTarget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RedisTarget({self})")
    }
}

fn refused(reason: impl Into<String>) -> TargetError {
    TargetError { reason: reason.into() }
}

fn parse_server(url: &str) -> Result<ConnectionInfo, TargetError> {
    // The reason must not repeat the URL, which may hold a password.
    let server = url.into_connection_info().map_err(|error| refused(error.category()))?;
    // Who the client is, in its library's words, is nothing that the user needs a right for.
    let settings = server.redis_settings().clone().set_skip_set_lib_name();
    Ok(server.set_redis_settings(settings))
}

fn parse_sentinels(scheme: &str, rest: &str) -> Result<(Vec<ConnectionInfo>, Option<String>), TargetError> {
    let (credentials, rest) = match rest.rsplit_once('@') {
        Some((credentials, rest)) => (format!("{credentials}@"), rest),
        None => (String::new(), rest),
    };
    let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (master, database) = path.split_once('/').unwrap_or((path, "0"));
    if master.is_empty() {
        return Err(refused("the master's name is missing after the sentinels"));
    }
    let hosts: Vec<&str> = hosts.split(',').filter(|host| !host.is_empty()).collect();
    if hosts.is_empty() || hosts.len() > MAX_SENTINELS {
        return Err(refused(format!("1 to {MAX_SENTINELS} sentinels are named")));
    }
    let server = |host: &&str| {
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let host = if has_port { (*host).to_owned() } else { format!("{host}:{SENTINEL_PORT}") };
        parse_server(&format!("{scheme}{credentials}{host}/{database}"))
    };
    let servers = hosts.iter().map(server).collect::<Result<_, _>>()?;
    Ok((servers, Some(master.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_are_certificates_for_an_encrypted_connection() {
        let trusting = |url: &str, pem: &str| RedisTarget::parse(url, "").unwrap().trusting(pem.into()).map(drop);
        assert_eq!(trusting("redis://one", ""), Err(AuthoritiesError::NotEncrypted));
        assert_eq!(trusting("rediss://one", "no PEM"), Err(AuthoritiesError::Missing));
        let empty = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(trusting("rediss+sentinel://one/main", empty), Err(AuthoritiesError::Unreadable { .. })));
    }

    #[test]
    fn every_form_of_address_is_understood_and_no_password_shown() {
        let parse = |url: &str| RedisTarget::parse(url, "").unwrap();
        assert_eq!(parse("redis://localhost").to_string(), "localhost:6379");
        let with_user = parse("rediss://anna:s%40crt@redis.example:7000/3");
        assert_eq!(format!("{with_user:?}"), "RedisTarget(redis.example:7000)");
        assert!(with_user.is_tls());
        assert_eq!(with_user.user(), Some("anna"));
        let settings = with_user.servers[0].redis_settings();
        assert_eq!((settings.password(), settings.db()), (Some("s@crt"), 3));
        assert_eq!(with_user.without_password("no AUTH s@crt here".to_owned()), "no AUTH … here");
        let sentinels = parse("redis+sentinel://:secret@one:1,two/mymaster/2");
        assert_eq!(sentinels.to_string(), "\"mymaster\" by sentinels at one:1, two:26379");
        assert_eq!((sentinels.servers[1].redis_settings().db(), sentinels.user()), (2, Some("default")));
        assert!(parse("rediss+sentinel://one/mymaster").is_tls());
        for bad in ["", "http://x", "redis+sentinel://one:1", "redis+sentinel:///m", "localhost:6379"] {
            assert!(RedisTarget::parse(bad, "").is_err(), "{bad}");
        }
        let error = RedisTarget::parse("http://anna:secret@x", "").unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }
}
