//! Sessions, subscriptions, outboxes and presence: who gets what, in which order, and what happens when they lag.
//! Knows no engine and no transport.
//!
//! Each channel that anybody subscribes to has one writer, which encodes what is pending once and gives the same bytes to
//! every client that is caught up. A client that is behind, or whose outlet has a backlog, is served by a task of its own
//! that reads the log at the client's pace, and joins the others again once it has caught up.

mod catch_up;
mod connection;
mod feed;
mod hub;
mod latency;
mod outlet;
mod session;
mod subscription;
mod writer;

pub use connection::Connection;
pub use hub::{Hub, HubCounts};
pub use latency::{Hop, HopSummary, Hops};
pub use outlet::{CloseReason, Offer, Outlet};
pub use subscription::{Start, SubscribeRequest};
