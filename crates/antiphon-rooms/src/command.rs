//! What callers ask of a room's owner. Whether they may was checked before; what the room's state says is checked here.

use crate::view::{Accepted, MessagePage, Reply, StreamView};
use antiphon_core::AnswerError;
use std::time::Instant;
use tokio::sync::oneshot;

/// Where an answer goes.
pub(crate) type Answer<T> = oneshot::Sender<Result<T, AnswerError>>;

/// What a person says.
pub(crate) struct NewMessage {
    pub(crate) user_id: String,
    pub(crate) content: String,
    pub(crate) client_message_id: Option<String>,
}

/// How a person stops a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Having heard so much of that attempt; nothing counts as all of the latest.
    Interrupt { by: String, heard: Option<u64>, attempt: Option<u32> },
    /// Wanting none of it.
    Cancel,
    /// Not a person but the server gives up, with this code and sentence.
    Fail { code: &'static str, message: String },
}

/// A command to a room's owner.
pub(crate) enum Command {
    /// Only be there.
    Touch(Answer<()>),
    Say(NewMessage, Answer<Accepted>),
    Messages {
        limit: usize,
        before: Option<String>,
        answer: Answer<MessagePage>,
    },
    Stop {
        stream_id: String,
        stop: Stop,
        asked_at: Instant,
        answer: Answer<StreamView>,
    },
    /// Pause, or resume.
    Hold {
        stream_id: String,
        by: String,
        pause: bool,
        answer: Answer<StreamView>,
    },
    Retry {
        stream_id: String,
        by: String,
        answer: Answer<Accepted>,
    },
    Stream {
        stream_id: String,
        answer: Answer<StreamView>,
    },
    /// The answer comes with the stream's end; it is dropped where that will not come from this owner.
    Wait {
        stream_id: String,
        answer: oneshot::Sender<Reply>,
    },
    Delete {
        asked_at: Instant,
        answer: Answer<()>,
    },
}

impl Command {
    /// Answers that it is not done.
    pub(crate) fn refuse(self, error: impl Into<AnswerError>) {
        let error = error.into();
        // A caller that has gone away needs no answer.
        match self {
            Self::Touch(answer) | Self::Delete { answer, .. } => drop(answer.send(Err(error))),
            Self::Say(_, answer) | Self::Retry { answer, .. } => drop(answer.send(Err(error))),
            Self::Messages { answer, .. } => drop(answer.send(Err(error))),
            Self::Stop { answer, .. } | Self::Hold { answer, .. } | Self::Stream { answer, .. } => {
                drop(answer.send(Err(error)));
            }
            Self::Wait { .. } => {}
        }
    }
}
