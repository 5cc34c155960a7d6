//! How the configuration's Kafka is opened.

use super::findings::kafka_refused;
use super::namespaces;
use crate::config::{ConfigError, KafkaMechanism, KafkaSecurity, Settings};
use crate::serve::ServeError;
use antiphon_core::{OnCommit, OnLost};
use antiphon_kafka::{Credentials, Following, KafkaLog, KafkaOptions, KafkaTarget, Mechanism, Security, Tls};
use std::sync::Arc;

/// Where the copy of the partitions is, in the data directory.
const COPY: &str = "kafka-copy";

/// The topic that the configuration names.
pub fn target(settings: &Settings) -> Result<KafkaTarget, ConfigError> {
    let kafka = &settings.kafka;
    let is_encrypted = matches!(kafka.security, KafkaSecurity::Ssl | KafkaSecurity::SaslSsl);
    let credentials = match (&kafka.username, &kafka.password) {
        (Some(username), Some(password)) => Some(Credentials {
            mechanism: match kafka.mechanism {
                KafkaMechanism::Plain => Mechanism::Plain,
                KafkaMechanism::ScramSha256 => Mechanism::ScramSha256,
                KafkaMechanism::ScramSha512 => Mechanism::ScramSha512,
            },
            username: username.clone(),
            password: password.reveal("kafka.password")?,
        }),
        _ => None,
    };
    let tls = is_encrypted.then(|| Tls { ca_file: kafka.ca_file.clone() });
    Ok(KafkaTarget {
        brokers: kafka.brokers.clone(),
        security: Security { tls, credentials },
        topic: kafka.topic.clone(),
        replication_factor: kafka.replication_factor,
        sharding: settings.sharding()?,
        retention: kafka.keep,
    })
}

/// Opens the log. What is worth knowing of the topic goes to the server's own log.
pub async fn open(
    settings: &Settings,
    following: Following,
    incarnation_floor: u32,
    on_commit: OnCommit,
    on_lost: OnLost,
) -> Result<Arc<KafkaLog>, ServeError> {
    let options = KafkaOptions {
        target: target(settings)?,
        folder: settings.data.join(COPY),
        namespaces: namespaces(settings),
        on_commit,
        on_lost,
        incarnation_floor,
        following,
        produce_timeout: settings.kafka.produce_timeout,
    };
    let (log, findings) = KafkaLog::open(options).await.map_err(kafka_refused)?;
    for finding in findings {
        tracing::warn!(%finding, "kafka");
    }
    Ok(log)
}
