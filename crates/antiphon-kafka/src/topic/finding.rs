//! What is wrong with Kafka or the topic, in a sentence that ends in what to do.

use super::version::OLDEST_FETCH;
use crate::client::Complaints;
use crate::options::KafkaTarget;
use antiphon_core::plain_words;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// What kind of thing is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindingKind {
    /// No broker answers.
    Unreachable,
    /// The name or the password is wrong, or the mechanism.
    Credentials,
    /// The encrypted connection does not come about.
    Tls,
    /// We may not do what the log has to do.
    NotAuthorised,
    /// There is no such topic.
    TopicMissing,
    /// There are more or fewer partitions than shards.
    PartitionCount,
    /// Fewer copies than asked for, or too few in sync to write.
    Replication,
    /// A single copy: what is acknowledged is lost with one disk.
    SingleCopy,
    /// A setting of the topic.
    Settings,
    /// The brokers are too old.
    Version,
    /// A broker's clock and ours differ.
    ClockSkew,
}

/// Something that is wrong with Kafka or the topic.
pub type Finding = antiphon_core::Finding<FindingKind>;
/// What a look at Kafka came to.
pub type Checked = antiphon_core::Checked<FindingKind>;

/// Whether writing a record can tell more than this.
pub(super) fn lets_probe(finding: &Finding) -> bool {
    matches!(finding.kind, FindingKind::SingleCopy | FindingKind::Settings | FindingKind::PartitionCount)
}

/// Whether it may be that a new topic is not known everywhere yet.
pub(super) fn may_be_spreading(finding: &Finding) -> bool {
    use FindingKind::{PartitionCount, Replication, TopicMissing};
    finding.is_fatal && matches!(finding.kind, TopicMissing | PartitionCount | Replication)
}

/// What an error says, where the call itself got an answer or none.
pub fn of_error(target: &KafkaTarget, error: &KafkaError, complaints: &Complaints) -> Finding {
    match error.rdkafka_error_code() {
        Some(code) => of_code(target, code, complaints),
        None => unreachable(target, &error.to_string()),
    }
}

/// What a code means.
pub fn of_code(target: &KafkaTarget, code: RDKafkaErrorCode, complaints: &Complaints) -> Finding {
    use RDKafkaErrorCode as Code;
    let KafkaTarget { brokers, topic, .. } = target;
    match code {
        Code::UnknownTopicOrPartition | Code::UnknownTopic => missing(target),
        Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed | Code::GroupAuthorizationFailed => {
            let on = match code {
                Code::TopicAuthorizationFailed => "topic",
                Code::GroupAuthorizationFailed => "group",
                _ => "cluster",
            };
            Finding::fatal(
                FindingKind::NotAuthorised,
                format!(
                    "Kafka at {brokers} does not let us use the topic {topic:?} (a right on the {on} is missing): give our user \
                     the rights DescribeConfigs, Read and Write on the topic, and Create where it is to be made; brokers before \
                     3.0 want IdempotentWrite on the cluster"
                ),
            )
        }
        Code::UnsupportedFeature | Code::UnsupportedVersion => too_old(&code.to_string()),
        Code::NotEnoughReplicas | Code::NotEnoughReplicasAfterAppend => Finding::fatal(
            FindingKind::Replication,
            format!(
                "too few brokers have an up-to-date copy of the topic {topic:?} to write to it: start the brokers that are \
                 missing, or lower the topic's min.insync.replicas"
            ),
        ),
        Code::SaslAuthenticationFailed | Code::Authentication | Code::UnsupportedSASLMechanism => {
            refused(target, complaints)
        }
        Code::SSL => tls(target, &complaints.find(&[Code::SSL]).unwrap_or_default()),
        _ => of_complaints(target, code, complaints),
    }
}

/// No answer came; the connections may have said why.
fn of_complaints(target: &KafkaTarget, code: RDKafkaErrorCode, complaints: &Complaints) -> Finding {
    use RDKafkaErrorCode as Code;
    if let Some(finding) = another_listener(target, complaints) {
        return finding;
    }
    if complaints.find(&[Code::Authentication, Code::SaslAuthenticationFailed]).is_some() {
        return refused(target, complaints);
    }
    let handshake = || complaints.saying("SSL handshake failed").filter(|_| target.security.tls.is_some());
    if let Some(reason) = complaints.find(&[Code::SSL]).or_else(handshake) {
        return tls(target, &reason);
    }
    if complaints.find(&[Code::UnsupportedFeature]).is_some() {
        return of_code(target, Code::UnsupportedFeature, complaints);
    }
    // That all brokers are down is what follows from the others.
    let reasons = [Code::Resolve, Code::BrokerTransportFailure, Code::AllBrokersDown];
    let reason = reasons.iter().find_map(|code| complaints.find(&[*code]));
    unreachable(target, &reason.unwrap_or_else(|| code.to_string()))
}

