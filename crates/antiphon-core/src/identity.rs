//! Who a caller is and which bare channels they may read or publish to. Rooms are a matter of ownership, not of patterns.

use crate::{ChannelName, Code, Refusal, Timestamp};
use serde::{Deserialize, Serialize};

/// A channel name, or a prefix of one followed by `*`; `*` alone is every channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pattern(String);

impl Pattern {
    /// Accepts `namespace:id`, `namespace:prefix*`, `namespace:*` and `*`.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let stem = text.strip_suffix('*').unwrap_or(text);
        let is_whole = stem.len() == text.len();
        if stem.contains('*') || (is_whole && ChannelName::parse(text).is_err()) {
            return Err(Refusal::new(
                Code::InvalidRequest,
                format!("`{text}` is not a channel pattern: use namespace:id, namespace:prefix*, namespace:* or *"),
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// True where the channel is one of the pattern's.
    pub fn matches(&self, channel: &ChannelName) -> bool {
        match self.0.strip_suffix('*') {
            Some(stem) => channel.as_str().starts_with(stem),
            None => channel.as_str() == self.0,
        }
    }
}

/// An authenticated caller.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Identity {
    /// The token's `sub`, or `key:NAME` for an API key: rooms belong to it.
    pub user_id: String,
    /// True for an API key: a back end, which may also see events that are not for people.
    pub is_back_end: bool,
    /// Bare channels it may read; for a back end also rooms.
    pub read: Vec<Pattern>,
    /// Bare channels it may publish to.
    pub publish: Vec<Pattern>,
    /// When its token ends; connections end with it.
    pub expires_at: Option<Timestamp>,
}

impl Identity {
    /// True where a pattern lets it read the channel. A person's patterns never open a room.
    pub fn may_read(&self, channel: &ChannelName) -> bool {
        (self.is_back_end || !channel.is_room()) && self.read.iter().any(|pattern| pattern.matches(channel))
    }

    /// True where a pattern lets it publish to the channel. Rooms are written through their own calls only.
    pub fn may_publish(&self, channel: &ChannelName) -> bool {
        !channel.is_room() && self.publish.iter().any(|pattern| pattern.matches(channel))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_by_whole_name_or_prefix() {
        let channel = ChannelName::parse("job_progress:job_123").unwrap();
        for (pattern, matches) in [
            ("*", true),
            ("job_progress:*", true),
            ("job_progress:job_123", true),
            ("job_progress:job_1", false),
            ("alerts:*", false),
        ] {
            assert_eq!(Pattern::parse(pattern).unwrap().matches(&channel), matches, "{pattern}");
        }
        for bad in ["", "a*b", "**", "job"] {
            assert!(Pattern::parse(bad).is_err(), "{bad}");
        }
    }
}
