//! Rooms on a log in memory that can fail, with models that say what the test says.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod crashes;
mod deletion;
mod full_disk;
mod interleavings;
mod interrupts;
mod lifecycle;
mod prompts;
mod regular;
mod viewers;
mod world;
