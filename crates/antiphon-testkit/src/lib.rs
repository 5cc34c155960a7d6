//! What tests share: conformance suites of the seams, and scripted providers that fail as told,
//! and the real program with clients of every kind.

pub mod backbone_suite;
pub mod client;
pub mod log_suite;
pub mod process;
pub mod upstream;
