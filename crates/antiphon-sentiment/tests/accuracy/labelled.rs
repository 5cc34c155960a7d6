//! The labelled sets.

use antiphon_markers::{MarkerKind, Vocabulary};
use antiphon_sentiment::Valence;

/// A phrase of an assistant, labelled by hand.
pub struct Phrase {
    pub valence: Valence,
    pub emotion: &'static str,
    pub tone: &'static str,
    pub text: String,
}

/// Tweets with the class of their mean rating of at least twenty people, from -4 to 4: neutral where that rounds to 0.
pub fn tweets() -> Vec<(Valence, String)> {
    let rows = include_str!("../../labelled/tweets.tsv").lines();
    rows.map(|line| {
        let [rating, _, text] = fields(line);
        let rating: f64 = rating.parse().unwrap();
        let valence = match rating {
            rating if rating >= 0.5 => Valence::Positive,
            rating if rating <= -0.5 => Valence::Negative,
            _ => Valence::Neutral,
        };
        (valence, text.to_owned())
    })
    .collect()
}

/// Phrases of an assistant, labelled before the method was written; its wordings were chosen with them in view.
pub fn seen() -> Vec<Phrase> {
    phrases(include_str!("../../labelled/assistant.tsv"))
}

/// Phrases of an assistant, written and labelled once the method stood, which was not changed after.
pub fn unseen() -> Vec<Phrase> {
    phrases(include_str!("../../labelled/unseen.tsv"))
}

fn phrases(file: &'static str) -> Vec<Phrase> {
    let vocabulary = Vocabulary::default();
    let phrase = |line: &'static str| {
        let [valence, emotion, tone, _, text] = fields(line);
        assert!(vocabulary.knows(MarkerKind::Emotion, emotion) && vocabulary.knows(MarkerKind::Tone, tone), "{line}");
        let valence = match valence {
            "positive" => Valence::Positive,
            "neutral" => Valence::Neutral,
            "negative" => Valence::Negative,
            other => panic!("{other}"),
        };
        Phrase { valence, emotion, tone, text: text.to_owned() }
    };
    file.lines().map(phrase).collect()
}

fn fields<const COUNT: usize>(line: &'static str) -> [&'static str; COUNT] {
    line.split('\t').collect::<Vec<_>>().try_into().unwrap()
}
