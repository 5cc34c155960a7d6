//! Rooms: messages, queues of streams, and who may do what to them. Knows no transport and no engine.
//!
//! A room's channel in the log is the only truth. One owner task per room with work appends to it, everything it knows
//! is a [`fold`] of it, and the records in SQL are that fold written down now and then, with the position that it includes.
//!
//! Owner tasks run in the process that owns the shard of the room's channel, and end with that ownership. Every process
//! takes every call: what it does not own it hands to the process that does, once.

mod access;
mod answering;
mod call;
mod command;
mod cut;
pub mod fold;
mod moving;
mod owner;
mod prompt;
mod reading;
mod recovery;
mod registry;
mod rooms;
mod stop_latencies;
mod timeline;
mod view;

pub use registry::LogState;
pub use rooms::{Rooms, RoomsOptions};
pub use stop_latencies::StopSummary;
pub use timeline::{MarkerTime, SpokenWord, Timeline};
pub use view::{Accepted, MessagePage, NewRoom, Reply, RoomView, StreamView};
