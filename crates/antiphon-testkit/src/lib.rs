//! What tests share: conformance suites of the seams, and scripted providers that fail as told.

pub mod backbone_suite;
pub mod log_suite;
pub mod upstream;