/// No broker answers.
pub fn unreachable(target: &KafkaTarget, reason: &str) -> Finding {
    let KafkaTarget { brokers, security, .. } = target;
    let reason = plain_words(reason);
    let also = match (&security.tls, &security.credentials) {
        (None, None) => ", and that this listener takes plaintext connections without a password",
        (None, Some(_)) => ", and that this listener takes plaintext connections",
        (Some(_), _) => ", and that this listener takes TLS connections",
    };
    Finding::fatal(
        FindingKind::Unreachable,
        format!("no Kafka broker answers at {brokers} ({reason}): check the address, that Kafka runs{also}"),
    )
}

/// The client could not even be made.
pub fn client(target: &KafkaTarget, reason: &str) -> Finding {
    if target.security.tls.is_some() && reason.to_ascii_lowercase().contains("ssl") {
        return tls(target, reason);
    }
    Finding::fatal(FindingKind::Settings, format!("the settings for Kafka cannot be used ({reason}): correct them"))
}

/// Another server has the port.
pub fn another_server(target: &KafkaTarget, who: &str) -> Finding {
    Finding::fatal(
        FindingKind::Unreachable,
        format!(
            "what answers at {} is {who} and no Kafka: check the host and the port of `kafka.brokers`",
            target.brokers
        ),
    )
}

fn too_old(reason: &str) -> Finding {
    Finding::fatal(
        FindingKind::Version,
        format!("the Kafka brokers are too old ({reason}): use Apache Kafka 2.1 or newer"),
    )
}

/// Too old, by the newest version of Fetch that they know.
pub fn version(fetch: i16) -> Option<Finding> {
    (fetch < OLDEST_FETCH).then(|| too_old(&format!("they know version {fetch} of Fetch")))
}

/// No user came in: refused by name, or by a listener that asks for none.
fn refused(target: &KafkaTarget, complaints: &Complaints) -> Finding {
    // What a broker answers to a handshake on a listener without SASL.
    if target.security.credentials.is_some() && complaints.saying("SASL state").is_some() {
        return no_sasl(target);
    }
    credentials(target)
}

/// A listener of another kind, by where it hung up: in the handshake, at the first question or at the first that needs a user.
fn another_listener(target: &KafkaTarget, complaints: &Complaints) -> Option<Finding> {
    let KafkaTarget { brokers, security, .. } = target;
    let has_said = |words: &str| complaints.saying(words).is_some();
    let sasl = if security.credentials.is_some() { "sasl-" } else { "" };
    let (kind, sentence) = if security.tls.is_some() && has_said("PLAINTEXT broker listener") {
        let does = format!("speaks no TLS: set `kafka.security = \"{sasl}plaintext\"`");
        (FindingKind::Tls, format!("{does}, or name the port of the listener that does"))
    } else if security.tls.is_none() && has_said("in state APIVERSION_QUERY") {
        let does = format!("hangs up, as one does that wants TLS: set `kafka.security = \"{sasl}ssl\"`");
        (FindingKind::Tls, format!("{does}, or name the port of the listener without TLS"))
    } else if security.credentials.is_none() && has_said("in state UP") {
        let ending = if security.tls.is_some() { "ssl" } else { "plaintext" };
        let does = "hangs up, as one does that wants a user and a password";
        let todo = format!("set `kafka.security = \"sasl-{ending}\"`, `username` and `password`");
        (FindingKind::Credentials, format!("{does}: {todo}, or name the port of the listener without a password"))
    } else {
        return None;
    };
    Some(Finding::fatal(kind, format!("the listener at {brokers} {sentence}")))
}

fn no_sasl(target: &KafkaTarget) -> Finding {
    let without = if target.security.tls.is_some() { "ssl" } else { "plaintext" };
    Finding::fatal(
        FindingKind::Credentials,
        format!(
            "the listener at {} takes no user and password (it speaks no SASL): set `kafka.security = \"{without}\"` without \
             `username` and `password`, or name the port of the listener that asks for them",
            target.brokers
        ),
    )
}

fn credentials(target: &KafkaTarget) -> Finding {
    let said = match &target.security.credentials {
        Some(credentials) => format!(
            "Kafka at {} refused the user {:?} with this password and {}",
            target.brokers,
            credentials.username,
            credentials.mechanism.name()
        ),
        None => format!("Kafka at {} wants a user and a password", target.brokers),
    };
    Finding::fatal(
        FindingKind::Credentials,
        format!("{said}: check user, password and mechanism against what the listener is set up for"),
    )
}

fn tls(target: &KafkaTarget, reason: &str) -> Finding {
    let file = match target.security.tls.as_ref().and_then(|tls| tls.ca_file.as_ref()) {
        Some(file) => format!("that {} holds the authority that signed the brokers' certificate", file.display()),
        None => "that the brokers' certificate is signed by an authority that this system trusts, or name its file"
            .to_owned(),
    };
    Finding::fatal(
        FindingKind::Tls,
        format!(
            "no encrypted connection to Kafka at {} comes about ({}): check {file}, and that the name in the certificate is \
             the one we connect to",
            target.brokers,
            handshake_words(reason)
        ),
    )
}

