//! VADER's compound score of a text, as release 3.3.2 of <https://github.com/cjhutto/vaderSentiment> computes it.

mod lexicon;
#[cfg(test)]
mod tests;

use lexicon::{DAMPENING_PAIRS, Entry, IDIOMS, LEXICON};
use std::borrow::Cow;

/// What an intensity is multiplied by where a negation stands before it.
const NEGATION: f64 = -0.74;
/// What capitals add to the intensity of a word among words without.
const CAPITALS: f64 = 0.733;
/// Approximates the greatest sum to be expected, so that the score stays within -1 and 1.
const ALPHA: f64 = 15.0;
/// The score from which a text is positive, and, negated, negative: the thresholds that VADER's authors recommend.
const THRESHOLD: f64 = 0.05;

/// The class of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Valence {
    /// It speaks of something bad, or badly of it.
    Negative,
    /// Neither.
    Neutral,
    /// It speaks of something good, or well of it.
    Positive,
}

impl Valence {
    /// The class of a [`compound`] score, by the published thresholds of ±0.05.
    #[must_use]
    pub fn of(compound: f64) -> Self {
        if compound >= THRESHOLD {
            Self::Positive
        } else if compound <= -THRESHOLD {
            Self::Negative
        } else {
            Self::Neutral
        }
    }
}

/// How positive a text is, from -1 to 1: the sum of its words' ratings, each changed by the words around it, plus the
/// emphasis of its punctuation, normalised. English only; best for a sentence or less.
#[must_use]
pub fn compound(text: &str) -> f64 {
    let text = with_emoji_described(text);
    let text = text.trim_matches(is_space);
    let words: Vec<Word<'_>> = text.split(is_space).filter(|token| !token.is_empty()).map(Word::new).collect();
    let capitals = words.iter().filter(|word| word.is_upper).count();
    let sentence = Sentence { mixes_case: 0 < capitals && capitals < words.len(), words };
    let mut intensities: Vec<f64> = (0..sentence.words.len()).map(|at| sentence.intensity(at)).collect();
    if let Some(but) = sentence.words.iter().position(|word| word.lower == "but") {
        weigh_around_but(&mut intensities, but);
    }
    let sum: f64 = intensities.iter().sum();
    let sum = if sum > 0.0 {
        sum + emphasis(text)
    } else if sum < 0.0 {
        sum - emphasis(text)
    } else {
        return 0.0;
    };
    (sum / (sum * sum + ALPHA).sqrt()).clamp(-1.0, 1.0)
}

/// Whether the lexicon has the character as an emoji.
pub(crate) fn is_emoji(character: char) -> bool {
    LEXICON.description(character).is_some()
}

/// White space as Python's `str.split` has it: Unicode's, and the four separators of ASCII.
fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&character)
}

/// The text with words for emoji, set off by a space before.
fn with_emoji_described(text: &str) -> String {
    let mut described = String::with_capacity(text.len());
    let mut after_space = true;
    for character in text.chars() {
        if let Some(description) = LEXICON.description(character) {
            if !after_space {
                described.push(' ');
            }
            described.push_str(description);
            after_space = false;
        } else {
            described.push(character);
            after_space = character == ' ';
        }
    }
    described
}

struct Word<'a> {
    lower: Cow<'a, str>,
    is_upper: bool,
    entry: Entry,
}

impl<'a> Word<'a> {
    /// A token without the punctuation around it; whole where that leaves next to nothing, as of an emoticon.
    fn new(token: &'a str) -> Self {
        let stripped = token.trim_matches(|c: char| c.is_ascii_punctuation());
        let token = if stripped.chars().nth(2).is_some() { stripped } else { token };
        let has_upper = token.chars().any(char::is_uppercase);
        let lower: Cow<'a, str> = if has_upper { token.to_lowercase().into() } else { token.into() };
        let entry = LEXICON.entry(&lower);
        Self { is_upper: has_upper && !token.chars().any(char::is_lowercase), lower, entry }
    }
}

struct Sentence<'a> {
    words: Vec<Word<'a>>,
    /// Some words, but not all, are in capitals.
    mixes_case: bool,
}

