//! Removes what a measurement left in Kafka and Redis.

use crate::config::{Secret, Settings};
use crate::storage::{kafka_target, redis_target};
use antiphon_cli::Leftover;
use futures::future::BoxFuture;

/// Removes a topic, or all keys of a prefix. Only for what was made to be measured: the events are gone.
pub fn remove(leftover: Leftover) -> BoxFuture<'static, Result<(), String>> {
    Box::pin(async move {
        let mut settings = Settings::default();
        match leftover {
            Leftover::Topic { brokers, topic } => {
                (settings.kafka.brokers, settings.kafka.topic) = (brokers, topic);
                let target = kafka_target(&settings).map_err(|error| error.to_string())?;
                antiphon_kafka::remove(&target).await.map_err(|finding| finding.to_string())
            }
            Leftover::Keys { url, prefix } => {
                (settings.redis.url, settings.redis.prefix) = (Some(Secret::Text(url)), prefix);
                let target = redis_target(&settings).map_err(|error| error.to_string())?;
                antiphon_redis::remove(&target).await.map_err(|finding| finding.to_string())
            }
        }
    })
}
