//! How often the valence and the mood of a phrase are what people say they are, and by how much a stream is delayed:
//! `cargo test -p antiphon-sentiment --test accuracy -- --nocapture` prints the tables that docs/sentiment.md has.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod delay;
mod keywords;
mod labelled;
mod scores;

use antiphon_sentiment::{Emotion, Mood, Tone, Valence, compound};
use labelled::{Phrase, seen, tweets, unseen};
use scores::Scores;

/// A method by its name.
type Method<Answer> = (&'static str, fn(&str) -> Answer);

const VALENCES: [Method<Valence>; 4] = [
    ("always neutral", |_| Valence::Neutral),
    ("keywords", keywords::valence),
    ("VADER, ±0.05", |text| Valence::of(compound(text))),
    ("the mood placed", |text| valence_of(Mood::of(text))),
];
const MOODS: [Method<Mood>; 3] =
    [("always neutral", |_| Mood::NEUTRAL), ("keywords", keywords::mood), ("the mood placed", Mood::of)];

/// The class that a listener makes of a mood.
fn valence_of(mood: Mood) -> Valence {
    match (mood.emotion, mood.tone) {
        (Emotion::Happy | Emotion::Excited, _) => Valence::Positive,
        (Emotion::Sad | Emotion::Angry | Emotion::Fearful | Emotion::Disgusted, _) => Valence::Negative,
        (Emotion::Neutral, Tone::Concerned) => Valence::Negative,
        _ => Valence::Neutral,
    }
}

fn of_valence(rows: &[(Valence, String)]) -> [Scores; 4] {
    VALENCES.map(|(_, method)| Scores::of(rows.iter().map(|(label, text)| (*label, method(text)))))
}

fn of_emotion(rows: &[Phrase]) -> [Scores; 3] {
    MOODS.map(|(_, of)| Scores::of(rows.iter().map(|row| (row.emotion, of(&row.text).emotion.as_str()))))
}

fn of_tone(rows: &[Phrase]) -> [Scores; 3] {
    MOODS.map(|(_, of)| Scores::of(rows.iter().map(|row| (row.tone, of(&row.text).tone.as_str()))))
}

fn labelled_valence(phrases: Vec<Phrase>) -> Vec<(Valence, String)> {
    phrases.into_iter().map(|row| (row.valence, row.text)).collect()
}

fn valence_table() -> String {
    let mut table = String::from("| valence of | method | accuracy | macro-F1 |\n|---|---|---|---|\n");
    let sets = [
        ("tweets", tweets()),
        ("assistant, seen", labelled_valence(seen())),
        ("assistant, unseen", labelled_valence(unseen())),
    ];
    for (name, rows) in sets {
        for ((method, _), scores) in VALENCES.iter().zip(of_valence(&rows)) {
            table += &format!("| {} {name} | {method} | {scores} |\n", rows.len());
        }
    }
    table
}

fn mood_table() -> String {
    let mut table = String::from("| mood of | method | accuracy | macro-F1 |\n|---|---|---|---|\n");
    for (name, rows) in [("assistant, seen", seen()), ("assistant, unseen", unseen())] {
        for (kind, scores) in [("emotion", of_emotion(&rows)), ("tone", of_tone(&rows))] {
            for ((method, _), scores) in MOODS.iter().zip(scores) {
                table += &format!("| {} {name}: {kind} | {method} | {scores} |\n", rows.len());
            }
        }
    }
    table
}

/// How much better one is than another, in accuracy and in macro-F1.
fn above(one: &Scores, other: &Scores) -> (f64, f64) {
    (one.accuracy() - other.accuracy(), one.macro_f1() - other.macro_f1())
}

#[test]
fn valence_is_better_than_the_baselines_on_the_rated_set() {
    let [neutral, keywords, vader, _] = of_valence(&tweets());
    let (accuracy, f1) = above(&vader, &neutral);
    assert!(accuracy > 0.5 && f1 > 0.5, "{accuracy} {f1}");
    let (accuracy, f1) = above(&vader, &keywords);
    assert!(accuracy > 0.2 && f1 > 0.1, "{accuracy} {f1}");
}

#[test]
fn moods_are_better_than_the_baselines_on_phrases_not_seen_before() {
    for [neutral, keywords, placed] in [of_emotion(&unseen()), of_tone(&unseen())] {
        let (accuracy, f1) = above(&placed, &neutral);
        assert!(accuracy > 0.1 && f1 > 0.2, "{accuracy} {f1}");
        let (accuracy, f1) = above(&placed, &keywords);
        assert!(accuracy > 0.05 && f1 > 0.1, "{accuracy} {f1}");
    }
    let [_, keywords, _, placed] = of_valence(&labelled_valence(unseen()));
    let (accuracy, f1) = above(&placed, &keywords);
    assert!(accuracy > 0.0 && f1 > 0.0, "{accuracy} {f1}");
}

#[test]
fn the_documentation_has_these_tables() {
    let tables = [valence_table(), mood_table(), delay::table()];
    println!("{}", tables.join("\n"));
    let page = include_str!("../../../../docs/sentiment.md");
    for table in tables {
        assert!(page.contains(&table), "docs/sentiment.md is to have\n{table}");
    }
}
