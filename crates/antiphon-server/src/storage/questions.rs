//! Questions between processes: the first byte says whether rooms, tickets or the log are asked for.

use super::owners_log;
use antiphon_cluster::Answer;
use antiphon_core::{ChannelName, Code, Elsewhere, OwnedShards, Refusal};
use antiphon_kafka::KafkaLog;
use antiphon_rooms::Rooms;
use antiphon_transport::auth::Authenticator;
use bytes::{BufMut, Bytes, BytesMut};
use std::sync::Arc;

/// Who is asked in the other process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Addressee {
    /// The rooms.
    Rooms = b'r',
    /// Whoever keeps tickets.
    Tickets = b't',
    /// Whoever knows how the log is.
    Log = b'l',
}

/// The way to one addressee.
pub struct Questions {
    to: Addressee,
    elsewhere: Arc<dyn Elsewhere>,
}

impl Questions {
    /// Addresses all that is asked this way.
    pub fn of(to: Addressee, elsewhere: Arc<dyn Elsewhere>) -> Arc<dyn Elsewhere> {
        Arc::new(Self { to, elsewhere })
    }
}

#[async_trait::async_trait]
impl Elsewhere for Questions {
    async fn ask(&self, channel: &ChannelName, question: Bytes) -> Result<Bytes, Refusal> {
        let mut addressed = BytesMut::with_capacity(1 + question.len());
        addressed.put_u8(self.to as u8);
        addressed.put(question);
        self.elsewhere.ask(channel, addressed.freeze()).await
    }
}

/// Who answers here what other processes ask.
#[derive(Clone)]
pub struct Answering {
    /// The rooms that this process owns.
    pub rooms: Arc<Rooms>,
    /// Who keeps tickets.
    pub authenticator: Arc<Authenticator>,
    /// The log, where it is in Kafka.
    pub kafka: Option<Arc<KafkaLog>>,
    /// What this process writes of it.
    pub owned: OwnedShards,
}

impl Answering {
    /// Hands what other processes ask to whom they ask.
    pub fn answer(self) -> Answer {
        Arc::new(move |mut question: Bytes| {
            let Self { rooms, authenticator, kafka, owned } = self.clone();
            Box::pin(async move {
                let to = if question.is_empty() { 0 } else { question.split_to(1)[0] };
                if to == Addressee::Rooms as u8 {
                    return rooms.answer(question).await;
                }
                if to == Addressee::Tickets as u8 {
                    return authenticator.answer_of_ticket(&question);
                }
                if to == Addressee::Log as u8 {
                    return Ok(owners_log::answer(&owned, kafka.as_deref()));
                }
                tracing::error!(to, "another process asks for somebody whom this version does not have");
                let message = "the processes of this deployment do not understand each other";
                Err(Refusal::new(Code::Internal, message).into())
            })
        })
    }
}
