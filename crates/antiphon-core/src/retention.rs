//! What a namespace keeps, and whether it keeps it on disk at all.

use std::time::Duration;

/// How much of a channel is kept. Whatever is over any of the bounds is trimmed, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// At most this many events.
    pub events: Option<u64>,
    /// Nothing older than this.
    pub age: Option<Duration>,
    /// At most this many bytes of events.
    pub bytes: Option<u64>,
}

impl Retention {
    /// For the channels behind rooms: long enough that no client that comes back within a month has lost its place.
    pub const ROOMS: Self =
        Self { events: Some(100_000), age: Some(Duration::from_secs(30 * 24 * 3600)), bytes: Some(256 << 20) };
    /// For any other namespace that says nothing.
    pub const DEFAULT: Self =
        Self { events: Some(100_000), age: Some(Duration::from_secs(7 * 24 * 3600)), bytes: Some(64 << 20) };
}

/// The settings of one namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamespaceSettings {
    /// What is kept.
    pub keep: Retention,
    /// Kept in memory only: visible before it is durable, gone with the process.
    pub ephemeral: bool,
}
