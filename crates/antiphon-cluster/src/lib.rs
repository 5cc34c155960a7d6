//! How the processes of one deployment find, own and ask each other: leases in SQL, gRPC between them, the log and the
//! rooms of all of them as if they were here.
//!
//! Ownership by lease avoids contention; what makes a write safe is the engine's own fencing ([`antiphon_core::Fenced`]).

mod ask;
mod backbone;
mod cluster;
mod follower;
mod following;
mod leases;
mod log;
mod message;
mod owners;
mod ownership;
mod peers;
mod presence;
mod reach;
mod routes;
mod secret;
mod service;
mod timing;
mod watching;

pub use backbone::GrpcBackbone;
pub use cluster::{Answer, Cluster, ClusterError, ClusterOptions, Engine};
pub use log::Reads;
pub use reach::{Unserved, WhyUnserved};
