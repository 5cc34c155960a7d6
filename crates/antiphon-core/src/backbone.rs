//! The second seam: `Backbone` is the live path between processes.

use crate::{ChannelName, Position, Record};
use std::sync::Arc;

/// What a backbone brings.
#[derive(Clone, Copy, Debug)]
pub enum Delivery<'a> {
    /// Committed records.
    Records(&'a [Record]),
    /// The channel's last event, without the events: whoever lacks it reads the log.
    Tail(&'a ChannelName, Position),
    /// Something may have been lost: whoever follows a channel asks the log.
    Lost,
}

/// What a process does with a delivery: called in the order in which the backbone brings them; must not block.
pub type Receiver = Arc<dyn Fn(Delivery<'_>) + Send + Sync>;

/// "This channel moved, here are the events". Loss, repetition and reordering delay a client but never harm it: the
/// hub sees that a position does not follow the last one and reads the log. A backbone on which the last event before a
/// silence can be lost says so by [`Delivery::Tail`] or [`Delivery::Lost`] within seconds.
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
