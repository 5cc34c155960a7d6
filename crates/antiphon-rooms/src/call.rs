//! A call of the rooms as one process hands it to another: JSON, in which fields that a version does not know are passed
//! over.

use crate::access::Wish;
use crate::view::{Accepted, MessagePage, Reply, RoomView, StreamView};
use antiphon_core::{AnswerError, ChannelName, Code, Heard, Identity, Refusal, Room};
use antiphon_sql::RecordsError;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What is asked of the process that owns a room.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Call {
    /// Makes a room that was checked.
    Create { room: Room },
    /// Waits for a stream's end.
    Wait { stream_id: String, timeout: Duration },
    /// Does something in a room that is there.
    Room {
        who: Identity,
        room_id: String,
        /// Which kind of room is meant; nothing takes either.
        #[serde(default)]
        is_ar: Option<bool>,
        deed: Deed,
    },
}

/// What somebody does in a room.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Deed {
    Delete,
    Send {
        content: String,
        #[serde(default)]
        client_message_id: Option<String>,
    },
    Messages {
        limit: usize,
        #[serde(default)]
        before: Option<String>,
    },
    Interrupt {
        stream_id: String,
        #[serde(default)]
        heard: Option<Heard>,
        #[serde(default)]
        attempt: Option<u32>,
    },
    Cancel {
        stream_id: String,
    },
    Pause {
        stream_id: String,
    },
    Resume {
        stream_id: String,
    },
    Retry {
        stream_id: String,
    },
    Stream {
        stream_id: String,
    },
}

impl Deed {
    /// Whether it does nothing at all before the log has taken something. A stop drops its provider's call first.
    pub(crate) fn begins_in_log(&self) -> bool {
        match self {
            Self::Send { .. } | Self::Pause { .. } | Self::Resume { .. } | Self::Retry { .. } => true,
            Self::Delete
            | Self::Interrupt { .. }
            | Self::Cancel { .. }
            | Self::Messages { .. }
            | Self::Stream { .. } => false,
        }
    }

    /// What has to be allowed.
    pub(crate) fn wish(&self) -> Wish {
        match self {
            Self::Delete => Wish::Own,
            Self::Messages { .. } | Self::Stream { .. } => Wish::Read,
            Self::Send { .. }
            | Self::Interrupt { .. }
            | Self::Cancel { .. }
            | Self::Pause { .. }
            | Self::Resume { .. }
            | Self::Retry { .. } => Wish::Write,
        }
    }
}

/// The answer to a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Answered {
    Done,
    Room(RoomView),
    Accepted(Accepted),
    Messages(MessagePage),
    Stream(StreamView),
    /// Nothing where the stream did not end in time.
    Reply(Option<Reply>),
}

macro_rules! answers {
    ($($variant:ident($answer:ty)),*) => {$(
        impl From<$answer> for Answered {
            fn from(answer: $answer) -> Self {
                Self::$variant(answer)
            }
        }

        impl TryFrom<Answered> for $answer {
            type Error = Refusal;

            fn try_from(answered: Answered) -> Result<Self, Refusal> {
                match answered {
                    Answered::$variant(answer) => Ok(answer),
                    other => Err(not_an_answer(&other)),
                }
            }
        }
    )*};
}

answers!(Room(RoomView), Accepted(Accepted), Messages(MessagePage), Stream(StreamView), Reply(Option<Reply>));

impl From<()> for Answered {
    fn from((): ()) -> Self {
        Self::Done
    }
}

impl TryFrom<Answered> for () {
    type Error = Refusal;

    fn try_from(answered: Answered) -> Result<Self, Refusal> {
        match answered {
            Answered::Done => Ok(()),
            other => Err(not_an_answer(&other)),
        }
    }
}

fn not_an_answer(answered: &Answered) -> Refusal {
    tracing::error!(?answered, "a call was answered with something else than it asks for");
    Refusal::new(Code::Internal, "the answer of the process that owns this room cannot be read")
}

/// Why a call is not answered here.
#[derive(Debug)]
pub(crate) enum Unanswered {
    /// Nothing was done: the channel is another process's, or nobody's at the moment.
    Away(ChannelName),
    Refused(Refusal),
}

impl Unanswered {
    /// What the log or the room's owner said of something in the channel.
    pub(crate) fn of(channel: &ChannelName, error: impl Into<AnswerError>) -> Self {
        match error.into() {
            AnswerError::NotOwner => Self::Away(channel.clone()),
            AnswerError::Refused(refusal) => Self::Refused(refusal),
        }
    }
}

impl From<Refusal> for Unanswered {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<RecordsError> for Unanswered {
    fn from(error: RecordsError) -> Self {
        Self::Refused(error.into())
    }
}

impl From<Unanswered> for Refusal {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::Away(_) => AnswerError::NotOwner.into(),
            Unanswered::Refused(refusal) => refusal,
        }
    }
}

impl From<Unanswered> for AnswerError {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::Away(_) => Self::NotOwner,
            Unanswered::Refused(refusal) => Self::Refused(refusal),
        }
    }
}

/// A call or an answer as it travels.
pub(crate) fn encode(value: &impl Serialize) -> Result<Bytes, Refusal> {
    serde_json::to_vec(value).map(Bytes::from).map_err(|error| {
        tracing::error!(%error, "a call between processes cannot be encoded");
        Refusal::new(Code::Internal, "this could not be handed to the process that owns the room")
    })
}

/// See [`encode`]. What only another version knows is refused, and may be answered once both are of one.
pub(crate) fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Refusal> {
    serde_json::from_slice(bytes).map_err(|error| {
        tracing::error!(%error, "a call between processes cannot be read: are they of different versions?");
        let message = "the process that owns this room is of another version and does not know this call, try again";
        Refusal::new(Code::Unavailable, message).retry_after(Duration::from_secs(5))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_version_does_not_know_is_passed_over_or_refused() {
        let known =
            br#"{"room":{"who":{"user_id":"u","is_back_end":false,"read":[],"publish":["a:*"],"expires_at":null,
            "later":1},"room_id":"room-1","deed":{"send":{"content":"hi","mood":"later"}},"more":{}}}"#;
        let call: Call = decode(known).unwrap();
        assert!(matches!(call, Call::Room { is_ar: None, deed: Deed::Send { client_message_id: None, .. }, .. }));
        let unknown = br#"{"later":{}}"#;
        assert_eq!(decode::<Call>(unknown).unwrap_err().code, Code::Unavailable);
        assert_eq!(<()>::try_from(Answered::Reply(None)).unwrap_err().code, Code::Internal);
    }
}
