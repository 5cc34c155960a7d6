//! The vectors that every implementation of the parser is run through, at every split position.

use std::collections::HashSet;
use std::sync::Arc;

use antiphon_markers::{Marker, MarkerKind, Parsed, Vocabulary, parse};
use serde_json::Value;

use crate::invariants::feed;

struct Vectors {
    vocabulary: Arc<Vocabulary>,
    cases: Vec<(String, Parsed)>,
}

fn vectors() -> Vectors {
    let file: Value = serde_json::from_str(include_str!("../../vectors.json")).unwrap();
    let string = |value: &Value| value.as_str().unwrap().to_owned();
    let values = MarkerKind::ALL.into_iter().flat_map(|kind| {
        let list = file["vocabulary"][kind.as_str()].as_array().unwrap();
        list.iter().map(move |value| (kind, value.as_str().unwrap()))
    });
    let vocabulary = Arc::new(Vocabulary::new(values).unwrap());
    let markers = |value: &Value| serde_json::from_value::<Vec<Marker>>(value.clone()).unwrap();
    let case = |case: &Value| {
        let (raw, text) = (string(&case["input"]), string(&case["text"]));
        let (markers, unknown) = (markers(&case["markers"]), markers(&case["unknownMarkers"]));
        (string(&case["name"]), Parsed { raw, text, markers, unknown })
    };
    let cases = file["cases"].as_array().unwrap().iter().map(case).collect();
    Vectors { vocabulary, cases }
}

#[test]
fn are_named_apart_and_use_the_default_vocabulary() {
    let Vectors { vocabulary, cases } = vectors();
    assert_eq!(*vocabulary, Vocabulary::default());
    let names: HashSet<_> = cases.iter().map(|(name, _)| name).collect();
    assert!(names.len() == cases.len() && cases.len() >= 40, "{} names, {} cases", names.len(), cases.len());
}

#[test]
fn hold_in_one_piece() {
    let Vectors { vocabulary, cases } = vectors();
    for (name, expected) in cases {
        assert_eq!(parse(&vocabulary, &expected.raw), expected, "{name}");
    }
}

#[test]
fn hold_at_every_split_position() {
    let Vectors { vocabulary, cases } = vectors();
    for (name, expected) in cases {
        let bytes = expected.raw.as_bytes();
        // Every byte position, so every character position too.
        for at in 0..=bytes.len() {
            let (first, second) = bytes.split_at(at);
            assert_eq!(feed(&vocabulary, &[first, second]), expected, "{name} split at byte {at}");
        }
    }
}

#[test]
fn hold_character_by_character_and_byte_by_byte() {
    let Vectors { vocabulary, cases } = vectors();
    for (name, expected) in cases {
        let characters = expected.raw.char_indices().map(|(at, c)| &expected.raw.as_bytes()[at..at + c.len_utf8()]);
        assert_eq!(feed(&vocabulary, &characters.collect::<Vec<_>>()), expected, "{name} by character");
        let bytes: Vec<&[u8]> = expected.raw.as_bytes().chunks(1).collect();
        assert_eq!(feed(&vocabulary, &bytes), expected, "{name} by byte");
    }
}

#[test]
fn markers_are_written_as_the_protocol_has_them() {
    let marker = Marker { kind: MarkerKind::Gesture, value: "shake_head".into(), offset: 7 };
    let json = serde_json::json!({"kind": "gesture", "value": "shake_head", "offset": 7});
    assert_eq!(serde_json::to_value(&marker).unwrap(), json);
    assert_eq!(serde_json::from_value::<Marker>(json).unwrap(), marker);
    assert!(serde_json::from_str::<MarkerKind>("\"mood\"").is_err());
}
