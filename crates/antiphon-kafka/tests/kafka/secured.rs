//! A listener that asks for TLS and a password, and a user with as few rights as can be.

use crate::copies;
use crate::deployment::{Deployment, channel, target};
use crate::rights::{Operation, Resource, allow};
use antiphon_core::{ChannelName, Log, Sharding};
use antiphon_kafka::{Copies, Credentials, Finding, FindingKind, KafkaTarget, Mechanism, Security, Tls, check};
use antiphon_testkit::servers::{self, SecuredKafka};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Where operators read what a user needs.
const DOCUMENTED: &str = include_str!("../../../../docs/scaling.md");
const NEEDED: [Operation; 4] = [Operation::Create, Operation::Read, Operation::Write, Operation::DescribeConfigs];
/// Where copies for other consumers go.
const COPIES: [&str; 8] = [
    "ar.stream.start",
    "ar.stream.chunk",
    "ar.stream.end",
    "ar.stream.interrupt",
    "ar.message.request",
    "room.created",
    "room.deleted",
    "message.created",
];
const MECHANISMS: [Mechanism; 3] = [Mechanism::ScramSha512, Mechanism::ScramSha256, Mechanism::Plain];

/// A Kafka with both listeners.
struct Listeners {
    plain: String,
    secured: SecuredKafka,
    authority: PathBuf,
    stranger: PathBuf,
}

impl Listeners {
    #[track_caller]
    fn given() -> Option<Self> {
        let (plain, secured) = (servers::kafka()?, servers::secured_kafka()?);
        let servers::Certificates { authority, stranger, .. } = servers::certificates()?;
        Some(Self { plain, secured, authority, stranger })
    }

    async fn allow(&self, resource: Resource<'_>, operations: &[Operation]) {
        allow(&self.plain, &self.secured.username, resource, operations).await;
    }

    fn credentials(&self, mechanism: Mechanism) -> Option<Credentials> {
        let SecuredKafka { username, password, .. } = &self.secured;
        Some(Credentials { mechanism, username: username.clone(), password: password.clone() })
    }

    fn security(&self, mechanism: Mechanism) -> Security {
        Security { tls: trusting(&self.authority), credentials: self.credentials(mechanism) }
    }

    fn to_secured(&self, plain: &KafkaTarget, mechanism: Mechanism) -> KafkaTarget {
        KafkaTarget { brokers: self.secured.brokers.clone(), security: self.security(mechanism), ..plain.clone() }
    }
}

fn trusting(authority: &Path) -> Option<Tls> {
    Some(Tls { ca_file: Some(authority.to_owned()) })
}

