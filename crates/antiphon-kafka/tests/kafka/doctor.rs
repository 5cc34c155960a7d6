//! What is wrong with Kafka or the topic is told apart, with what to do.

use crate::deployment::{Deployment, target};
use antiphon_core::Sharding;
use antiphon_kafka::{
    Credentials, Finding, FindingKind, KafkaLog, KafkaTarget, Mechanism, OpenError, Tls, check, remove,
};
use antiphon_testkit::servers;

fn kinds(findings: &[Finding]) -> Vec<FindingKind> {
    findings.iter().map(|finding| finding.kind).collect()
}

async fn found(target: &KafkaTarget) -> Vec<FindingKind> {
    let findings = check(target).await.findings;
    for finding in &findings {
        assert!(finding.sentence.contains(": ") || finding.sentence.contains("; "), "no remedy: {finding}");
        assert!(!finding.sentence.contains("secret"), "a password: {finding}");
    }
    kinds(&findings)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_not_there_or_speaks_otherwise_is_told_apart() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = listener.local_addr().unwrap().to_string();
    drop(listener);
    assert_eq!(found(&target(&nobody, "antiphon.log", Sharding::ONE)).await, [FindingKind::Unreachable]);
    let mut wrong = target(&nobody, "antiphon.log", Sharding::ONE);
    wrong.security.tls = Some(Tls { ca_file: Some("/nonexistent/ca.pem".into()) });
    assert_eq!(found(&wrong).await, [FindingKind::Tls]);
    let Some(brokers) = servers::kafka() else { return };
    let mut wrong = target(&brokers, "antiphon.log", Sharding::ONE);
    wrong.security.tls = Some(Tls::default());
    assert_eq!(found(&wrong).await, [FindingKind::Tls], "TLS with a listener that has none");
    let mut wrong = target(&brokers, "antiphon.log", Sharding::ONE);
    let (username, password) = ("antiphon".to_owned(), "secret".to_owned());
    wrong.security.credentials = Some(Credentials { mechanism: Mechanism::ScramSha256, username, password });
    let findings = check(&wrong).await.findings;
    assert_eq!(kinds(&findings), [FindingKind::Credentials]);
    assert!(findings[0].sentence.contains("no SASL"), "{findings:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_does_not_fit_is_explained_and_refused() {
    let Some(brokers) = servers::kafka() else { return };
    let deployment = Deployment::new(&brokers, 4);
    assert_eq!(found(&deployment.target).await, [FindingKind::TopicMissing]);
    let settings =
        [("cleanup.policy", "compact"), ("retention.ms", "60000"), ("unclean.leader.election.enable", "true")];
    deployment.make_topic(3, &settings).await;
    let findings = check(&deployment.target).await.findings;
    let expected = [FindingKind::PartitionCount, FindingKind::SingleCopy];
    assert_eq!(kinds(&findings)[..2], expected);
    for name in ["cleanup.policy", "retention.ms", "unclean.leader.election.enable", "max.message.bytes"] {
        let named = |finding: &&Finding| finding.kind == FindingKind::Settings && finding.sentence.contains(name);
        assert_eq!(findings.iter().filter(named).count(), 1, "{name}: {findings:?}");
    }
    let (options, ..) = deployment.options("refused");
    let refused = KafkaLog::open(options).await.err().unwrap();
    assert!(
        matches!(&refused, OpenError::Kafka(findings) if kinds(findings)[0] == FindingKind::PartitionCount),
        "{refused}"
    );
    deployment.delete_topic().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_was_made_here_is_good() {
    let Some(brokers) = servers::kafka() else { return };
    let deployment = Deployment::new(&brokers, 4);
    let process = deployment.process("first").await;
    assert_eq!(found(&deployment.target).await, [FindingKind::SingleCopy], "one broker");
    let server = check(&deployment.target).await.server.unwrap();
    assert!(
        server.starts_with("Apache Kafka ") && server.contains(" or newer") && server.contains("1 broker"),
        "{server}"
    );
    let mut wanting = deployment.target.clone();
    wanting.replication_factor = 3;
    assert_eq!(found(&wanting).await[0], FindingKind::Replication);
    wanting.topic.push_str("-other");
    let findings = check(&wanting).await.findings;
    assert_eq!(kinds(&findings), [FindingKind::Replication]);
    assert!(findings[0].sentence.contains("there is 1 broker, fewer than the 3 copies"), "{findings:?}");
    let (mut options, ..) = deployment.options("other");
    options.target = wanting;
    let refused = KafkaLog::open(options).await.err().unwrap();
    assert!(
        matches!(&refused, OpenError::Kafka(findings) if kinds(findings) == [FindingKind::Replication]),
        "{refused}"
    );
    process.log.close().await.unwrap();
    remove(&deployment.target).await.unwrap();
    while found(&deployment.target).await != [FindingKind::TopicMissing] {}
    remove(&deployment.target).await.unwrap();
}
