//! The second seam: `Backbone` is the live path between processes.

use crate::{ChannelName, Record};
use std::sync::Arc;

/// What a process does with live records: called in the order in which the backbone delivers them; must not block.
pub type Receiver = Arc<dyn Fn(&[Record]) + Send + Sync>;

/// "This channel moved, here are the events". Loss, repetition and reordering delay a client but never harm it: the
/// hub sees that a position does not follow the last one and reads the log.
pub trait Backbone: Send + Sync + 'static {
    /// Hands committed records to every process that follows their channels. Never blocks.
    fn deliver(&self, records: &[Record]);

    /// Asks for a channel's records from now on.
    fn follow(&self, channel: &ChannelName);

    /// No longer asks for them.
    fn unfollow(&self, channel: &ChannelName);

    /// Sets where this process takes delivery. Called once, before the first `follow`.
    fn attach(&self, receiver: Receiver);
}
