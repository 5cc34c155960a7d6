//! The streaming parser against its guarantees: shared vectors, properties, random input.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod fuzz;
mod invariants;
mod properties;
mod vectors;
