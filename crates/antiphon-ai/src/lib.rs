//! Models and the runs of their answers: providers, agents, stream runs. Knows no clients and no transport.

pub mod agent;
pub mod anthropic;
mod api_key;
mod call;
pub mod connect;
pub mod frames;
pub mod gemini;
mod http_client;
pub mod ollama;
pub mod openai;
pub mod perplexity;
pub mod placing;
pub mod provider;
mod provider_fault;
pub mod run;
pub mod script;

pub use api_key::ApiKey;
pub use call::{HttpOptions, HttpProvider, SetupError};
pub use http_client::http_client;
