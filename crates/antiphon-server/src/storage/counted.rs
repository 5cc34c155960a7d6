//! The log, with its refusals counted.

use antiphon_core::{Bounds, ChannelName, Event, Log, LogError, Position, ReadFrom, ReadLimit, Record};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts the appends that found nobody to take them.
pub struct CountedLog {
    /// The log.
    pub log: Arc<dyn Log>,
    /// Appends that it refused, since the start.
    pub refused: Arc<AtomicU64>,
}

#[async_trait::async_trait]
impl Log for CountedLog {
    async fn append(&self, channel: &ChannelName, events: Vec<Event>) -> Result<Vec<Position>, LogError> {
        let appended = self.log.append(channel, events).await;
        if matches!(appended, Err(LogError::Unavailable { .. } | LogError::NotOwner)) {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        appended
    }

    async fn read(&self, channel: &ChannelName, from: ReadFrom, limit: ReadLimit) -> Result<Vec<Record>, LogError> {
        self.log.read(channel, from, limit).await
    }

    async fn bounds(&self, channel: &ChannelName) -> Result<Bounds, LogError> {
        self.log.bounds(channel).await
    }

    async fn trim(&self, channel: &ChannelName, through: Position) -> Result<(), LogError> {
        self.log.trim(channel, through).await
    }

    fn is_durable(&self, namespace: &str) -> bool {
        self.log.is_durable(namespace)
    }

    fn health(&self) -> Result<(), LogError> {
        self.log.health()
    }
}
