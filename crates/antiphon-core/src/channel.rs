//! Channel names: `namespace:id`, the unit of ordering, retention and permission.

use crate::limits::{MAX_CHANNEL_ID_LENGTH, MAX_NAMESPACE_LENGTH};
use crate::{Code, Refusal};
use std::fmt;

/// Namespace of the channels behind AR rooms.
pub const AR_ROOM: &str = "ar-room";
/// Namespace of the channels behind regular rooms.
pub const ROOM: &str = "room";

/// A channel's name, valid by construction: `namespace` of `[a-z0-9_-]`, `id` of `[A-Za-z0-9._~-]`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelName {
    whole: std::sync::Arc<str>,
    colon: usize,
}

impl ChannelName {
    /// Checks both parts. The error is `invalid_request` and says what is allowed.
    pub fn new(namespace: &str, id: &str) -> Result<Self, Refusal> {
        let namespace_is_valid = !namespace.is_empty()
            && namespace.len() <= MAX_NAMESPACE_LENGTH
            && namespace.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-');
        if !namespace_is_valid {
            return Err(Refusal::new(
                Code::InvalidRequest,
                format!("a channel's type is 1 to {MAX_NAMESPACE_LENGTH} characters of a-z, 0-9, _ and -"),
            ));
        }
        let id_is_valid = !id.is_empty()
            && id.len() <= MAX_CHANNEL_ID_LENGTH
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'~' | b'-'));
        if !id_is_valid {
            return Err(Refusal::new(
                Code::InvalidRequest,
                format!("a channel's id is 1 to {MAX_CHANNEL_ID_LENGTH} characters of A-Z, a-z, 0-9, ., _, ~ and -"),
            ));
        }
        Ok(Self { whole: format!("{namespace}:{id}").into(), colon: namespace.len() })
    }

    /// Parses `namespace:id`.
    pub fn parse(whole: &str) -> Result<Self, Refusal> {
        match whole.split_once(':') {
            Some((namespace, id)) => Self::new(namespace, id),
            None => Err(Refusal::new(Code::InvalidRequest, "a channel is named namespace:id")),
        }
    }

    /// The part before the colon.
    pub fn namespace(&self) -> &str {
        &self.whole[..self.colon]
    }

    /// The part after the colon.
    pub fn id(&self) -> &str {
        &self.whole[self.colon + 1..]
    }

    /// `namespace:id`.
    pub fn as_str(&self) -> &str {
        &self.whole
    }

    /// True for the channels behind rooms, which only rooms may write.
    pub fn is_room(&self) -> bool {
        matches!(self.namespace(), AR_ROOM | ROOM)
    }
}

impl fmt::Display for ChannelName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.whole)
    }
}

impl fmt::Debug for ChannelName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_the_contract_names_and_refuses_the_rest() {
        for good in ["ar-room:room-1", "job_progress:job_123", "a:B.c~d-e_f"] {
            assert_eq!(ChannelName::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", ":", "a:", ":b", "A:b", "a", "a:b c", "a:b:c", "a/b:c", "a:ü"] {
            assert_eq!(ChannelName::parse(bad).unwrap_err().code, Code::InvalidRequest, "{bad}");
        }
        assert!(ChannelName::new("a", &"x".repeat(MAX_CHANNEL_ID_LENGTH + 1)).is_err());
    }
}
