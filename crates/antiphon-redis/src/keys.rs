//! The names of everything that is stored. Outside programs read some of it: never change one.

use antiphon_core::{AR_ROOM, ChannelName, Shard};

/// Names under one prefix.
#[derive(Clone, Debug)]
pub struct Keys {
    prefix: String,
}

impl Keys {
    pub fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    /// The stream of a channel's events.
    pub fn events(&self, channel: &ChannelName) -> String {
        match channel.namespace() {
            AR_ROOM => format!("{}ar:stream:{}", self.prefix, channel.id()),
            _ => format!("{}antiphon:channel:{channel}", self.prefix),
        }
    }

    /// The hash with a channel's first and last place.
    pub fn extent(&self, channel: &ChannelName) -> String {
        format!("{}antiphon:extent:{channel}", self.prefix)
    }

    /// The sorted set of a channel's event ids, by number.
    pub fn event_ids(&self, channel: &ChannelName) -> String {
        format!("{}antiphon:ids:{channel}", self.prefix)
    }

    /// The hash that says who owns a shard.
    pub fn shard(&self, shard: Shard) -> String {
        format!("{}antiphon:shard:{shard}", self.prefix)
    }

    /// The set of a shard's channels.
    pub fn channels(&self, shard: Shard) -> String {
        format!("{}antiphon:channels:{shard}", self.prefix)
    }

    /// The stream that says which of a shard's channels moved.
    pub fn notices(&self, shard: Shard) -> String {
        format!("{}antiphon:notices:{shard}", self.prefix)
    }

    /// The same for copies of another log's events.
    pub fn copy_notices(&self, shard: Shard) -> String {
        format!("{}antiphon:copies:{shard}", self.prefix)
    }

    /// The hash with the state of one answer.
    pub fn stream_state(&self, stream_id: &str) -> String {
        format!("{}ar:stream:{stream_id}", self.prefix)
    }

    /// The pub/sub channel of a channel's events.
    pub fn published(&self, channel: &ChannelName) -> String {
        format!("{}{channel}", self.prefix)
    }

    /// The channel whose events a pub/sub channel brings.
    pub fn channel_of(&self, published: &str) -> Option<ChannelName> {
        ChannelName::parse(published.strip_prefix(&self.prefix)?).ok()
    }

    /// The pub/sub channel of tail notices.
    pub fn tails(&self) -> String {
        format!("{}antiphon:tails", self.prefix)
    }
}
