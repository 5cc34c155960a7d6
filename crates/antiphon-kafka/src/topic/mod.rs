//! The topic that is the log: made where it is missing, compared with what it has to be, and explained to an operator.

mod finding;
mod listener;
mod probe;
mod removal;
mod version;

pub use finding::{Checked, Finding, FindingKind};
pub use removal::remove;

use crate::client::Complaints;
use crate::options::KafkaTarget;
use antiphon_core::limits::{KAFKA_CALL_TIMEOUT, KAFKA_RECORD_BYTES, KAFKA_RETENTION_MARGIN, MAX_STREAM_AGE};
use rdkafka::admin::{AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::{Metadata, MetadataTopic};
use std::time::{Duration, Instant};

/// Looks at everything that the log needs of Kafka, and writes one record that no reader counts. Nothing found is good.
/// For `antiphon doctor`: takes some seconds where Kafka does not answer.
pub async fn check(target: &KafkaTarget) -> Checked {
    let Inspected { brokers, version, mut findings } = inspect(target).await;
    if let Some(finding) = version.and_then(finding::version) {
        findings.push(finding);
    }
    if findings.iter().all(finding::lets_probe) {
        findings.extend(probe::probe(target).await);
    }
    name_another_server(target, &mut findings).await;
    let server = (brokers > 0).then(|| {
        let brokers = if brokers == 1 { "1 broker".to_owned() } else { format!("{brokers} brokers") };
        format!("{}, {brokers}", version::words(version))
    });
    Checked { server, findings }
}

/// Where no Kafka answers, somebody else may.
async fn name_another_server(target: &KafkaTarget, findings: &mut [Finding]) {
    if let [finding] = findings
        && matches!(finding.kind, FindingKind::Unreachable | FindingKind::Tls)
        && let Some(other) = listener::who_answers(target).await
    {
        *finding = finding::another_server(target, other);
    }
}

/// Makes the topic where it is missing, and gives what is wrong with it otherwise.
pub async fn ensure(target: &KafkaTarget) -> Vec<Finding> {
    let mut findings = inspect(target).await.findings;
    name_another_server(target, &mut findings).await;
    if !matches!(findings.as_slice(), [finding] if finding.kind == FindingKind::TopicMissing) {
        return findings;
    }
    if let Err(finding) = create(target).await {
        return vec![finding];
    }
    // Brokers learn of a new topic one after the other.
    let deadline = Instant::now() + KAFKA_CALL_TIMEOUT;
    loop {
        let findings = inspect(target).await.findings;
        let is_spreading = findings.iter().any(finding::may_be_spreading);
        if !is_spreading || Instant::now() > deadline {
            return findings;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn create(target: &KafkaTarget) -> Result<(), Finding> {
    let complaints = Complaints::default();
    let admin = admin(target, &complaints)?;
    let retention = target.retention.as_millis().to_string();
    let min_insync = target.min_insync_replicas().to_string();
    let bytes = KAFKA_RECORD_BYTES.to_string();
    let replication = TopicReplication::Fixed(i32::from(target.replication_factor));
    let topic = NewTopic::new(&target.topic, i32::from(target.sharding.count()), replication)
        .set("cleanup.policy", "delete")
        .set("unclean.leader.election.enable", "false")
        .set("min.insync.replicas", &min_insync)
        .set("retention.ms", &retention)
        .set("retention.bytes", "-1")
        .set("max.message.bytes", &bytes)
        // The broker's own time: retention then does not hang on our clocks, and the doctor can compare them.
        .set("message.timestamp.type", "LogAppendTime");
    let options =
        AdminOptions::new().operation_timeout(Some(KAFKA_CALL_TIMEOUT)).request_timeout(Some(KAFKA_CALL_TIMEOUT));
    let created = admin.create_topics([&topic], &options).await;
    match created.map(|mut results| results.pop()) {
        Ok(Some(Ok(_)) | None) | Ok(Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists)))) => Ok(()),
        Ok(Some(Err((_, code)))) => Err(finding::not_created(target, code)),
        Err(error) => Err(finding::of_error(target, &error, &complaints)),
    }
}

/// Makes the topics that copies go to, where they are missing.
pub async fn make_copies(target: &KafkaTarget, names: &[String]) -> Result<(), Finding> {
    let complaints = Complaints::default();
    let admin = admin(target, &complaints)?;
    let copies = i32::from(target.replication_factor);
    let partitions = i32::from(target.sharding.count());
    let topics: Vec<NewTopic<'_>> =
        names.iter().map(|name| NewTopic::new(name, partitions, TopicReplication::Fixed(copies))).collect();
    let options = AdminOptions::new().operation_timeout(Some(KAFKA_CALL_TIMEOUT));
    let made = admin.create_topics(&topics, &options).await;
    let results = made.map_err(|error| finding::of_error(target, &error, &complaints))?;
    let refused =
        results.into_iter().filter_map(Result::err).find(|(_, code)| *code != RDKafkaErrorCode::TopicAlreadyExists);
    match refused {
        Some((topic, code)) => Err(finding::not_created(&KafkaTarget { topic, ..target.clone() }, code)),
        None => Ok(()),
    }
}

/// What the brokers say without anything being written.
#[derive(Default)]
struct Inspected {
    /// How many answered for the cluster.
    brokers: usize,
    /// The newest Fetch that the first one knows.
    version: Option<i16>,
    findings: Vec<Finding>,
}

/// Asks for the cluster and the topic.
async fn inspect(target: &KafkaTarget) -> Inspected {
    let mut inspected = Inspected::default();
    if let Err(finding) = describe(target, &mut inspected).await {
        inspected.findings.push(finding);
    }
    inspected
}

async fn describe(target: &KafkaTarget, inspected: &mut Inspected) -> Result<(), Finding> {
    let complaints = Complaints::default();
    let admin = admin(target, &complaints)?;
    let metadata = ask(target, &complaints).await?;
    inspected.version = complaints.fetch_version();
    inspected.brokers = metadata.brokers().len();
    // The metadata may not be held while something is awaited.
    let replicas = match topic_of(target, &metadata, &complaints) {
        Ok(topic) => {
            inspected.findings = partitions(target, topic);
            replicas(topic)
        }
        Err(finding) if is_short(target, &finding, inspected.brokers) => {
            return Err(finding::few_brokers(target, inspected.brokers));
        }
        Err(finding) => return Err(finding),
    };
    drop(metadata);
    let options = AdminOptions::new().request_timeout(Some(KAFKA_CALL_TIMEOUT));
    let described = admin.describe_configs([&ResourceSpecifier::Topic(&target.topic)], &options).await;
    match described.map(|mut resources| resources.pop()) {
        Ok(Some(Ok(resource))) => inspected.findings.extend(settings(target, replicas, &resource)),
        Ok(Some(Err(code))) => return Err(finding::of_code(target, code, &complaints)),
        Ok(None) => {}
        Err(error) => return Err(finding::of_error(target, &error, &complaints)),
    }
    Ok(())
}

/// Whether the topic is missing and could not be made either.
fn is_short(target: &KafkaTarget, finding: &Finding, brokers: usize) -> bool {
    finding.kind == FindingKind::TopicMissing && brokers < usize::from(target.replication_factor)
}

/// How long log lines are read that are there already.
const LOG_LINES: Duration = Duration::from_millis(20);
/// How long errors are waited for that say why nothing came.
const COMPLAINTS: Duration = Duration::from_millis(200);

/// Asks for the topic's description. Where none comes, the connections' errors are gathered, which say why.
async fn ask(target: &KafkaTarget, complaints: &Complaints) -> Result<Metadata, Finding> {
    let mut config = target.client_config();
    // It says what the brokers can do, and how they hang up, in its log only.
    config.set("log.connection.close", "true").set("debug", "feature").set_log_level(RDKafkaLogLevel::Debug);
    let consumer: BaseConsumer<Complaints> = BaseConsumer::from_config_and_context(&config, complaints.clone())
        .map_err(|error| finding::client(target, &error.to_string()))?;
    let topic = target.topic.clone();
    let ask = move || {
        let metadata = consumer.fetch_metadata(Some(&topic), KAFKA_CALL_TIMEOUT);
        // Log lines and errors come with the records, of which there are none without a group.
        let until = Instant::now() + if metadata.is_ok() { LOG_LINES } else { COMPLAINTS };
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            drop(consumer.poll(left));
        }
        metadata
    };
    match tokio::task::spawn_blocking(ask).await {
        Ok(answer) => answer.map_err(|error| finding::of_error(target, &error, complaints)),
        Err(error) => Err(finding::unreachable(target, &error.to_string())),
    }
}

