//! Reading what Redis answers: nested arrays of texts, whose shape is a matter of trust.

use redis::{ErrorKind, RedisError, RedisResult, Value};

/// An answer that is not of the shape which was asked for.
pub fn unexpected() -> RedisError {
    RedisError::from((ErrorKind::UnexpectedReturnType, "the answer has another shape than it should"))
}

/// The items of an array.
pub fn items(value: Value) -> RedisResult<Vec<Value>> {
    match value {
        Value::Array(items) => Ok(items),
        Value::Nil => Ok(Vec::new()),
        _ => Err(unexpected()),
    }
}

/// A text's bytes.
pub fn bytes(value: Value) -> RedisResult<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Ok(bytes),
        Value::SimpleString(text) => Ok(text.into_bytes()),
        Value::Int(number) => Ok(number.to_string().into_bytes()),
        _ => Err(unexpected()),
    }
}

/// A text.
pub fn text(value: Value) -> RedisResult<String> {
    String::from_utf8(bytes(value)?).map_err(|_| unexpected())
}

/// A number, as itself or as text.
pub fn number<N: std::str::FromStr>(value: &Value) -> RedisResult<N> {
    let parse = |text: &str| text.parse().map_err(|_| unexpected());
    match value {
        Value::Int(number) => parse(&number.to_string()),
        Value::BulkString(bytes) => parse(std::str::from_utf8(bytes).map_err(|_| unexpected())?),
        Value::SimpleString(text) => parse(text),
        _ => Err(unexpected()),
    }
}

/// The next item of an array.
pub fn next(items: &mut impl Iterator<Item = Value>) -> RedisResult<Value> {
    items.next().ok_or_else(unexpected)
}

/// A number, or 0 where there is none yet.
pub fn number_or_zero<N: std::str::FromStr + Default>(value: &Value) -> RedisResult<N> {
    if *value == Value::Nil { Ok(N::default()) } else { number(value) }
}
