//! The program as strangers meet it: each sentence of the protocol, asked of the real binary over real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod conversation;
mod crashing;
mod interrupting;
mod leaving;
mod operations;
mod positions;
mod queueing;
mod regular;
mod world;
