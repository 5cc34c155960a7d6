//! Bytes to and from core types: WebSocket frames, server-sent events, merged chunks, the messages of the protocol.
//! Pure: no I/O, no clock.

pub mod client_message;
pub mod encode;
pub mod merge;
pub mod object;
pub mod server_message;
pub mod websocket;

pub use client_message::ClientMessage;
pub use encode::{Audience, Format};
pub use object::Object;
pub use server_message::ServerMessage;
