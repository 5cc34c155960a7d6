//! Faults by a printed seed on real processes and real engines, and a check of everything that clients saw. A short
//! campaign runs with the other tests; `cargo xtask faults` runs long ones, and single scenarios.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod campaigns;
mod redis_stopped;
mod settings;
