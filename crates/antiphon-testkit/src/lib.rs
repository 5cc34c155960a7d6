//! What tests share: conformance suites of the seams, and scripted providers that fail as told,
//! and the real program with clients of every kind.

pub mod backbone_suite;
pub mod client;
pub mod deployment;
pub mod faults;
pub mod fenced_suite;
pub mod log_suite;
mod plain_event;
pub mod process;
pub mod proxy;
pub mod servers;
pub mod upstream;
