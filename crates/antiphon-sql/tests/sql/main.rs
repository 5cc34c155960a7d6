//! Rooms, messages and leases in each of the databases: as they are written, while the database is away, and as the doctor
//! sees it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod away;
mod check;
mod databases;
mod encrypted;
mod leases;
mod records;
