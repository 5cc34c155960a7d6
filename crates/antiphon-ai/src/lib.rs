//! Models and the runs of their answers: providers, agents, stream runs. Knows no clients and no transport.

pub mod agent;
mod api_key;
pub mod frames;
mod http_client;
pub mod openai;
pub mod provider;
pub mod run;
pub mod script;

pub use api_key::ApiKey;
pub use http_client::http_client;
