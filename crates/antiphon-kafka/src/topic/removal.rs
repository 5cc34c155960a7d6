//! Removes a topic with all that is in it.

use super::{Finding, admin, finding};
use crate::client::Complaints;
use crate::options::KafkaTarget;
use antiphon_core::limits::KAFKA_CALL_TIMEOUT;
use rdkafka::admin::AdminOptions;
use rdkafka::error::RDKafkaErrorCode;

/// Deletes the topic; one that is not there is fine. The log is gone for good: this is for what was made to be measured.
///
/// # Errors
/// Why it may still be there.
pub async fn remove(target: &KafkaTarget) -> Result<(), Finding> {
    let complaints = Complaints::default();
    let admin = admin(target, &complaints)?;
    let options =
        AdminOptions::new().operation_timeout(Some(KAFKA_CALL_TIMEOUT)).request_timeout(Some(KAFKA_CALL_TIMEOUT));
    let deleted = admin.delete_topics(&[&target.topic], &options).await;
    match deleted.map(|mut results| results.pop()) {
        Ok(Some(Err((_, code)))) if !is_missing(code) => Err(finding::of_code(target, code, &complaints)),
        Ok(_) => Ok(()),
        Err(error) => Err(finding::of_error(target, &error, &complaints)),
    }
}

fn is_missing(code: RDKafkaErrorCode) -> bool {
    matches!(code, RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic)
}
