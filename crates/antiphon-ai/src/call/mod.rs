//! Calls over HTTP: what all such providers share. The request is sent, its response read piece by piece within bounds
//! and time-outs, and its end named; the wire format is the [`Dialect`]'s.

mod citations;
mod dialect;
mod endpoint;
mod error_body;
pub(crate) mod fault;
#[cfg(test)]
mod fuzz;
mod stream;
mod think_tags;
mod turns;
mod whole;

pub(crate) use citations::Citations;
pub(crate) use dialect::{Answer, Dialect};
pub use endpoint::{HttpOptions, HttpProvider, SetupError};
pub(crate) use endpoint::{below, key_header};
pub(crate) use think_tags::ThinkTags;
pub(crate) use turns::alternating;
