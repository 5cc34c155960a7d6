//! Questions to the rooms of whichever process owns them.

use crate::Answer;
use crate::message::{proto, to_refusal, unreadable};
use crate::owners::{Call, Outcome, Owners, Unanswered};
use antiphon_core::limits::PEER_ANSWER_TIMEOUT;
use antiphon_core::{AnswerError, ChannelName, Code, Elsewhere, Refusal};
use bytes::Bytes;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Asks over the routes. A question that may have been obeyed is not put again.
pub(crate) struct Ask {
    pub(crate) owners: Owners,
    pub(crate) answer: Arc<OnceLock<Answer>>,
}

impl From<Unanswered> for Refusal {
    fn from(unanswered: Unanswered) -> Self {
        let (message, reason) = match unanswered {
            Unanswered::Nobody(reason) => {
                ("no process answers for this room at the moment; nothing was done, try again", reason)
            }
            Unanswered::InDoubt(reason) => (
                "the process that answers for this room broke off; what was asked may have been done, look or try again",
                reason,
            ),
        };
        tracing::warn!(reason, "a question to another process was not answered");
        Refusal::new(Code::Unavailable, message).retry_after(Duration::from_secs(1))
    }
}

#[async_trait::async_trait]
impl Elsewhere for Ask {
    async fn ask(&self, channel: &ChannelName, question: Bytes) -> Result<Bytes, Refusal> {
        let request = &proto::AskRequest { channel: channel.as_str().to_owned(), question: question.clone() };
        let call = Call {
            is_repeatable: false,
            timeout: PEER_ANSWER_TIMEOUT,
            here: &|| {
                let question = question.clone();
                Box::pin(async move {
                    let Some(answer) = self.answer.get() else { return Outcome::NotOwner };
                    match answer(question).await {
                        Ok(answer) => Outcome::Done(Ok(answer)),
                        Err(AnswerError::Refused(refusal)) => Outcome::Done(Err(refusal)),
                        Err(AnswerError::NotOwner) => Outcome::NotOwner,
                    }
                })
            },
            there: &|mut client, _| {
                Box::pin(async move {
                    match client.ask(request.clone()).await?.into_inner().outcome {
                        Some(proto::ask_reply::Outcome::Answer(answer)) => Ok(Outcome::Done(Ok(answer))),
                        Some(proto::ask_reply::Outcome::Refusal(refusal)) => {
                            Ok(Outcome::Done(Err(to_refusal(refusal))))
                        }
                        Some(proto::ask_reply::Outcome::NotOwner(_)) => Ok(Outcome::NotOwner),
                        None => Err(unreadable("an answer")),
                    }
                })
            },
            copies: None,
        };
        self.owners.call(self.owners.owned.sharding().shard_of(channel), call).await?
    }
}
