//! The engine on real Apache Kafka: the conformance suites, and what can go wrong. Each test has a topic of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod between;
mod conformance;
mod copies;
mod deployment;
mod doctor;
mod fencing;
mod following;
mod outage;
mod rights;
mod secured;
mod speed;
