//! JSON from clients as what it should be: objects are objects, and what is wrong is said in JSON's words.
//!
//! What serde derives for a struct also takes an array of its fields in their order; no client is to rely on that order.

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use std::fmt;
use std::marker::PhantomData;

/// A struct that is read from a JSON object and from nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Object<T>(pub T);

impl<T> Object<T> {
    /// For a field: `#[serde(deserialize_with = "Object::read")]`.
    pub fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error>
    where
        T: Deserialize<'de>,
    {
        Self::deserialize(deserializer).map(|object| object.0)
    }

    /// For a field that may be absent or null: `#[serde(default, deserialize_with = "Object::optional")]`.
    pub fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error>
    where
        T: Deserialize<'de>,
    {
        Ok(Option::<Self>::deserialize(deserializer)?.map(|object| object.0))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OfMap(PhantomData)).map(Self)
    }
}

struct OfMap<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OfMap<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

/// What is wrong with JSON that is not of the wanted shape, for a client: the field, and no names of Rust's.
pub fn complaint(path: Option<&str>, error: &serde_json::Error) -> String {
    let said = error.to_string();
    // The path says it better, and in a message of one line the column is no help.
    let mut said = said.split(" at line ").next().unwrap_or_default().to_owned();
    for (of_serde, of_json) in [
        ("invalid type: sequence", "invalid type: array"),
        ("invalid type: map", "invalid type: object"),
        ("expected u64", "expected a whole number of 0 or more"),
        ("expected u32", "expected a whole number of 0 to 4294967295"),
        ("expected a sequence", "expected an array"),
        ("expected any valid JSON value", "expected JSON"),
    ] {
        said = said.replacen(of_serde, of_json, 1);
    }
    match path.filter(|path| *path != ".") {
        Some(path) => format!("`{path}`: {said}"),
        None => said,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Point<'a> {
        x: u32,
        #[serde(borrow)]
        name: &'a str,
        #[serde(default, deserialize_with = "Object::optional")]
        next: Option<Inner>,
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Inner {
        y: u64,
    }

    #[test]
    fn only_objects_are_objects_and_complaints_are_in_the_words_of_json() {
        let read = |json| serde_json::from_str::<Object<Point<'_>>>(json);
        let point = Point { x: 1, name: "a", next: Some(Inner { y: 2 }) };
        assert_eq!(read(r#"{"x":1,"name":"a","next":{"y":2},"more":[]}"#).unwrap().0, point);
        assert_eq!(read(r#"{"x":1,"name":"a","next":null}"#).unwrap().0.next, None);
        for (json, wanted) in [
            (r#"[1,"a"]"#, "invalid type: array, expected an object"),
            (r#"{"x":1,"name":"a","next":[2]}"#, "invalid type: array, expected an object"),
            ("3", "invalid type: integer `3`, expected an object"),
            (r#"{"x":1}"#, "missing field `name`"),
            (r#"{"x":-1,"name":"a"}"#, "expected a whole number of 0 to 4294967295"),
            (r#"{"x":{},"name":"a"}"#, "invalid type: object, expected a whole number"),
            (r#"{"x":1,"x":1}"#, "duplicate field `x`"),
        ] {
            let said = complaint(None, &read(json).unwrap_err());
            assert!(said.contains(wanted) && !said.contains("struct") && !said.contains("line"), "{said}");
        }
    }
}
