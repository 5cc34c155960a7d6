//! Where real Kafka, Redis and PostgreSQL are, for tests that need them: `cargo xtask test` starts them, `cargo xtask
//! servers` does it for tests run by hand. A test without its server says loudly that it was left out.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::panic::Location;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

const KAFKA: &str = "ANTIPHON_TEST_KAFKA";
const REDIS: &str = "ANTIPHON_TEST_REDIS";
const POSTGRES: &str = "ANTIPHON_TEST_POSTGRES";
const KAFKA_TLS: &str = "ANTIPHON_TEST_KAFKA_TLS";
const KAFKA_CREDENTIALS: &str = "ANTIPHON_TEST_KAFKA_CREDENTIALS";
const CERTIFICATES: &str = "ANTIPHON_TEST_CERTIFICATES";
/// Names the file where each place that goes without its server leaves a line, for the end of a whole run.
const SKIPPED: &str = "ANTIPHON_TEST_SKIPPED";

/// Bootstrap servers of a Kafka, `host:port` with commas between. Topics are not made by using them.
#[track_caller]
pub fn kafka() -> Option<String> {
    given(KAFKA, "Kafka", Location::caller())
}

/// The URL of a Redis, `redis://host:port`.
#[track_caller]
pub fn redis() -> Option<String> {
    given(REDIS, "Redis", Location::caller())
}

/// The URL of a PostgreSQL, `postgres://user@host:port/database`, whose user may make databases.
#[track_caller]
pub fn postgres() -> Option<String> {
    given(POSTGRES, "PostgreSQL", Location::caller())
}

/// The same Kafka for clients with TLS (of [`certificates`]) and a password (PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512). The user
/// has no rights; clients of [`kafka`] have all, and give them.
pub struct SecuredKafka {
    /// Bootstrap servers, `host:port` with commas between.
    pub brokers: String,
    /// The user.
    pub username: String,
    /// The user's password.
    pub password: String,
}

/// A Kafka that asks for TLS and a password.
#[track_caller]
pub fn secured_kafka() -> Option<SecuredKafka> {
    let place = Location::caller();
    let brokers = given(KAFKA_TLS, "Kafka with TLS and passwords", place)?;
    let credentials = given(KAFKA_CREDENTIALS, "user of Kafka", place)?;
    let (username, password) = credentials.split_once(':')?;
    Some(SecuredKafka { brokers, username: username.to_owned(), password: password.to_owned() })
}

/// Certificates in PEM, for servers on 127.0.0.1; `localhost` is a name that they do not have.
pub struct Certificates {
    /// Of the authority that has signed the server's.
    pub authority: PathBuf,
    /// Of another authority, which has signed nothing.
    pub stranger: PathBuf,
    /// The server's.
    pub server: PathBuf,
    /// The server's key.
    pub key: PathBuf,
}

/// Certificates for servers that a test starts; the secured Kafka and PostgreSQL have the same.
#[track_caller]
pub fn certificates() -> Option<Certificates> {
    let folder = PathBuf::from(given(CERTIFICATES, "certificates", Location::caller())?);
    let file = |name: &str| folder.join(name);
    Some(Certificates {
        authority: file("authority.pem"),
        stranger: file("stranger.pem"),
        server: file("server.pem"),
        key: file("server.key"),
    })
}

fn given(variable: &str, name: &str, place: &Location<'_>) -> Option<String> {
    let value = std::env::var(variable).ok().filter(|value| !value.is_empty());
    if value.is_none() {
        static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
        let what = format!("{}:{}: no {name}", place.file(), place.line());
        if SAID.lock().insert(what.clone()) {
            // Past what captures the output of tests, as nobody sees that of tests that pass.
            let line = format!("NOT TESTED: {what} (set {variable} or run `cargo xtask servers`)\n");
            let _ = std::io::stderr().write_all(line.as_bytes());
            if let Some(file) = std::env::var_os(SKIPPED).filter(|path| !path.is_empty()) {
                record(&what, Path::new(&file));
            }
        }
    }
    value
}

fn record(what: &str, file: &Path) {
    // In one write, as several processes may do so at once.
    let written = File::options().append(true).create(true).open(file);
    let written = written.and_then(|mut file| file.write_all(format!("{what}\n").as_bytes()));
    assert!(written.is_ok(), "{SKIPPED} names a file that cannot be written: {written:?}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_recorded_a_line_each() {
        let file = tempfile::NamedTempFile::new().unwrap();
        record("a.rs:1: no Redis", file.path());
        record("b.rs:2: no Kafka", file.path());
        assert_eq!(std::fs::read_to_string(file.path()).unwrap(), "a.rs:1: no Redis\nb.rs:2: no Kafka\n");
    }

    #[test]
    fn what_is_given_is_handed_on() {
        // Cargo sets it for every test.
        let name = given("CARGO_PKG_NAME", "package", Location::caller());
        assert_eq!(name.as_deref(), Some("antiphon-testkit"));
    }

    #[test]
    #[should_panic(expected = "cannot be written")]
    fn a_record_that_cannot_be_written_fails_the_test() {
        record("a.rs:1: no Redis", Path::new("/nonexistent/folder/skipped"));
    }
}
