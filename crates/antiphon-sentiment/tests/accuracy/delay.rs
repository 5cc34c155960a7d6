//! By how much a stream is delayed: answers that arrive as tokens at an even pace, and when each character is released.

use antiphon_markers::Vocabulary;
use antiphon_sentiment::Placer;
use std::sync::Arc;

/// A token each so many milliseconds: 50 a second.
const TOKEN_MILLISECONDS: usize = 20;
/// The greatest length of a token in characters; an English one has about four.
const TOKEN_CHARACTERS: usize = 6;

/// The answer in pieces like a tokenizer's: words with the space before them, long ones in parts.
fn tokens(answer: &str) -> Vec<String> {
    let mut tokens = vec![String::new()];
    for character in answer.chars() {
        let last = tokens.last_mut().unwrap();
        let begins = !character.is_alphanumeric() && !last.is_empty();
        if begins || last.chars().count() >= TOKEN_CHARACTERS {
            tokens.push(character.into());
        } else {
            last.push(character);
        }
    }
    tokens
}

/// Of one answer: the tokens that each of its characters waited for, and the most bytes held.
fn waits(answer: &str) -> (Vec<usize>, usize) {
    let mut placer = Placer::new(Arc::new(Vocabulary::default()));
    let (mut arrived, mut waits, mut most) = (Vec::new(), Vec::new(), 0);
    let tokens = tokens(answer);
    for (at, token) in tokens.iter().enumerate() {
        arrived.extend(token.chars().map(|_| at));
        placer.push(token);
        most = most.max(placer.held().len());
        let released = arrived.len() - placer.held().chars().count();
        waits.extend(arrived[waits.len()..released].iter().map(|arrival| at - arrival));
    }
    // The end comes with the last token.
    waits.extend(arrived[waits.len()..].iter().map(|arrival| tokens.len() - 1 - arrival));
    (waits, most)
}

/// By nearest rank.
fn percentile(sorted: &[usize], percent: usize) -> usize {
    sorted[(sorted.len() * percent).div_ceil(100) - 1]
}

/// The table for docs/sentiment.md.
pub fn table() -> String {
    let answers: Vec<_> = include_str!("../../labelled/answers.md").split("=====\n").map(waits).collect();
    let sorted = |mut list: Vec<usize>| {
        list.sort_unstable();
        list
    };
    let first = sorted(answers.iter().map(|(waits, _)| waits[0]).collect());
    let all = sorted(answers.iter().flat_map(|(waits, _)| waits.clone()).collect());
    let held = sorted(answers.iter().map(|(_, most)| *most).collect());
    let row = |name: &str, list: &[usize], unit: usize, suffix: &str| {
        let [p50, p99, most] = [50, 99, 100].map(|percent| percentile(list, percent) * unit);
        format!("| {name} | {p50} {suffix} | {p99} {suffix} | {most} {suffix} |\n")
    };
    let mut table = String::from("| at 50 tokens a second | p50 | p99 | most |\n|---|---|---|---|\n");
    table += &row("first character of an answer", &first, TOKEN_MILLISECONDS, "ms");
    table += &row("any character", &all, TOKEN_MILLISECONDS, "ms");
    table += &row("most held back in an answer", &held, 1, "bytes");
    table
}
