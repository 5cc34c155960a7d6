//! Several processes of one deployment: what they ask of each other, and what they are told.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod deployment;
mod following;
mod forwarding;
mod giving;
mod reach;