/// There is no such topic.
pub fn missing(target: &KafkaTarget) -> Finding {
    let KafkaTarget { topic, sharding, .. } = target;
    Finding::fatal(
        FindingKind::TopicMissing,
        format!(
            "there is no topic {topic:?}: `antiphon serve` makes it where it may; otherwise make it with {} partitions",
            sharding.count()
        ),
    )
}

/// There is no such topic, and too few brokers to make it.
pub fn few_brokers(target: &KafkaTarget, brokers: usize) -> Finding {
    let KafkaTarget { topic, replication_factor, .. } = target;
    let have = if brokers == 1 { "there is 1 broker".to_owned() } else { format!("there are {brokers} brokers") };
    Finding::fatal(
        FindingKind::Replication,
        format!(
            "Kafka at {} has no topic {topic:?}, and it cannot be made: {have}, fewer than the {replication_factor} copies that \
             `kafka.replication_factor` asks for; start more, or ask for fewer",
            target.brokers
        ),
    )
}

/// It could not be made.
pub fn not_created(target: &KafkaTarget, code: RDKafkaErrorCode) -> Finding {
    let KafkaTarget { topic, sharding, replication_factor, .. } = target;
    let (kind, todo) = match code {
        RDKafkaErrorCode::InvalidReplicationFactor => (
            FindingKind::Replication,
            format!(
                "there are fewer brokers than the {replication_factor} copies asked for; start more, or ask for fewer"
            ),
        ),
        RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::ClusterAuthorizationFailed => (
            FindingKind::NotAuthorised,
            format!("give our user the right Create, or make it with {} partitions", sharding.count()),
        ),
        _ => (FindingKind::TopicMissing, format!("make it with {} partitions", sharding.count())),
    };
    Finding::fatal(kind, format!("the topic {topic:?} could not be made ({code}): {todo}"))
}

/// More or fewer partitions than shards.
pub fn partition_count(target: &KafkaTarget, count: usize) -> Finding {
    let KafkaTarget { topic, sharding, .. } = target;
    Finding::fatal(
        FindingKind::PartitionCount,
        format!(
            "the topic {topic:?} has {count} partitions, and this deployment has {} shards: each shard is one partition for as long \
             as the deployment lives; set `cluster.shards` to what it was made with, or use another topic",
            sharding.count()
        ),
    )
}

/// A partition has no leader.
pub fn leaderless(target: &KafkaTarget) -> Finding {
    Finding::fatal(
        FindingKind::Replication,
        format!("a partition of the topic {:?} has no leader: start the brokers that are missing", target.topic),
    )
}

/// Fewer copies than asked for.
pub fn few_replicas(target: &KafkaTarget, replicas: usize) -> Finding {
    let KafkaTarget { topic, replication_factor, .. } = target;
    Finding::warning(
        FindingKind::Replication,
        format!(
            "the topic {topic:?} has {replicas} copies of each record where {replication_factor} are asked for: reassign its \
             partitions, or ask for {replicas}"
        ),
    )
}

/// Too few copies are up to date to write.
pub fn few_in_sync(target: &KafkaTarget, in_sync: usize) -> Finding {
    Finding::warning(
        FindingKind::Replication,
        format!(
            "only {in_sync} brokers have an up-to-date copy of a partition of {:?}, fewer than may acknowledge an append: start the \
             brokers that are missing",
            target.topic
        ),
    )
}

/// One copy.
pub fn single_copy(target: &KafkaTarget) -> Finding {
    Finding::warning(
        FindingKind::SingleCopy,
        format!(
            "the topic {:?} has a single copy of each record: what is acknowledged is lost with that broker's disk, and writing \
             waits while it is away; for production use three brokers and a replication factor of 3",
            target.topic
        ),
    )
}

/// A setting of the topic.
pub fn setting(target: &KafkaTarget, name: &str, is: &str, must: &str, why: &str) -> Finding {
    let topic = &target.topic;
    Finding::fatal(
        FindingKind::Settings,
        format!(
            "the topic {topic:?} has {name} = {is}, it must be {must}, as otherwise {why}: `kafka-configs.sh --alter --topic {topic} \
             --add-config {name}=…`"
        ),
    )
}

/// A broker's clock and ours differ.
pub fn clock_skew(millis: i64) -> Finding {
    let (amount, way) = (millis.unsigned_abs(), if millis < 0 { "behind" } else { "ahead of" });
    Finding::warning(
        FindingKind::ClockSkew,
        format!(
            "the Kafka broker's clock is {amount} ms {way} ours: have both follow one time server (NTP), as retention goes by them"
        ),
    )
}

/// What a failed handshake comes to, without where in the library it failed.
fn handshake_words(reason: &str) -> &str {
    if reason.contains("certificate verify failed") {
        return "the brokers' certificate was not accepted here";
    }
    first_line(reason)
}

fn first_line(reason: &str) -> &str {
    reason.lines().next().unwrap_or_default()
}
