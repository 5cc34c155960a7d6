//! What librdkafka's clients tell besides records: their log lines and errors, kept for the health report and the doctor.

use parking_lot::Mutex;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::collections::VecDeque;
use std::sync::Arc;

/// Errors that are kept; the doctor looks for the telling one among them.
const KEPT: usize = 64;

/// A client's errors that belong to no call.
#[derive(Clone, Default)]
pub struct Complaints {
    kept: Arc<Mutex<VecDeque<(RDKafkaErrorCode, String)>>>,
}

impl Complaints {
    /// The newest error with one of these codes.
    pub fn find(&self, codes: &[RDKafkaErrorCode]) -> Option<String> {
        self.kept.lock().iter().rev().find(|(code, _)| codes.contains(code)).map(|(_, reason)| reason.clone())
    }

    /// The newest error whose reason has these words: librdkafka gives some kinds no code of their own.
    pub fn saying(&self, words: &str) -> Option<String> {
        self.kept.lock().iter().rev().find(|(_, reason)| reason.contains(words)).map(|(_, reason)| reason.clone())
    }
}

impl ClientContext for Complaints {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(?level, facility, "kafka client: {message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!("kafka client: {error}: {reason}");
        let Some(code) = error.rdkafka_error_code() else { return };
        let mut kept = self.kept.lock();
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back((code, reason.to_owned()));
    }
}

impl ConsumerContext for Complaints {}
