//! A process that cannot use an engine does not start, and says where it looked, what is wrong and what to do.

use antiphon_testkit::deployment::{Engines, SECRET, Topology};
use antiphon_testkit::process::ServerProcess;
use std::path::Path;
use std::process::{Command, Stdio};

/// What the command says of this configuration, which it has to fail with.
pub fn failure(command: &str, config: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let data = format!("data = {:?}\n", folder.path().join("data"));
    failure_in(folder.path(), command, &(data + config))
}

fn failure_in(folder: &Path, command: &str, config: &str) -> String {
    let file = folder.join("antiphon.toml");
    std::fs::write(&file, config).unwrap();
    let mut antiphon = Command::new(env!("CARGO_BIN_EXE_antiphon"));
    let output = antiphon
        .arg(command)
        .arg("--config")
        .arg(&file)
        .stdin(Stdio::null())
        .env("ANTIPHON_LISTEN", "127.0.0.1:0")
        .output()
        .unwrap();
    assert!(!output.status.success(), "{command} {config}: it does not fail");
    String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
}

/// What a server says at its end, without its log.
fn refusal(topology: Topology, tables: &str) -> String {
    let said = failure("serve", &format!("topology = \"{topology}\"\n[auth]\njwt_secret = \"{SECRET}\"\n{tables}"));
    assert!(!said.contains("s3cr3t-w0rd"), "a password: {said}");
    said.split_once("antiphon: ").unwrap_or_else(|| panic!("nothing is said: {said}")).1.to_owned()
}

fn records(url: &str) -> String {
    format!("[records]\nurl = \"{url}\"\n")
}

#[test]
fn where_postgresql_cannot_be_used() {
    let said = refusal(Topology::Grpc, &records("postgres://ann:s3cr3t-w0rd@127.0.0.1:1/rooms"));
    let at = "records: PostgreSQL cannot be reached at 127.0.0.1:1 (database rooms, user ann): nothing listens there\n    → start it";
    assert!(said.starts_with(at), "{said}");
    let said = refusal(Topology::Embedded, &records("mysql://ann:s3cr3t-w0rd@127.0.0.1:1/rooms"));
    assert!(said.contains("records.url cannot be read") && said.contains("→ write it as postgres://"), "{said}");
    let Some(engines) = Engines::given(Topology::Grpc) else { return };
    let address = engines.postgres_address();
    let said = refusal(Topology::Grpc, &records(&format!("postgres://nobody:s3cr3t-w0rd@{address}/postgres")));
    assert!(said.contains(&format!("{address} does not let the user nobody in (database postgres)")), "{said}");
    let missing = engines.postgres.rsplit_once('/').unwrap().0.to_owned() + "/does_not_exist";
    let said = refusal(Topology::Grpc, &records(&missing));
    assert!(said.contains("has no database does_not_exist") && said.contains("→ create it: CREATE DATABASE"), "{said}");
}

#[test]
fn where_kafka_cannot_be_used() {
    let tables = "[kafka]\nbrokers = \"127.0.0.1:1\"\nsecurity = \"sasl-plaintext\"\nusername = \"ann\"\npassword = \"s3cr3t-w0rd\"\n";
    let said = refusal(Topology::Kafka, tables);
    assert!(
        said.starts_with("kafka: no Kafka broker answers at 127.0.0.1:1 (nothing listens there): check "),
        "{said}"
    );
}

#[test]
fn where_redis_is_the_log_and_cannot_be_used() {
    let redis = |url: &str| format!("[redis]\nurl = \"{url}\"\n");
    let said = refusal(Topology::RedisStreams, &redis("redis://ann:s3cr3t-w0rd@127.0.0.1:1"));
    assert!(said.starts_with("redis: Redis does not answer at 127.0.0.1:1 (nothing listens there): check "), "{said}");
    let Some(address) = antiphon_testkit::servers::redis() else { return };
    let said = refusal(Topology::RedisStreams, &redis(&address.replace("redis://", "redis://ann:s3cr3t-w0rd@")));
    assert!(said.contains("refused the user \"ann\" with this password: correct them in `redis.url`"), "{said}");
}

#[test]
fn where_the_data_directory_is_of_another_deployment() {
    let config = |topology: &str| format!("topology = \"{topology}\"\n[auth]\njwt_secret = \"{SECRET}\"\n");
    let mut server = ServerProcess::start(env!("CARGO_BIN_EXE_antiphon"), &config("grpc"), &[]);
    server.kill9();
    let data = format!("data = {:?}\n", server.data());
    for command in ["doctor", "serve"] {
        let folder = tempfile::tempdir().unwrap();
        let said = failure_in(folder.path(), command, &(data.clone() + &config("redis-streams")));
        assert!(
            said.contains("topology = \"grpc\", and this configuration has \"redis-streams\""),
            "{command}: {said}"
        );
    }
}
