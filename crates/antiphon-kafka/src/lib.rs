//! The engine "kafka": one topic of Apache Kafka is the log, each shard one of its partitions.
//!
//! Kafka takes records from anybody, so the log itself decides which count (`verdict`). The owner of a shard writes what is
//! appended as few records (`commit`); everybody else follows them (`follower`). Both put what counts into a copy in a
//! local folder, from which channels are read.

mod client;
mod commit;
mod copies;
mod encoding;
mod follower;
mod health;
mod log;
mod options;
mod partition;
mod producer;
mod reader;
mod shared;
mod topic;
mod verdict;

pub use copies::Copies;
pub use log::{KafkaLog, OpenError};
pub use options::{Credentials, Following, KafkaOptions, KafkaTarget, Mechanism, Security, Tls};
pub use topic::{Checked, Finding, FindingKind, check, remove};
