//! Typed access to a GGUF file's metadata (keys: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>).

use crate::error::LocalError;
use candle_core::quantized::gguf_file::{Content, Value};

/// A whole number, whichever width the converter chose.
pub(crate) fn number(content: &Content, key: &str) -> Option<u64> {
    match content.metadata.get(key)? {
        Value::U8(n) => Some(u64::from(*n)),
        Value::U16(n) => Some(u64::from(*n)),
        Value::U32(n) => Some(u64::from(*n)),
        Value::U64(n) => Some(*n),
        Value::I8(n) => u64::try_from(*n).ok(),
        Value::I16(n) => u64::try_from(*n).ok(),
        Value::I32(n) => u64::try_from(*n).ok(),
        Value::I64(n) => u64::try_from(*n).ok(),
        _ => None,
    }
}

pub(crate) fn boolean(content: &Content, key: &str) -> Option<bool> {
    match content.metadata.get(key)? {
        Value::Bool(value) => Some(*value),
        _ => None,
    }
}

pub(crate) fn text<'a>(content: &'a Content, key: &str) -> Option<&'a str> {
    match content.metadata.get(key)? {
        Value::String(text) => Some(text),
        _ => None,
    }
}

pub(crate) fn array<'a>(content: &'a Content, key: &str) -> Option<&'a [Value]> {
    match content.metadata.get(key)? {
        Value::Array(values) => Some(values),
        _ => None,
    }
}

/// What of the network's shape the engine must know itself.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    pub(crate) architecture: String,
    /// Tokens of prompt and answer together.
    pub(crate) context_tokens: usize,
    /// Bytes of attention cache that one token takes: a key and a value, as f32, in every layer.
    pub(crate) cache_bytes_per_token: usize,
}

impl Shape {
    pub(crate) fn read(content: &Content) -> Result<Self, LocalError> {
        let architecture =
            text(content, "general.architecture").ok_or(LocalError::Missing("general.architecture"))?.to_owned();
        if architecture != "llama" {
            return Err(LocalError::Architecture(architecture));
        }
        let dimension = |key: &'static str| match number(content, key).and_then(|n| usize::try_from(n).ok()) {
            None | Some(0) => Err(LocalError::Missing(key)),
            Some(n) => Ok(n),
        };
        let context = dimension("llama.context_length")?;
        let layers = dimension("llama.block_count")?;
        let width = dimension("llama.embedding_length")?;
        let heads = dimension("llama.attention.head_count")?;
        let cached_heads = dimension("llama.attention.head_count_kv")?;
        let cache_bytes_per_token = [2, layers, cached_heads, width / heads, size_of::<f32>()]
            .iter()
            .fold(1, |all: usize, n| all.saturating_mul(*n));
        // candle computes its rotary positions up to here.
        let context_tokens = context.min(candle_transformers::models::quantized_llama::MAX_SEQ_LEN);
        Ok(Self { architecture, context_tokens, cache_bytes_per_token })
    }
}