fn topic_of<'a>(
    target: &KafkaTarget,
    metadata: &'a Metadata,
    complaints: &Complaints,
) -> Result<&'a MetadataTopic, Finding> {
    let topic = metadata.topics().iter().find(|topic| topic.name() == target.topic);
    let topic = topic.ok_or_else(|| finding::missing(target))?;
    match topic.error().map(RDKafkaErrorCode::from) {
        Some(code) => Err(finding::of_code(target, code, complaints)),
        None => Ok(topic),
    }
}

/// Copies of the partition that has the fewest.
fn replicas(topic: &MetadataTopic) -> usize {
    topic.partitions().iter().map(|partition| partition.replicas().len()).min().unwrap_or_default()
}

fn admin(target: &KafkaTarget, complaints: &Complaints) -> Result<AdminClient<Complaints>, Finding> {
    AdminClient::from_config_and_context(&target.client_config(), complaints.clone()).map_err(|error| match error {
        // Said before anything was sent: a file that cannot be read, or settings that contradict each other.
        KafkaError::ClientCreation(reason) | KafkaError::ClientConfig(_, reason, ..) => {
            finding::client(target, &reason)
        }
        error => finding::client(target, &error.to_string()),
    })
}

fn partitions(target: &KafkaTarget, topic: &MetadataTopic) -> Vec<Finding> {
    let mut findings = Vec::new();
    let shards = usize::from(target.sharding.count());
    if topic.partitions().len() != shards {
        findings.push(finding::partition_count(target, topic.partitions().len()));
    }
    let fewest = |count: fn(&rdkafka::metadata::MetadataPartition) -> usize| topic.partitions().iter().map(count).min();
    let replicas = replicas(topic);
    let in_sync = fewest(|partition| partition.isr().len()).unwrap_or_default();
    if topic.partitions().iter().any(|partition| partition.leader() < 0) {
        findings.push(finding::leaderless(target));
    } else if replicas < usize::from(target.replication_factor) {
        findings.push(finding::few_replicas(target, replicas));
    } else if in_sync < usize::from(target.min_insync_replicas()) {
        findings.push(finding::few_in_sync(target, in_sync));
    } else if replicas == 1 {
        findings.push(finding::single_copy(target));
    }
    findings
}

