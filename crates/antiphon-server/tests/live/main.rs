//! The program under fire: killed at random moments, with clients that come and go, and a reader that does not read.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod fanout;
mod follower;
mod kills;
mod refusals;
mod server;
mod stops;
