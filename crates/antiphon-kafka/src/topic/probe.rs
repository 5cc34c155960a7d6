//! Writes one record that no reader counts: shows that writing works, and the broker's clock.

use super::Finding;
use super::finding;
use crate::client::Complaints;
use crate::options::KafkaTarget;
use antiphon_core::Timestamp;
use antiphon_core::limits::{KAFKA_CALL_TIMEOUT, KAFKA_CLOCK_SKEW};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::message::Timestamp as Stamp;
use rdkafka::producer::{FutureProducer, FutureRecord};

/// Bytes that are no record of any version of the log.
const NOTHING: &[u8] = b"\0antiphon doctor";

/// Writes to the first partition.
pub async fn probe(target: &KafkaTarget) -> Vec<Finding> {
    let complaints = Complaints::default();
    let mut config = target.client_config();
    let millis = KAFKA_CALL_TIMEOUT.as_millis().to_string();
    config
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("linger.ms", "0")
        .set("delivery.timeout.ms", millis);
    let producer: FutureProducer<Complaints> =
        match FutureProducer::from_config_and_context(&config, complaints.clone()) {
            Ok(producer) => producer,
            Err(error) => return vec![finding::of_error(target, &error, &complaints)],
        };
    let before = Timestamp::now().millis();
    let record = FutureRecord::<(), [u8]>::to(&target.topic).partition(0).payload(NOTHING);
    let sent = producer.send(record, KAFKA_CALL_TIMEOUT).await;
    let after = Timestamp::now().millis();
    // Closing a producer waits for its threads.
    tokio::task::spawn_blocking(move || drop(producer));
    match sent {
        Ok(delivery) => match delivery.timestamp {
            Stamp::LogAppendTime(at) => skew(before, after, at).map(finding::clock_skew).into_iter().collect(),
            Stamp::CreateTime(_) | Stamp::NotAvailable => Vec::new(),
        },
        Err((error, _)) => vec![finding::of_error(target, &error, &complaints)],
    }
}

/// How far a broker's time is from the span of ours in which it was taken, in milliseconds, where that is too far.
fn skew(before: u64, after: u64, at: i64) -> Option<i64> {
    let signed = |millis: u64| i64::try_from(millis).unwrap_or(i64::MAX);
    let (before, after) = (signed(before), signed(after));
    let skew = if at < before { at - before } else { (at - after).max(0) };
    let allowed = i64::try_from(KAFKA_CLOCK_SKEW.as_millis()).unwrap_or(i64::MAX);
    (skew.abs() > allowed).then_some(skew)
}

#[cfg(test)]
mod tests {
    use super::skew;

    #[test]
    fn a_clock_is_wrong_only_outside_the_span_in_which_it_was_read() {
        assert_eq!(skew(10_000, 13_000, 11_000), None);
        assert_eq!(skew(10_000, 13_000, 14_900), None);
        assert_eq!(skew(10_000, 13_000, 15_100), Some(2_100));
        assert_eq!(skew(10_000, 13_000, 7_000), Some(-3_000));
    }
}
