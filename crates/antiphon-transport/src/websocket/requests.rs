//! What each message of a WebSocket client does, and its answer.

use super::outlet::SocketOutlet;
use crate::live::Live;
use antiphon_core::{AR_ROOM, ChannelName, Code, Identity, Refusal, Timestamp, room_of_stream};
use antiphon_hub::{Connection, Start, SubscribeRequest};
use antiphon_wire::ServerMessage;
use antiphon_wire::client_message::{self, ArMessage, ClientMessage, JoinArRoom, Subscribe};
use serde_json::Value;
use std::sync::Arc;

/// One connection's requests.
pub(super) struct Requests<'a> {
    pub(super) live: &'a Live,
    pub(super) identity: &'a Identity,
    pub(super) connection: &'a Connection,
    pub(super) outlet: &'a Arc<SocketOutlet>,
}

impl Requests<'_> {
    /// Does what one message asks for; its answer or its error goes out with its `requestId`.
    pub(super) async fn answer(&self, text: &str) {
        let (request_id, message) = client_message::parse(text);
        let mut channel = None;
        let done = match message {
            Ok(message) => self.perform(message, request_id.clone(), &mut channel).await,
            Err(refusal) => Err(refusal),
        };
        match (done, request_id) {
            (Ok(Answer::Given), _) | (Ok(Answer::Plain), None) => {}
            (Ok(Answer::Plain), Some(request_id)) => self.outlet.say(&ServerMessage::Ok { request_id }),
            (Err(refusal), request_id) => self.outlet.say(&ServerMessage::error(refusal, request_id, channel.as_ref())),
        }
    }

    async fn perform(
        &self,
        message: ClientMessage,
        request_id: Option<Value>,
        channel: &mut Option<ChannelName>,
    ) -> Result<Answer, Refusal> {
        let rooms = &self.live.rooms;
        match message {
            ClientMessage::Ping => {
                self.outlet.say(&ServerMessage::Pong { timestamp: Timestamp::now(), request_id });
                return Ok(Answer::Given);
            }
            ClientMessage::JoinArRoom(fields) => return self.join(fields, request_id, channel).await,
            ClientMessage::Subscribe(fields) => return self.subscribe(fields, request_id, channel).await,
            ClientMessage::Unsubscribe(fields) => {
                let name = ChannelName::new(&fields.channel.namespace, &fields.channel.id)?;
                self.connection.unsubscribe(channel.insert(name))?;
            }
            ClientMessage::ArMessage(fields) => return self.send(fields, request_id).await,
            ClientMessage::InterruptStream(fields) => {
                if fields.room_id.is_some() && fields.room_id != room_of_stream(&fields.stream_id) {
                    let message = "there is no such stream in the room that `roomId` names";
                    return Err(Refusal::new(Code::StreamNotFound, message));
                }
                rooms.interrupt(self.identity, &fields.stream_id, fields.heard, fields.attempt).await?;
            }
            ClientMessage::CancelStream(fields) => {
                rooms.cancel(self.identity, &fields.stream_id).await?;
            }
            ClientMessage::PauseStream(fields) => {
                rooms.pause(self.identity, &fields.stream_id).await?;
            }
            ClientMessage::ResumeStream(fields) => {
                rooms.resume(self.identity, &fields.stream_id).await?;
            }
        }
        Ok(Answer::Plain)
    }

    /// Joining a room that is joined already changes nothing: clients of the room's own address may still say it. What they
    /// say is checked all the same.
    async fn join(
        &self,
        fields: JoinArRoom,
        request_id: Option<Value>,
        channel: &mut Option<ChannelName>,
    ) -> Result<Answer, Refusal> {
        let no_room = |_| Refusal::new(Code::RoomNotFound, "there is no such room among yours");
        *channel = Some(ChannelName::new(AR_ROOM, &fields.room_id).map_err(no_room)?);
        let room = self.live.rooms.find(self.identity, &fields.room_id).await?;
        let name = channel.insert(room.channel()?);
        let start = Start::parse(fields.position.as_deref())?;
        if fields.agent_id.is_some() && fields.agent_id != room.agent_id {
            let message = "`agentId` is not who answers in this room: leave it out, or name the room's own";
            return Err(Refusal::new(Code::InvalidRequest, message));
        }
        if self.connection.is_subscribed(name) {
            return Ok(Answer::Plain);
        }
        let request = SubscribeRequest { channel: name.clone(), start, until_end: false, request_id };
        self.connection.subscribe(request).await?;
        Ok(Answer::Given)
    }

    async fn subscribe(
        &self,
        fields: Subscribe,
        request_id: Option<Value>,
        channel: &mut Option<ChannelName>,
    ) -> Result<Answer, Refusal> {
        let name = channel.insert(ChannelName::new(&fields.channel.namespace, &fields.channel.id)?);
        self.live.may_read(self.identity, name).await?;
        let start = Start::parse(fields.position.as_deref())?;
        let request = SubscribeRequest { channel: name.clone(), start, until_end: false, request_id };
        self.connection.subscribe(request).await?;
        Ok(Answer::Given)
    }

    async fn send(&self, fields: ArMessage, request_id: Option<Value>) -> Result<Answer, Refusal> {
        self.live.limiter.message(self.identity)?;
        let accepted = self
            .live
            .rooms
            .send(self.identity, None, &fields.room_id, fields.content, fields.client_message_id)
            .await?;
        self.outlet.say(&ServerMessage::Accepted {
            request_id,
            message: Box::new(accepted.message),
            stream_id: accepted.stream_id,
            queued: accepted.queued,
        });
        Ok(Answer::Given)
    }
}

/// Whether a request still needs its `ok`.
enum Answer {
    /// It was answered with a message of its own.
    Given,
    /// It was done and has no other answer.
    Plain,
}
