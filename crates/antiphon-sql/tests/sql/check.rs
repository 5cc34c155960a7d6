//! The doctor names what is wrong with a PostgreSQL database, and what to do.

use crate::databases::{self, Postgres};
use antiphon_core::Sharding;
use antiphon_sql::*;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn grpc() -> Deployment {
    Deployment { topology: "grpc".into(), sharding: Sharding::new(4).unwrap(), kafka_topic: None, redis_prefix: None }
}

/// The problems' and warnings' sentences; each has advice.
async fn findings(url: &str) -> Vec<(Severity, String)> {
    findings_of(url, &Claim::Shared(grpc())).await
}

async fn findings_of(url: &str, claim: &Claim) -> Vec<(Severity, String)> {
    let begun = Instant::now();
    let checked = check(url, claim).await;
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
    let claim = Claim::Shared(grpc());
    let before = check(&postgres.url, &claim).await;
    assert_eq!(before.findings, []);
    assert!(before.server.unwrap().starts_with("PostgreSQL "));
    Records::connect(&postgres.url).await.unwrap().close().await;
    assert_eq!(check(&postgres.url, &claim).await.findings, []);
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
    let found = findings(&format!("postgres://name:word@{silent}/some")).await;
    assert_problem(&found, &format!("cannot be reached at {silent} (database some, user name): nothing listens there"));
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

/// What it says to whoever connects. <https://www.postgresql.org/docs/current/protocol-message-formats.html>
const REFUSAL: &[u8] = b"E\0\0\0\x2dSFATAL\0C28P01\0Mno such password for you\0\0";

#[tokio::test]
async fn a_password_that_is_refused_is_named_by_whose_it_is_and_not_shown() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut startup = [0; 64];
        let _ = socket.read(&mut startup).await;
        let _ = socket.write_all(REFUSAL).await;
        let _ = socket.read(&mut startup).await;
    });
    let found = findings(&format!("postgres://anna:w0rd@{address}/rooms?sslmode=disable")).await;
    server.abort();
    assert_problem(&found, &format!("{address} refuses the password of the user anna (database rooms)"));
    assert!(!format!("{found:?}").contains("w0rd"));
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
async fn a_database_of_another_program_is_named() {
    for theirs in [
        "CREATE TABLE rooms (number INT)",
        "CREATE TABLE _sqlx_migrations (version BIGINT, checksum BYTEA); INSERT INTO _sqlx_migrations VALUES (1, '\\x00')",
    ] {
        let Some(postgres) = Postgres::create().await else { return };
        databases::execute(&postgres.url, theirs).await;
        assert!(Records::connect(&postgres.url).await.is_err());
        let found = findings(&postgres.url).await;
        assert_problem(&found, "another program's");
        assert_eq!(found.len(), 1, "{found:?}");
    }
}

#[tokio::test]
async fn a_database_of_another_deployment_is_named_and_left_as_it_is() {
    let Some(postgres) = Postgres::create().await else { return };
    let records = Records::connect(&postgres.url).await.unwrap();
    let alone = Claim::Alone { topology: "embedded".into() };
    assert_eq!(findings_of(&postgres.url, &alone).await, []);
    assert_eq!(findings(&postgres.url).await, []);
    assert_eq!(records.leases().topology().await.unwrap(), None, "whoever looks takes no part");
    let kafka = Deployment { topology: "kafka".into(), kafka_topic: Some("one".into()), ..grpc() };
    records.leases().join(&kafka).await.unwrap();
    assert_eq!(findings_of(&postgres.url, &Claim::Shared(kafka.clone())).await, []);
    let others = [
        (alone, "topology = \"kafka\", and this configuration has \"embedded\""),
        (Claim::Shared(grpc()), "topology = \"kafka\", and this configuration has \"grpc\""),
        (
            Claim::Shared(Deployment { kafka_topic: Some("two".into()), ..kafka.clone() }),
            "kafka.topic = \"one\", and this configuration has \"two\"",
        ),
        (
            Claim::Shared(Deployment { sharding: Sharding::new(8).unwrap(), ..kafka.clone() }),
            "cluster.shards = 4, and this configuration has 8",
        ),
    ];
    for (other, words) in others {
        assert_problem(&findings_of(&postgres.url, &other).await, words);
    }
    records.leases().join(&kafka).await.unwrap();
}

#[tokio::test]
async fn a_file_of_another_deployment_is_named_and_none_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("records.sqlite");
    let claim = Claim::Shared(grpc());
    assert_eq!(check_file(&path, &claim).await, Checked { server: None, findings: Vec::new() });
    assert!(!path.exists());
    let records = Records::open(&path).await.unwrap();
    assert_eq!(check_file(&path, &claim).await.findings, []);
    records.leases().join(&Deployment { topology: "redis-streams".into(), ..grpc() }).await.unwrap();
    let is_open = check_file(&path, &claim).await;
    records.close().await;
    let is_closed = check_file(&path, &claim).await;
    assert_eq!(is_open, is_closed);
    let [finding] = is_open.findings.as_slice() else { panic!("{is_open:?}") };
    assert!(finding.what.contains("topology = \"redis-streams\"") && finding.severity == Severity::Problem);
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