impl Sentence<'_> {
    /// The word so many places before another.
    fn before(&self, at: usize, places: usize) -> Option<&Word<'_>> {
        self.words.get(at.checked_sub(places)?)
    }

    fn is(&self, at: usize, places: usize, names: &[&str]) -> bool {
        self.before(at, places).is_some_and(|word| names.contains(&word.lower.as_ref()))
    }

    /// A word's own rating as changed by its form and by the words around it.
    fn intensity(&self, at: usize) -> f64 {
        let Some(word) = self.words.get(at) else { return 0.0 };
        let next = self.words.get(at + 1);
        let Some(rating) = word.entry.rating else { return 0.0 };
        if word.entry.boost != 0.0 || (word.lower == "kind" && next.is_some_and(|next| next.lower == "of")) {
            return 0.0;
        }
        let mut intensity = rating;
        if word.lower == "no" && next.is_some_and(|next| next.entry.rating.is_some()) {
            intensity = 0.0;
        }
        let no_or = self.is(at, 3, &["no"]) && self.is(at, 1, &["or", "nor"]);
        if self.is(at, 1, &["no"]) || self.is(at, 2, &["no"]) || no_or {
            intensity = rating * NEGATION;
        }
        if word.is_upper && self.mixes_case {
            intensity += if intensity > 0.0 { CAPITALS } else { -CAPITALS };
        }
        for (places, fading) in [(1, 1.0), (2, 0.95), (3, 0.9)] {
            let Some(before) = self.before(at, places).filter(|before| before.entry.rating.is_none()) else {
                continue;
            };
            intensity += self.boost(before, intensity) * fading;
            intensity = self.negated(intensity, at, places);
            if places == 3 {
                intensity = self.idiom(intensity, at);
            }
        }
        let least = self.before(at, 1).is_some_and(|before| before.lower == "least" && before.entry.rating.is_none());
        if least && !self.is(at, 2, &["at", "very"]) { intensity * NEGATION } else { intensity }
    }

    /// What a degree adverb adds.
    fn boost(&self, adverb: &Word<'_>, intensity: f64) -> f64 {
        if adverb.entry.boost == 0.0 {
            return 0.0;
        }
        let boost = if intensity < 0.0 { -adverb.entry.boost } else { adverb.entry.boost };
        if !(adverb.is_upper && self.mixes_case) {
            return boost;
        }
        boost + if intensity > 0.0 { CAPITALS } else { -CAPITALS }
    }

    /// The intensity after a negation one to three places before; "never so good" and "without doubt" are none.
    fn negated(&self, intensity: f64, at: usize, places: usize) -> f64 {
        let stressing = ["so", "this"];
        let (stressed, doubtless) = match places {
            2 => (self.is(at, 2, &["never"]) && self.is(at, 1, &stressing), self.is(at, 1, &["doubt"])),
            // The reference's condition reads "never so _" or any "so" or "this" just before.
            3 => (
                (self.is(at, 3, &["never"]) && self.is(at, 2, &stressing)) || self.is(at, 1, &stressing),
                self.is(at, 2, &["doubt"]) || self.is(at, 1, &["doubt"]),
            ),
            _ => (false, false),
        };
        if stressed {
            intensity * 1.25
        } else if doubtless && self.is(at, places, &["without"]) {
            intensity
        } else if self.before(at, places).is_some_and(|word| word.entry.negates) {
            intensity * NEGATION
        } else {
            intensity
        }
    }

    /// The intensity of the idiom that the word is in, and of "kind of" before it. There are three words before it.
    fn idiom(&self, intensity: f64, at: usize) -> f64 {
        let start = at.saturating_sub(3);
        let sequence = |from: usize, length: usize| {
            let words = self.words.get(start + from..start + from + length)?;
            Some(words.iter().map(|word| word.lower.as_ref()).collect::<Vec<_>>().join(" "))
        };
        let known = |(from, length)| {
            let sequence = sequence(from, length)?;
            IDIOMS.iter().find(|(idiom, _)| *idiom == sequence).map(|(_, rating)| *rating)
        };
        let mut intensity = [(2, 2), (1, 3), (1, 2), (0, 3), (0, 2)].into_iter().find_map(known).unwrap_or(intensity);
        for ahead in [(3, 2), (3, 3)] {
            intensity = known(ahead).unwrap_or(intensity);
        }
        for pair in [(0, 2), (1, 2)] {
            if sequence(pair.0, pair.1).is_some_and(|pair| DAMPENING_PAIRS.contains(&pair.as_str())) {
                intensity -= lexicon::BOOST;
            }
        }
        intensity
    }
}

/// What stands before the first "but" counts half, what stands after it half again as much.
///
/// The reference looks each intensity up by value, so that of equal ones the first is changed, perhaps repeatedly. Its
/// published figures have that in them, and so has this.
fn weigh_around_but(intensities: &mut [f64], but: usize) {
    for at in 0..intensities.len() {
        let Some(&intensity) = intensities.get(at) else { return };
        let Some(first) = intensities.iter().position(|other| *other == intensity) else { continue };
        let factor = match first.cmp(&but) {
            std::cmp::Ordering::Less => 0.5,
            std::cmp::Ordering::Equal => 1.0,
            std::cmp::Ordering::Greater => 1.5,
        };
        if let Some(slot) = intensities.get_mut(first) {
            *slot *= factor;
        }
    }
}

/// What up to four exclamation marks and more than one question mark add.
fn emphasis(text: &str) -> f64 {
    let (mut exclamations, mut questions) = (0_u32, 0_u32);
    for byte in text.bytes() {
        exclamations += u32::from(byte == b'!');
        questions += u32::from(byte == b'?');
    }
    let asked = match questions {
        0 | 1 => 0.0,
        2 | 3 => f64::from(questions) * 0.18,
        _ => 0.96,
    };
    f64::from(exclamations.min(4)) * 0.292 + asked
}