fn settings(target: &KafkaTarget, replicas: usize, resource: &ConfigResource) -> Vec<Finding> {
    let value = |name: &str| resource.get(name).and_then(|entry| entry.value.as_deref());
    let number = |name: &str| value(name).and_then(|value| value.parse::<i64>().ok());
    let mut findings = Vec::new();
    let mut wrong = |name: &str, is: String, must: &str, why: &str| {
        findings.push(finding::setting(target, name, &is, must, why));
    };
    if let Some(policy) = value("cleanup.policy").filter(|policy| *policy != "delete") {
        wrong("cleanup.policy", policy.to_owned(), "delete", "compaction takes records out of the middle of the log");
    }
    if value("unclean.leader.election.enable") == Some("true") {
        let why = "a broker that lacks acknowledged records could become the leader, and they would be lost";
        wrong("unclean.leader.election.enable", "true".to_owned(), "false", why);
    }
    let least = MAX_STREAM_AGE + KAFKA_RETENTION_MARGIN;
    let least_millis = i64::try_from(least.as_millis()).unwrap_or(i64::MAX);
    if let Some(millis) = number("retention.ms").filter(|millis| (0..least_millis).contains(millis)) {
        let why = "a new owner has to find all that can still be under way";
        wrong("retention.ms", millis.to_string(), &format!("at least {least_millis}"), why);
    }
    if let Some(bytes) = number("retention.bytes").filter(|bytes| *bytes >= 0) {
        let why = "how much is written would decide what is kept, not how old it is";
        wrong("retention.bytes", bytes.to_string(), "-1", why);
    }
    if let Some(bytes) = number("max.message.bytes").filter(|bytes| *bytes < KAFKA_RECORD_BYTES as i64) {
        let why = "the largest group of events would be refused";
        wrong("max.message.bytes", bytes.to_string(), &format!("at least {KAFKA_RECORD_BYTES}"), why);
    }
    if let Some(least) = number("min.insync.replicas").filter(|least| replicas >= 2 && *least < 2) {
        let why = "an append would be acknowledged while only one broker has it";
        wrong("min.insync.replicas", least.to_string(), "2", why);
    }
    findings
}
