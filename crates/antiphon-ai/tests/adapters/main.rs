//! The adapters against a scripted upstream: what they send, what they read, how calls end, and how they stop.

// What is a test's business in a test is so in its surroundings too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod anthropic;
mod calls;
mod conformance;
mod gemini;
mod matrix;
mod mock_server;
mod ollama;
mod openai;
mod perplexity;
