//! The one idempotent producer of a process, and what became of each record that it was given.

use crate::client::Complaints;
use crate::options::KafkaTarget;
use antiphon_core::Shard;
use antiphon_core::limits::KAFKA_RECORD_BYTES;
use parking_lot::Mutex;
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer as _, ProducerContext, ThreadedProducer};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// What became of a record.
#[derive(Debug)]
pub struct Delivered {
    /// The record's sequence.
    pub sequence: u64,
    /// Its offset, or why nobody can say whether it is in the log.
    pub outcome: Result<u64, String>,
}

/// Whom to tell.
pub struct Ticket {
    /// Given back as it is.
    pub sequence: u64,
    /// Told once. As many records are under way as its owner allows, which bounds it.
    pub reply: mpsc::UnboundedSender<Delivered>,
}

struct Reports {
    complaints: Complaints,
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.complaints.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.complaints.error(error, reason);
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Box<Ticket>;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: Box<Ticket>) {
        let outcome = match result {
            // A duplicate sequence is a success without an offset: nobody can say where the record stands.
            Ok(message) => u64::try_from(message.offset()).map_err(|_| "Kafka did not say where it stands".to_owned()),
            Err((error, _)) => Err(reason(error)),
        };
        let Ticket { sequence, reply } = *ticket;
        // Whoever is gone no longer acknowledges anything.
        let _ = reply.send(Delivered { sequence, outcome });
    }
}

fn reason(error: &KafkaError) -> String {
    error.rdkafka_error_code().map_or_else(|| error.to_string(), |code| code.to_string())
}

/// Writes records to named partitions, in order, each once.
pub struct Producer {
    config: ClientConfig,
    topic: String,
    complaints: Complaints,
    current: Mutex<Arc<ThreadedProducer<Reports>>>,
}

impl Producer {
    /// Connects in the background.
    pub fn new(target: &KafkaTarget, timeout: Duration, complaints: Complaints) -> KafkaResult<Self> {
        let mut config = target.client_config();
        let millis = timeout.as_millis().to_string();
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("linger.ms", "0")
            .set("retry.backoff.ms", "50")
            .set("retry.backoff.max.ms", "500")
            .set("message.max.bytes", KAFKA_RECORD_BYTES.to_string())
            .set("request.timeout.ms", &millis)
            .set("delivery.timeout.ms", &millis);
        let current = Mutex::new(connect(&config, &complaints)?);
        Ok(Self { config, topic: target.topic.clone(), complaints, current })
    }

    /// Puts a record on its way; the ticket's holder is told what became of it, unless this fails.
    pub fn send(&self, shard: Shard, record: &[u8], ticket: Ticket) -> Result<(), String> {
        let producer = self.current.lock().clone();
        let record = BaseRecord::<(), [u8], _>::with_opaque_to(&self.topic, Box::new(ticket))
            .partition(i32::from(shard.0))
            .payload(record);
        producer.send(record).map_err(|(error, _)| reason(&error))
    }

    /// A producer that can never write again is replaced. What it had under way fails, so only a new ownership may ask.
    pub fn renew_if_dead(&self) -> Result<(), String> {
        let mut current = self.current.lock();
        if let Some((code, _)) = current.client().fatal_error() {
            tracing::warn!("the Kafka producer is replaced after: {code}");
            *current = connect(&self.config, &self.complaints).map_err(|error| reason(&error))?;
        }
        Ok(())
    }
}

fn connect(config: &ClientConfig, complaints: &Complaints) -> KafkaResult<Arc<ThreadedProducer<Reports>>> {
    let reports = Reports { complaints: complaints.clone() };
    ThreadedProducer::from_config_and_context(config, reports).map(Arc::new)
}
