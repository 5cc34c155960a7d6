//! One log out of two: ephemeral namespaces in memory, the rest on disk.

use crate::NamespaceTable;
use antiphon_core::{Bounds, ChannelName, Event, Log, LogError, Position, ReadFrom, ReadLimit, Record};
use std::sync::Arc;

/// Sends each namespace to the log that its settings ask for. A channel is in one of them only.
pub struct RoutedLog {
    durable: Arc<dyn Log>,
    ephemeral: Arc<dyn Log>,
    namespaces: NamespaceTable,
}

impl RoutedLog {
    /// Routes by `namespaces`: `ephemeral` for those that are declared so, `durable` for all others.
    pub fn new(durable: Arc<dyn Log>, ephemeral: Arc<dyn Log>, namespaces: NamespaceTable) -> Self {
        Self { durable, ephemeral, namespaces }
    }

    fn log(&self, namespace: &str) -> &dyn Log {
        if self.namespaces.settings(namespace).ephemeral { &*self.ephemeral } else { &*self.durable }
    }
}

#[async_trait::async_trait]
impl Log for RoutedLog {
    async fn append(&self, channel: &ChannelName, events: Vec<Event>) -> Result<Vec<Position>, LogError> {
        self.log(channel.namespace()).append(channel, events).await
    }

    async fn read(&self, channel: &ChannelName, from: ReadFrom, limit: ReadLimit) -> Result<Vec<Record>, LogError> {
        self.log(channel.namespace()).read(channel, from, limit).await
    }

    async fn bounds(&self, channel: &ChannelName) -> Result<Bounds, LogError> {
        self.log(channel.namespace()).bounds(channel).await
    }

    async fn trim(&self, channel: &ChannelName, through: Position) -> Result<(), LogError> {
        self.log(channel.namespace()).trim(channel, through).await
    }

    fn is_durable(&self, namespace: &str) -> bool {
        self.log(namespace).is_durable(namespace)
    }

    fn health(&self) -> Result<(), LogError> {
        self.durable.health().and_then(|()| self.ephemeral.health())
    }
}
