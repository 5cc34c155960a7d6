//! What holds for every answer and every way to cut it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod examples;
mod properties;

use antiphon_markers::Vocabulary;
use antiphon_sentiment::{MAX_PHRASE_BYTES, Placer};
use std::sync::Arc;

/// The answer with markers, pushed in pieces of so many characters, which are gone through again and again.
fn placed(answer: &str, lengths: &[usize], vocabulary: Vocabulary) -> String {
    let mut placer = Placer::new(Arc::new(vocabulary));
    let characters: Vec<char> = answer.chars().collect();
    let mut lengths = lengths.iter().copied().cycle();
    let (mut rest, mut all) = (characters.as_slice(), String::new());
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(lengths.next().unwrap_or(rest.len()).clamp(1, rest.len()));
        let released = placer.push(&piece.iter().collect::<String>());
        assert!(released.as_deref() != Some(""), "an empty release");
        all.push_str(&released.unwrap_or_default());
        assert!(placer.held().len() <= MAX_PHRASE_BYTES, "{} held", placer.held().len());
        rest = after;
    }
    all.push_str(&placer.finish().unwrap_or_default());
    assert!(placer.held().is_empty() && placer.finish().is_none());
    all
}

fn whole(answer: &str) -> String {
    placed(answer, &[], Vocabulary::default())
}

/// Where in the answer markers were put in, and which; panics where anything else was changed.
fn inserted(answer: &str, output: &str) -> Vec<(usize, String)> {
    let (mut found, mut at, mut rest) = (Vec::new(), 0, output);
    while !rest.is_empty() {
        let next = rest.chars().next().unwrap();
        let own = &answer[at..];
        let marker = rest.find(']').map(|end| &rest[..=end]).filter(|_| next == '[');
        match marker.filter(|marker| !own.starts_with(*marker) || is_doubled(rest, own, marker)) {
            Some(marker) if marker.starts_with("[emotion:") || marker.starts_with("[tone:") => {
                found.push((at, marker.to_owned()));
                rest = &rest[marker.len()..];
            }
            _ => {
                assert!(own.starts_with(next), "{output:?} changes {answer:?} at {at}");
                at += next.len_utf8();
                rest = &rest[next.len_utf8()..];
            }
        }
    }
    assert_eq!(at, answer.len(), "{output:?} ends before {answer:?}");
    found
}

/// Of two equal markers in a row, where the answer has one, one was put in.
fn is_doubled(rest: &str, own: &str, marker: &str) -> bool {
    rest[marker.len()..].starts_with(marker) && !own[marker.len()..].starts_with(marker)
}
