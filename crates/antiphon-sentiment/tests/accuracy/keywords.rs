//! The baseline that a handful of obvious words makes.

use antiphon_sentiment::{Emotion, Mood, Tone, Valence};

const GOOD: [&str; 30] = [
    "good",
    "great",
    "happy",
    "love",
    "nice",
    "thanks",
    "thank",
    "wonderful",
    "amazing",
    "awesome",
    "best",
    "glad",
    "excellent",
    "beautiful",
    "fun",
    "perfect",
    "fantastic",
    "enjoy",
    "welcome",
    "congratulations",
    "lol",
    "haha",
    "hope",
    "like",
    "better",
    "well",
    "yay",
    "cool",
    "excited",
    "proud",
];
const BAD: [&str; 30] = [
    "bad",
    "sad",
    "sorry",
    "hate",
    "terrible",
    "awful",
    "worst",
    "angry",
    "wrong",
    "pain",
    "hurt",
    "hurts",
    "afraid",
    "fear",
    "problem",
    "fail",
    "failed",
    "die",
    "died",
    "sick",
    "lost",
    "lose",
    "worse",
    "stupid",
    "ugly",
    "poor",
    "unfortunately",
    "cry",
    "damn",
    "horrible",
];

/// The class that has more of its words in the text.
pub fn valence(text: &str) -> Valence {
    let text = text.to_lowercase();
    let words = || text.split(|c: char| !c.is_alphanumeric());
    let good = words().filter(|word| GOOD.contains(word)).count();
    let bad = words().filter(|word| BAD.contains(word)).count();
    match good.cmp(&bad) {
        std::cmp::Ordering::Less => Valence::Negative,
        std::cmp::Ordering::Equal => Valence::Neutral,
        std::cmp::Ordering::Greater => Valence::Positive,
    }
}

/// The mood that its class suggests.
pub fn mood(text: &str) -> Mood {
    match valence(text) {
        Valence::Negative => Mood { emotion: Emotion::Sad, tone: Tone::Concerned },
        Valence::Neutral => Mood::NEUTRAL,
        Valence::Positive => Mood { emotion: Emotion::Happy, tone: Tone::Friendly },
    }
}
