//! One connection of a session: its subscriptions, which end with it.

use crate::catch_up;
use crate::hub::Hub;
use crate::outlet::Outlet;
use crate::session::Grant;
use crate::subscription::{Start, SubscribeRequest, Subscription};
use antiphon_core::limits::MAX_SUBSCRIPTIONS;
use antiphon_core::{ChannelName, Code, ReadFrom, ReadLimit, Refusal};
use antiphon_wire::ServerMessage;
use antiphon_wire::server_message::ChannelReference;
use parking_lot::Mutex;
use std::sync::Arc;

/// One connection. Dropping it ends its subscriptions and leaves its session to be taken over.
pub struct Connection {
    hub: Arc<Hub>,
    outlet: Arc<dyn Outlet>,
    client_id: Arc<str>,
    user_id: Arc<str>,
    grant: Grant,
    subscriptions: Mutex<Vec<Arc<Subscription>>>,
}

impl Connection {
    pub(crate) fn new(
        hub: Arc<Hub>,
        outlet: Arc<dyn Outlet>,
        client_id: Arc<str>,
        user_id: Arc<str>,
        grant: Grant,
    ) -> Self {
        Self { hub, outlet, client_id, user_id, grant, subscriptions: Mutex::default() }
    }

    /// The connection's id.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// The session's id.
    pub fn session_id(&self) -> &str {
        &self.grant.session_id
    }

    /// The secret that takes the session over.
    pub fn resume_token(&self) -> &str {
        &self.grant.resume_token
    }

    /// True where the channel is subscribed to.
    pub fn is_subscribed(&self, channel: &ChannelName) -> bool {
        self.subscriptions
            .lock()
            .iter()
            .any(|subscription| subscription.feed.channel == *channel && !subscription.is_over())
    }

    /// Subscribes: `subscribed`, the past, `caught-up`, then live. The caller has checked that the client may read it.
    pub async fn subscribe(&self, request: SubscribeRequest) -> Result<(), Refusal> {
        let SubscribeRequest { channel, start, until_end, request_id } = request;
        self.admit(&channel)?;
        let feed = self.hub.feed(&channel);
        let opened = async {
            let log = self.hub.log();
            feed.opened
                .get_or_try_init(async || log.bounds(&channel).await.map(|bounds| feed.open(bounds.end)))
                .await?;
            let bounds = log.bounds(&channel).await?;
            let cursor = match start {
                Start::Now => bounds.end,
                Start::Kept => bounds.start,
                Start::After(position) => {
                    log.read(&channel, ReadFrom::After(position), ReadLimit { events: 1, bytes: 1 }).await?;
                    position
                }
            };
            Ok::<_, antiphon_core::LogError>((cursor, until_end.then_some(bounds.end.number)))
        };
        let (cursor, until) = match opened.await {
            Ok(opened) => opened,
            Err(error) => {
                self.hub.release(&channel);
                return Err(error.into());
            }
        };
        let identity = (self.client_id.clone(), self.user_id.clone());
        let subscription = Subscription::new(self.hub.clone(), feed, self.outlet.clone(), identity, until);
        {
            let mut subscriptions = self.subscriptions.lock();
            subscriptions.retain(|subscription| !subscription.is_over());
            subscriptions.push(subscription.clone());
        }
        subscription.feed.enter(&subscription.client_id, &subscription.user_id);
        let channel = ChannelReference::from(&channel);
        subscription.notify(&ServerMessage::Subscribed { channel, position: cursor, request_id });
        if until.is_some() || !subscription.feed.join(&subscription, cursor) {
            tokio::spawn(catch_up::run(self.hub.clone(), subscription, cursor, true));
        }
        Ok(())
    }

    fn admit(&self, channel: &ChannelName) -> Result<(), Refusal> {
        if self.is_subscribed(channel) {
            return Err(Refusal::new(
                Code::Conflict,
                "this connection is subscribed to the channel already: unsubscribe first to start elsewhere",
            ));
        }
        let open = self.subscriptions.lock().iter().filter(|subscription| !subscription.is_over()).count();
        if open >= MAX_SUBSCRIPTIONS {
            return Err(Refusal::new(
                Code::RateLimited,
                format!("a connection holds at most {MAX_SUBSCRIPTIONS} subscriptions: unsubscribe from one first"),
            ));
        }
        Ok(())
    }

    /// Ends a subscription.
    pub fn unsubscribe(&self, channel: &ChannelName) -> Result<(), Refusal> {
        let mut subscriptions = self.subscriptions.lock();
        let found = subscriptions
            .iter()
            .position(|subscription| subscription.feed.channel == *channel && !subscription.is_over());
        match found {
            Some(at) => {
                subscriptions.swap_remove(at).end();
                Ok(())
            }
            None => Err(Refusal::new(Code::Conflict, "this connection is not subscribed to the channel")),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        for subscription in self.subscriptions.lock().drain(..) {
            subscription.end();
        }
        self.hub.sessions().detach(&self.grant.resume_token);
    }
}
