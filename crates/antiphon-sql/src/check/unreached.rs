//! Why there is no connection to a PostgreSQL database.

use super::{Finding, problem};
use crate::RecordsError;
use antiphon_core::plain_words;
use sqlx::postgres::PgConnectOptions;
use std::io;

/// What keeps a connection from coming about. The codes are PostgreSQL's (manual, appendix A).
pub(super) fn finding(error: &RecordsError, options: &PgConnectOptions) -> Finding {
    let (at, user, database) = (at(options), options.get_username(), database(options));
    match error {
        RecordsError::Database(sqlx::Error::Tls(error)) => return not_encrypted(&at, error),
        RecordsError::Database(sqlx::Error::Io(error)) => match error.kind() {
            // What the TLS library finds wrong with a certificate.
            io::ErrorKind::InvalidData => return not_encrypted(&at, error),
            io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => {
                let what = format!("a file that records.url names cannot be used: {error}");
                return problem(what, "check sslrootcert, sslcert, sslkey and the path of a socket");
            }
            _ => {}
        },
        _ => {}
    }
    let said = said(error);
    match error.sql_state().as_deref() {
        Some("28P01") => problem(
            format!("PostgreSQL at {at} refuses the password of the user {user} (database {database})"),
            "check user and password in records.url; characters other than letters and digits have to be percent-encoded",
        ),
        Some("28000") => problem(
            format!("PostgreSQL at {at} does not let the user {user} in (database {database}): {said}"),
            "make the role with LOGIN, and let pg_hba.conf accept it from this host, with sslmode=require where it says \
             hostssl",
        ),
        Some("3D000") => problem(
            format!("PostgreSQL at {at} has no database {database} (user {user})"),
            format!("create it: CREATE DATABASE \"{database}\" OWNER \"{user}\" ENCODING 'UTF8' TEMPLATE template0"),
        ),
        Some("42501") => problem(
            format!("the user {user} must not connect to the database {database} at {at}"),
            format!("allow it: GRANT CONNECT ON DATABASE \"{database}\" TO \"{user}\""),
        ),
        Some("53300") => problem(
            format!("PostgreSQL at {at} has no connection left"),
            "raise max_connections, or let fewer processes use it",
        ),
        Some("57P03") => problem(format!("PostgreSQL at {at} is starting or stopping: {said}"), "wait until it is up"),
        Some(code) => problem(
            format!("PostgreSQL at {at} refuses the connection: {said} ({code})"),
            "look into the database's own log",
        ),
        None => problem(
            format!("PostgreSQL cannot be reached at {at} (database {database}, user {user}): {said}"),
            "start it, or check host and port in records.url, name resolution, listen_addresses and firewalls",
        ),
    }
}

fn not_encrypted(at: &str, error: impl std::fmt::Display) -> Finding {
    let advice = "set sslmode to what the server offers: verify-full with the name in its certificate, and \
                  sslrootcert=FILE where the authority is your own; disable where it offers none and the network is yours";
    problem(format!("there is no encrypted connection to {at}: {error}"), advice)
}

/// Which database, and where.
pub(super) fn place(options: &PgConnectOptions) -> String {
    format!("the database {} at {}", database(options), at(options))
}

fn at(options: &PgConnectOptions) -> String {
    match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    }
}

fn database(options: &PgConnectOptions) -> &str {
    options.get_database().unwrap_or(options.get_username())
}

/// What went wrong, without the driver's own words where they can be done without.
pub(super) fn said(error: &RecordsError) -> String {
    match error {
        RecordsError::Timeout => "no answer in time, as where another server has the port".to_owned(),
        RecordsError::Database(sqlx::Error::Database(error)) => error.message().to_owned(),
        RecordsError::Database(sqlx::Error::Io(error)) => plain_words(&error.to_string()).to_owned(),
        RecordsError::Database(sqlx::Error::Configuration(error)) => error.to_string(),
        RecordsError::Database(error) => error.to_string(),
        other => other.to_string(),
    }
}
