//! Agreement with the reference's scores.

use super::{Valence, compound};

/// The column of a labelled file that has the reference's score; the text is its last.
fn check(file: &str, column: usize) {
    let mut rows = 0;
    for line in file.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let (expected, text) = (fields[column], fields[fields.len() - 1]);
        let ours: f64 = format!("{:.4}", compound(text)).parse().unwrap();
        assert!((ours - expected.parse::<f64>().unwrap()).abs() < 1e-9, "{ours} for {expected} of {text:?}");
        rows += 1;
    }
    assert!(rows >= 70, "{rows}");
}

#[test]
fn scores_agree_with_the_reference_to_four_decimals() {
    check(include_str!("../../labelled/tweets.tsv"), 1);
    check(include_str!("../../labelled/assistant.tsv"), 3);
    check(include_str!("../../labelled/unseen.tsv"), 3);
    check(include_str!("../../labelled/rules.tsv"), 0);
}

/// `VADER_VECTORS` may name a file of more rows, each a score, a tab and a text.
#[test]
fn scores_agree_on_further_vectors() {
    if let Ok(path) = std::env::var("VADER_VECTORS") {
        check(&std::fs::read_to_string(path).unwrap(), 0);
    }
}

#[test]
fn classes_follow_the_published_thresholds() {
    let classes = [0.05, 0.049, -0.049, -0.05].map(Valence::of);
    assert_eq!(classes, [Valence::Positive, Valence::Neutral, Valence::Neutral, Valence::Negative]);
}
