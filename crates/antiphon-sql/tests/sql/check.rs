//! The doctor names what is wrong with a PostgreSQL database, and what to do.

use crate::databases::{self, Postgres};
use antiphon_sql::*;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The problems' and warnings' sentences; each has advice.
async fn findings(url: &str) -> Vec<(Severity, String)> {
    let begun = Instant::now();
    let checked = check(url).await;
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    assert!(checked.findings.iter().all(|finding| !finding.advice.is_empty()), "{checked:?}");
    checked.findings.into_iter().map(|finding| (finding.severity, finding.what)).collect()
}

#[track_caller]
fn assert_problem(found: &[(Severity, String)], words: &str) {
    let says = |(severity, what): &(Severity, String)| *severity == Severity::Problem && what.contains(words);
    assert!(found.iter().any(says), "no `{words}` in {found:?}");
}

#[tokio::test]
async fn a_sound_database_has_no_findings_before_and_after_it_is_used() {
    let Some(postgres) = Postgres::create().await else { return };
    let before = check(&postgres.url).await;
    assert_eq!(before.findings, []);
    assert!(before.server.unwrap().starts_with("PostgreSQL "));
    Records::connect(&postgres.url).await.unwrap().close().await;
    assert_eq!(check(&postgres.url).await.findings, []);
}

#[tokio::test]
async fn what_cannot_be_reached_or_read_is_named() {
    for url in ["mysql://host/x", "postgres://host:port/x", "postgres://host/x?sslmode=perhaps"] {
        assert_problem(&findings(url).await, "cannot be read");
    }
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = free.local_addr().unwrap();
    assert_problem(&findings(&format!("postgres://secret:word@{silent}/x")).await, "cannot be reached");
    drop(free);
    let found = findings(&format!("postgres://name:word@{silent}/x")).await;
    assert_problem(&found, &format!("cannot be reached at {silent}"));
    assert!(!format!("{found:?}").contains("word"));
    assert_problem(
        &findings("postgres://u@does-not-exist.invalid/x").await,
        "cannot be reached at does-not-exist.invalid",
    );
}

#[tokio::test]
async fn a_database_that_is_missing_or_of_another_encoding_is_named() {
    let Some(postgres) = Postgres::create().await else { return };
    let other = postgres.url_of(|url| url.set_path("does_not_exist"));
    assert_problem(&findings(&other).await, "has no database does_not_exist");
    let name = format!("{}_latin", postgres.name);
    let create = format!("CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
    postgres.administer(&create).await;
    let latin = findings(&postgres.url_of(|url| url.set_path(&name))).await;
    postgres.administer(&format!("DROP DATABASE {name} WITH (FORCE)")).await;
    assert_problem(&latin, "LATIN1");
}

#[tokio::test]
async fn encryption_that_the_server_does_not_offer_is_named() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            // To whoever asks for TLS: no. <https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL>
            let mut request = [0; 8];
            let _ = socket.read_exact(&mut request).await;
            let _ = socket.write_all(b"N").await;
        }
    });
    let found = findings(&format!("postgres://anna@{address}/x?sslmode=require")).await;
    server.abort();
    assert_problem(&found, "no encrypted connection");
}

#[tokio::test]
async fn roles_without_their_rights_are_named() {
    let Some(postgres) = Postgres::create().await else { return };
    let role = format!("{}_role", postgres.name);
    postgres.administer(&format!("CREATE ROLE {role} LOGIN")).await;
    let as_role = postgres.url_of(|url| url.set_username(&role).unwrap());
    let execute = async |text: String| databases::execute(&postgres.url, &text).await;
    execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC".into()).await;
    let may_not_create = findings(&as_role).await;
    assert!(matches!(Records::connect(&as_role).await, Err(RecordsError::Database(_))));
    Records::connect(&postgres.url).await.unwrap().close().await;
    let may_not_read = findings(&as_role).await;
    execute(format!("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}")).await;
    let may = findings(&as_role).await;
    execute(format!("ALTER ROLE {role} SET default_transaction_read_only = on")).await;
    let only_read = findings(&as_role).await;
    execute(format!("ALTER ROLE {role} SET search_path = nowhere")).await;
    let nowhere = findings(&as_role).await;
    execute(format!("ALTER ROLE {role} NOLOGIN")).await;
    let no_login = findings(&as_role).await;
    execute(format!("DROP OWNED BY {role}")).await;
    postgres.administer(&format!("DROP ROLE {role}")).await;

    assert_problem(&may_not_create, "may not create tables");
    assert_problem(&may_not_read, "may not read and write the table rooms");
    assert_eq!(may, []);
    assert_problem(&only_read, "only read");
    assert_problem(&nowhere, "no schema");
    assert_problem(&no_login, "does not let the user");
}

#[tokio::test]
async fn a_schema_of_another_version_is_named() {
    let Some(postgres) = Postgres::create().await else { return };
    Records::connect(&postgres.url).await.unwrap().close().await;
    let execute = async |text: &str| databases::execute(&postgres.url, text).await;
    execute("UPDATE _sqlx_migrations SET version = 99 WHERE version = 3").await;
    assert_problem(&findings(&postgres.url).await, "newer than this program");
    execute("UPDATE _sqlx_migrations SET checksum = '\\x00' WHERE version = 2").await;
    assert_problem(&findings(&postgres.url).await, "step 2 is not the one");
}
