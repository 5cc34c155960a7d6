//! Faults under load, and what they must not do: processes and engines are killed, paused and cut off by a printed seed
//! while clients talk and read, and everything that clients saw is held against everything that was acknowledged.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod campaign;
mod client;
mod drawn;
mod inject;
mod kafka;
mod load;
mod reading;
mod redis;
mod report;
mod silence;
mod stage;
mod verdict;

pub use campaign::{Campaign, run};
pub use client::{Client, Transport};
pub use drawn::{Drawn, Fault};
pub use kafka::Kafka;
pub use load::{Load, Size};
pub use reading::{Reading, Seen};
pub use redis::Redis;
pub use report::{Report, Row, table};
pub use silence::Silence;
pub use stage::{Far, Stage};
pub use verdict::Verdict;
