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
    fetch_version: Arc<Mutex<Option<i16>>>,
}

impl Complaints {
    /// The newest error with one of these codes.
    pub fn find(&self, codes: &[RDKafkaErrorCode]) -> Option<String> {
        self.kept.lock().iter().rev().find(|(code, _)| codes.contains(code)).map(|(_, reason)| reason.clone())
    }

    fn keep(&self, code: RDKafkaErrorCode, reason: &str) {
        let mut kept = self.kept.lock();
        // What is said over and over leaves room for what is not.
        kept.retain(|(_, said)| said != reason);
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back((code, reason.to_owned()));
    }

    /// The newest version of Fetch that a broker knows, where the client's log was asked for features.
    pub fn fetch_version(&self) -> Option<i16> {
        *self.fetch_version.lock()
    }

    /// The newest error whose reason has these words: librdkafka gives some kinds no code of their own.
    pub fn saying(&self, words: &str) -> Option<String> {
        self.kept.lock().iter().rev().find(|(_, reason)| reason.contains(words)).map(|(_, reason)| reason.clone())
    }
}

impl ClientContext for Complaints {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(?level, facility, "kafka client: {message}");
        if facility == "APIVERSION"
            && let Some(version) = fetch_version(message)
        {
            *self.fetch_version.lock() = Some(version);
        }
        // Why a connection ended is no error to it.
        if facility == "FAIL" {
            self.keep(RDKafkaErrorCode::BrokerTransportFailure, message);
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!("kafka client: {error}: {reason}");
        let Some(code) = error.rdkafka_error_code() else { return };
        self.keep(code, reason);
    }
}

impl ConsumerContext for Complaints {}

/// As in `…:   ApiKey Fetch (1) Versions 4..18`.
fn fetch_version(line: &str) -> Option<i16> {
    let (_, versions) = line.split_once("ApiKey Fetch (1) Versions ")?;
    versions.rsplit("..").next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::fetch_version;

    #[test]
    fn the_newest_fetch_is_read_from_the_log_of_features() {
        assert_eq!(fetch_version("[thrd:a/1]: a/1:   ApiKey Fetch (1) Versions 4..18"), Some(18));
        assert_eq!(fetch_version("[thrd:a/1]: a/1:   ApiKey Produce (0) Versions 0..13"), None);
    }
}
