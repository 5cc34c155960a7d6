//! Rooms on a log in memory that can fail, with models that say what the test says.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod crashes;
mod deletion;
mod fenced;
mod forwarding;
mod full_disk;
mod giving;
mod interleavings;
mod interrupts;
mod lifecycle;
mod moves;
mod moving_interleavings;
mod pair;
mod projecting;
mod prompts;
mod regular;
mod unowned;
mod viewers;
mod world;
