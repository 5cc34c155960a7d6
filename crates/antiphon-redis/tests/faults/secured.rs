//! Redis behind TLS, for a user with as few rights as can be.

use super::eventually;
use super::fast_paths::Pair;
use super::process::{NO_LIMIT, Process, channel, event};
use super::server::Server;
use antiphon_core::{EventKind, Log, Position, ReadFrom, Record, RoomEvent};
use antiphon_redis::{Finding, FindingKind, RedisTarget, StreamStates, check};
use antiphon_testkit::servers::{self, Certificates};
use std::path::Path;

/// Where operators read what a user needs.
const DOCUMENTED: &str = include_str!("../../../../docs/scaling.md");

/// One that takes TLS, with a user who may look at it only.
async fn secured(certificates: &Certificates) -> Option<Server> {
    Server::start(Some(certificates), "user antiphon on >s3cret +ping +info +time +config|get").await
}

fn target(server: &Server, password: &str, authority: &Path) -> RedisTarget {
    let url = format!("rediss://antiphon:{password}@127.0.0.1:{}", server.tls_port);
    RedisTarget::parse(&url, "t:").unwrap().trusting(std::fs::read(authority).unwrap()).unwrap()
}

async fn findings(target: &RedisTarget) -> Vec<Finding> {
    check(target, true).await.findings
}

fn kinds(findings: &[Finding]) -> Vec<FindingKind> {
    findings.iter().map(|finding| finding.kind).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_authority_a_wrong_password_and_missing_rights_are_told_apart() {
    let Some(certificates) = servers::certificates() else { return };
    let Some(server) = secured(&certificates).await else { return };
    let Certificates { authority, stranger, .. } = &certificates;
    let untrusted = findings(&target(&server, "s3cret", stranger)).await;
    assert_eq!(kinds(&untrusted), [FindingKind::Tls]);
    assert!(untrusted[0].sentence.contains("authority"), "{}", untrusted[0]);
    let renamed = RedisTarget::parse(&format!("rediss://localhost:{}", server.tls_port), "").unwrap();
    let renamed = findings(&renamed.trusting(std::fs::read(authority).unwrap()).unwrap()).await;
    assert_eq!(kinds(&renamed), [FindingKind::Tls]);
    assert!(renamed[0].sentence.contains("names the host"), "{}", renamed[0]);
    let refused = findings(&target(&server, "wrong", authority)).await;
    assert_eq!(kinds(&refused), [FindingKind::Credentials]);
    assert!(refused[0].sentence.contains("\"antiphon\"") && !refused[0].sentence.contains("wrong"), "{}", refused[0]);
    assert_eq!(kinds(&findings(&target(&server, "s3cret", authority)).await), [FindingKind::NotAuthorised]);
    let system = RedisTarget::parse(&format!("rediss://127.0.0.1:{}", server.tls_port), "").unwrap();
    assert_eq!(kinds(&findings(&system).await), [FindingKind::Tls], "the system knows no authority of a test");
    for url in [format!("redis://127.0.0.1:{}", server.tls_port), format!("rediss://127.0.0.1:{}", server.port)] {
        let found = findings(&RedisTarget::parse(&url, "").unwrap()).await;
        assert!(matches!(kinds(&found)[..], [FindingKind::Unreachable | FindingKind::Tls]), "{url}: {found:?}");
        assert!(found[0].sentence.contains("TLS"), "{}", found[0]);
    }
}

/// The rules that the doctor's advice ends in.
async fn advised(target: &RedisTarget) -> Vec<String> {
    let found = findings(target).await;
    let advice = found[0].sentence.split('`').nth(1).unwrap().to_owned();
    advice.split_whitespace().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rights_that_are_named_are_enough_for_the_log_and_the_live_paths() {
    let Some(certificates) = servers::certificates() else { return };
    let Some(server) = secured(&certificates).await else { return };
    let target = target(&server, "s3cret", &certificates.authority);
    let advice = advised(&target).await;
    for word in advice.iter().filter(|word| word.starts_with('+')) {
        assert!(DOCUMENTED.split_whitespace().any(|found| found == word), "docs/scaling.md does not name {word}");
    }
    let words: Vec<&str> = advice.iter().map(String::as_str).collect();
    assert_eq!(words[..3], ["ACL", "SETUSER", "antiphon"]);
    let _: () = server.ask(&words).await;
    let _: () = server.ask(&["ACL", "LOG", "RESET"]).await;
    assert_eq!(findings(&target).await, []);

    let (owner, other) = (Process::of(&target, &channel()).await, Process::of(&target, &channel()).await);
    owner.begin(1).await;
    let mut said = event("1");
    said.event_id = Some("once".to_owned());
    let first = owner.log.append(&channel(), vec![said.clone()]).await.unwrap()[0];
    assert_eq!(owner.log.append(&channel(), vec![said]).await.unwrap(), [first]);
    let second = owner.append(&channel(), "2").await.unwrap();
    eventually("the other process does not follow", || other.sight.has(2)).await;
    assert_eq!(other.log.read(&channel(), ReadFrom::After(first), NO_LIMIT).await.unwrap()[0].position, second);
    owner.log.trim(&channel(), first).await.unwrap();
    owner.log.enforce_retention().await.unwrap();
    assert_eq!(other.log.bounds(&channel()).await.unwrap().start, first);

    for is_copies in [true, false] {
        Pair::of(&target, is_copies).expect_flow().await;
    }
    expect_state(&server, target).await;
    let denied: Vec<redis::Value> = server.ask(&["ACL", "LOG"]).await;
    assert!(denied.is_empty(), "{denied:?}");
}

/// The mirror of a stream's state.
async fn expect_state(server: &Server, target: RedisTarget) {
    let states = StreamStates::new(target);
    let event = RoomEvent::ArStreamPause { stream_id: "s1".to_owned(), by: "anna".to_owned() };
    let channel = antiphon_core::ChannelName::parse("ar-room:1").unwrap();
    let position = Position::before_first(&channel, 1);
    let json = event.encode("1", None).unwrap().json;
    let record = Record { channel, position, kind: EventKind::Plain, json, provider_at: None, logged_at: None };
    loop {
        states.note(std::slice::from_ref(&record));
        let status: Option<String> = server.ask(&["HGET", "t:ar:stream:s1", "status"]).await;
        if status.as_deref() == Some("paused") {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}
