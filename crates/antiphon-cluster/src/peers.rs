//! The connections to other processes: one to each, made when it is first needed and mended by itself.

use crate::message::proto::peer_client::PeerClient;
use crate::secret::{Bring, Secret};
use antiphon_core::limits::{
    MAX_PROCESSES, PEER_CONNECT_TIMEOUT, PEER_CONNECTION_WINDOW, PEER_KEEPALIVE, PEER_MESSAGE_BYTES, PEER_STREAM_WINDOW,
};
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::error::Error;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, ConnectError, Status};

/// One peer's calls.
pub(crate) type Client = PeerClient<InterceptedService<Channel, Bring>>;

/// Why a call brought no reply. A refusal of the called process is a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It never left: nothing was obeyed.
    NotSent(String),
    /// It may have been obeyed.
    Broken(String),
    /// The other side does not take such calls, however often they are made: nothing was obeyed.
    Refused(String),
}

/// What hyper says where a connection closed before the call that waited for it was sent. The called process says no such
/// thing: what it says has no source here.
const NEVER_BEGUN: &str = "operation was canceled";

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        let reason = format!("{:?}: {}", status.code(), status.message());
        let mut source = status.source();
        while let Some(error) = source {
            if error.is::<ConnectError>() {
                return Self::NotSent(reason);
            }
            source = error.source();
        }
        match status.code() {
            Code::Cancelled if status.source().is_some() && status.message() == NEVER_BEGUN => Self::NotSent(reason),
            Code::Unauthenticated
            | Code::InvalidArgument
            | Code::OutOfRange
            | Code::ResourceExhausted
            | Code::Unimplemented => Self::Refused(reason),
            _ => Self::Broken(reason),
        }
    }
}

/// All of them.
pub(crate) struct Peers {
    secret: Secret,
    channels: Mutex<HashMap<String, Channel>>,
}

impl Peers {
    pub(crate) fn new(secret: Secret) -> Self {
        Self { secret, channels: Mutex::default() }
    }

    /// The calls of the process at `address`, `host:port`.
    pub(crate) fn client(&self, address: &str) -> Result<Client, Failure> {
        let channel = self.channel(address)?;
        Ok(PeerClient::with_interceptor(channel, self.secret.bring())
            .max_decoding_message_size(PEER_MESSAGE_BYTES)
            .max_encoding_message_size(PEER_MESSAGE_BYTES))
    }

    fn channel(&self, address: &str) -> Result<Channel, Failure> {
        let mut channels = self.channels.lock();
        if let Some(channel) = channels.get(address) {
            return Ok(channel.clone());
        }
        if channels.len() >= MAX_PROCESSES {
            return Err(Failure::NotSent(format!("more than {MAX_PROCESSES} processes are known")));
        }
        let endpoint = Endpoint::from_shared(format!("http://{address}"))
            .map_err(|_| Failure::NotSent("the owner's advertised address is not host:port".into()))?
            .connect_timeout(PEER_CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .initial_connection_window_size(PEER_CONNECTION_WINDOW)
            .initial_stream_window_size(PEER_STREAM_WINDOW)
            .http2_keep_alive_interval(PEER_KEEPALIVE)
            .keep_alive_timeout(PEER_KEEPALIVE)
            .keep_alive_while_idle(true);
        let channel = endpoint.connect_lazy();
        channels.insert(address.to_owned(), channel.clone());
        Ok(channel)
    }

    /// Lets go of connections to processes that are no more.
    pub(crate) fn keep(&self, addresses: &HashSet<&str>) {
        self.channels.lock().retain(|address, _| addresses.contains(address.as_str()));
    }
}