fn kinds(findings: &[Finding]) -> Vec<FindingKind> {
    findings.iter().map(|finding| finding.kind).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rights_that_are_documented_are_enough_with_every_mechanism() {
    let Some(listeners) = Listeners::given() else { return };
    let deployment = Deployment::new(&listeners.plain, 2);
    let secured = listeners.to_secured(&deployment.target, Mechanism::ScramSha512);
    assert_eq!(kinds(&check(&secured).await.findings), [FindingKind::NotAuthorised]);
    for operation in NEEDED {
        let word = format!("--operation {operation:?}");
        assert!(DOCUMENTED.contains(&word), "docs/scaling.md does not name {word}");
    }
    listeners.allow(Resource::Topic(&deployment.target.topic), &NEEDED).await;
    let begun = Instant::now();
    // Brokers learn of rights one after the other.
    while kinds(&check(&secured).await.findings) == [FindingKind::NotAuthorised] {
        assert!(begun.elapsed() < Duration::from_secs(20), "the rights have no effect");
    }
    let mut processes = Vec::new();
    for mechanism in MECHANISMS {
        let target = listeners.to_secured(&deployment.target, mechanism);
        let name = format!("{mechanism:?}");
        processes.push(deployment.process_with(&name, |options| options.target = target).await);
        let room = channel(&name);
        let owner = processes.last().unwrap();
        owner.own(0, 1).await;
        owner.own(1, 1).await;
        owner.append(&room, &["one", "two"]).await.unwrap();
    }
    for process in &processes {
        process.until_told(6).await;
        for mechanism in MECHANISMS {
            assert_eq!(process.texts(&channel(&format!("{mechanism:?}"))).await, ["one", "two"]);
        }
    }
    for mechanism in MECHANISMS {
        let found = check(&listeners.to_secured(&deployment.target, mechanism)).await.findings;
        assert_eq!(kinds(&found), [FindingKind::SingleCopy], "{found:?}");
    }
    deployment.end(processes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rights_that_are_documented_are_enough_for_copies() {
    let Some(listeners) = Listeners::given() else { return };
    let deployment = Deployment::new(&listeners.plain, 1);
    listeners.allow(Resource::Topic(&deployment.target.topic), &NEEDED).await;
    for topic in COPIES {
        assert!(DOCUMENTED.contains(&format!("--topic {topic}")), "docs/scaling.md does not name {topic}");
        listeners.allow(Resource::Topic(topic), &[Operation::Create, Operation::Write]).await;
    }
    assert!(DOCUMENTED.contains("--group antiphon-copies"));
    listeners.allow(Resource::Group("antiphon-copies"), &[Operation::Read]).await;
    let target = listeners.to_secured(&deployment.target, Mechanism::ScramSha256);
    let begun = Instant::now();
    while kinds(&check(&target).await.findings) == [FindingKind::NotAuthorised] {
        assert!(begun.elapsed() < Duration::from_secs(20), "the rights have no effect");
    }
    let process = deployment.process_with("copying", |options| options.target = target).await;
    process.own(0, 1).await;
    let copying = Copies::start(process.log.clone()).await.unwrap();
    let id = format!("room-{}", uuid::Uuid::new_v4().simple());
    let room = ChannelName::new("ar-room", &id).unwrap();
    let position = process.log.append(&room, vec![copies::chunk(7)]).await.unwrap()[0];
    let plain = listeners.plain.clone();
    let chunks = tokio::task::spawn_blocking(move || copies::consume(&plain, &id, 1)).await.unwrap();
    assert_eq!(chunks, [(7, position.to_string())]);
    drop(copying);
    deployment.end([process]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_keeps_a_client_out_is_told_apart() {
    let Some(listeners) = Listeners::given() else { return };
    let (plain, secured) = (listeners.plain.as_str(), listeners.secured.brokers.as_str());
    let renamed = secured.replace("127.0.0.1", "localhost");
    let good = |mechanism| listeners.security(mechanism);
    let mut cases = Vec::new();
    for mechanism in MECHANISMS {
        let mut wrong = good(mechanism);
        wrong.credentials.as_mut().unwrap().password = "wr0ng".to_owned();
        cases.push((secured, wrong, FindingKind::Credentials, "refused the user \"antiphon\""));
    }
    let scram = Mechanism::ScramSha512;
    let untrusting = Security { tls: trusting(&listeners.stranger), ..good(scram) };
    let without_password = Security { credentials: None, ..good(scram) };
    let in_clear = Security { tls: None, ..good(scram) };
    cases.extend([
        (secured, untrusting, FindingKind::Tls, "stranger.pem"),
        (secured, Security { tls: Some(Tls::default()), ..good(scram) }, FindingKind::Tls, "this system trusts"),
        (&renamed, good(scram), FindingKind::Tls, "the name in the certificate"),
        (plain, good(scram), FindingKind::Tls, "speaks no TLS: set `kafka.security = \"sasl-plaintext\"`"),
        (plain, in_clear.clone(), FindingKind::Credentials, "no SASL"),
        (plain, without_password.clone(), FindingKind::Tls, "speaks no TLS: set `kafka.security = \"plaintext\"`"),
        (secured, in_clear, FindingKind::Tls, "wants TLS: set `kafka.security = \"sasl-ssl\"`"),
        (secured, Security::default(), FindingKind::Tls, "wants TLS: set `kafka.security = \"ssl\"`"),
        (secured, without_password, FindingKind::Credentials, "`kafka.security = \"sasl-ssl\"`"),
    ]);
    let checks = cases.into_iter().map(async |(brokers, security, kind, words)| {
        let target = KafkaTarget { security, ..target(brokers, "antiphon.log", Sharding::ONE) };
        let (found, case) = (check(&target).await.findings, format!("{brokers}, {:?}", target.security));
        let sentence = found.first().map(|finding| finding.sentence.clone()).unwrap_or_default();
        println!("{case}: {sentence}");
        assert!(!sentence.contains("wr0ng") && !sentence.contains(&listeners.secured.password), "{sentence}");
        let is_said = kinds(&found) == [kind] && sentence.contains(words);
        (!is_said).then(|| format!("{case}: {kind:?} and {words:?} expected: {found:?}"))
    });
    let wrong: Vec<String> = futures::future::join_all(checks).await.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
