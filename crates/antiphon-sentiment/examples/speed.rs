//! Prints what the placer costs: `cargo run --release -p antiphon-sentiment --example speed`.

use antiphon_markers::Vocabulary;
use antiphon_sentiment::{Placer, compound};
use std::sync::Arc;
use std::time::Instant;

const ROUNDS: u32 = 2_000;

fn main() {
    let start = Instant::now();
    let score = compound("warm");
    println!("reading the lexicon: {} µs, once (a score of {score:.4})", start.elapsed().as_micros());
    let answers: Vec<&str> = include_str!("../labelled/answers.md").split("=====\n").collect();
    let vocabulary = Arc::new(Vocabulary::default());
    let (mut phrases, mut bytes) = (0_u32, 0);
    let start = Instant::now();
    for answer in (0..ROUNDS).flat_map(|_| &answers) {
        let mut placer = Placer::new(vocabulary.clone());
        for token in answer.split_inclusive(' ') {
            phrases += u32::from(placer.push(token).is_some());
        }
        phrases += u32::from(placer.finish().is_some());
        bytes += answer.len();
    }
    let spent = start.elapsed();
    let a_phrase = spent.as_secs_f64() * 1e6 / f64::from(phrases);
    println!("{a_phrase:.1} µs a phrase, {:.0} ns a byte", spent.as_secs_f64() * 1e9 / bytes as f64);
}
