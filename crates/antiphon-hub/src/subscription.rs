//! A subscription: one connection's cursor on one channel.

use crate::feed::Feed;
use crate::hub::Hub;
use crate::outlet::Outlet;
use antiphon_core::{ChannelName, EventKind, Position, Record, Refusal, Viewing};
use antiphon_wire::server_message::ChannelReference;
use antiphon_wire::{ServerMessage, encode};
use parking_lot::Mutex;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Where a subscription starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With what comes from now on.
    Now,
    /// With everything kept.
    Kept,
    /// With what follows a position.
    After(Position),
}

impl Start {
    /// Reads a client's `position`: none = now, `start` = everything kept.
    pub fn parse(position: Option<&str>) -> Result<Self, Refusal> {
        match position {
            None => Ok(Self::Now),
            Some("start") => Ok(Self::Kept),
            Some(text) => Position::parse(text).map(Self::After),
        }
    }
}

/// What a client asks for.
#[derive(Clone, Debug)]
pub struct SubscribeRequest {
    /// Which channel.
    pub channel: ChannelName,
    /// From where.
    pub start: Start,
    /// Ends at what is the channel's end at the request.
    pub until_end: bool,
    /// Comes back on `subscribed`.
    pub request_id: Option<Value>,
}

/// Whether nothing can follow these records in their channel.
pub(crate) fn is_last(records: &[Record]) -> bool {
    records.last().is_some_and(|record| record.kind == EventKind::Last)
}

/// One connection's cursor on one channel: catching up, live, or over.
pub(crate) struct Subscription {
    pub(crate) feed: Arc<Feed>,
    pub(crate) outlet: Arc<dyn Outlet>,
    pub(crate) client_id: Arc<str>,
    pub(crate) user_id: Arc<str>,
    /// The number of the last event wanted.
    pub(crate) until: Option<u64>,
    hub: Arc<Hub>,
    is_announced: AtomicBool,
    is_over: AtomicBool,
    viewing: Mutex<Option<Viewing>>,
}

impl Subscription {
    pub(crate) fn new(
        hub: Arc<Hub>,
        feed: Arc<Feed>,
        outlet: Arc<dyn Outlet>,
        (client_id, user_id): (Arc<str>, Arc<str>),
        until: Option<u64>,
    ) -> Arc<Self> {
        let viewing = feed.channel.is_room().then(|| hub.viewers().enter(&feed.channel));
        Arc::new(Self {
            feed,
            outlet,
            client_id,
            user_id,
            until,
            hub,
            is_announced: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            viewing: Mutex::new(viewing),
        })
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// Says, once, that the past is done.
    pub(crate) fn announce_caught_up(&self, position: Position) {
        if !self.is_announced.swap(true, Ordering::AcqRel) {
            let channel = ChannelReference::from(&self.feed.channel);
            self.notify(&ServerMessage::CaughtUp { channel, position });
        }
    }

    pub(crate) fn notify(&self, message: &ServerMessage) {
        self.outlet.push(encode::notice(message, self.outlet.format()));
    }

    /// Ends the subscription with an error that the client sees.
    pub(crate) fn fail(&self, refusal: Refusal) {
        if !self.is_over() {
            self.notify(&ServerMessage::error(refusal, None, Some(&self.feed.channel)));
            self.end();
            self.outlet.subscription_ended();
        }
    }

    /// Ends the subscription, whose client has the last of its channel.
    pub(crate) fn finish(&self) {
        if !self.is_over() {
            self.end();
            self.outlet.subscription_ended();
        }
    }

    /// Ends the subscription; once.
    pub(crate) fn end(&self) {
        if !self.is_over.swap(true, Ordering::AcqRel) {
            self.viewing.lock().take();
            self.feed.leave(&self.client_id);
            self.hub.release(&self.feed.channel);
        }
    }
}
