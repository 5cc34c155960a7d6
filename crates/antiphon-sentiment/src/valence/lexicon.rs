//! VADER's data: words with their mean ratings, degree adverbs, negations, idioms, emoji with their descriptions.

use std::collections::HashMap;
use std::sync::LazyLock;

/// What a degree adverb adds to the intensity of the word after it.
pub(super) const BOOST: f64 = 0.293;

const INTENSIFIERS: &str = "absolutely amazingly awfully completely considerable considerably decidedly deeply effing \
enormous enormously entirely especially exceptional exceptionally extreme extremely fabulously flipping flippin frackin \
fracking fricking frickin frigging friggin fully fuckin fucking fuggin fugging greatly hella highly hugely incredible \
incredibly intensely major majorly more most particularly purely quite really remarkably so substantially thoroughly \
total totally tremendous tremendously uber unbelievably unusually utter utterly very";
const DAMPENERS: &str = "almost barely hardly kinda kindof kind-of less little marginal marginally occasional \
occasionally partly scarce scarcely slight slightly somewhat sorta sortof sort-of";
const NEGATIONS: &str = "aint arent cannot cant couldnt darent didnt doesnt dont hadnt hasnt havent isnt mightnt mustnt \
neither neednt never none nope nor not nothing nowhere oughtnt shant shouldnt uhuh wasnt werent uh-uh without wont \
wouldnt rarely seldom despite";

/// Degree adverbs of two words.
pub(super) const DAMPENING_PAIRS: [&str; 3] = ["just enough", "kind of", "sort of"];
/// Phrases whose valence is not that of their words.
pub(super) const IDIOMS: [(&str, f64); 9] = [
    ("the shit", 3.0),
    ("the bomb", 3.0),
    ("bad ass", 1.5),
    ("badass", 1.5),
    ("bus stop", 0.0),
    ("yeah right", -2.0),
    ("kiss of death", -1.5),
    ("to die for", 3.0),
    ("beating heart", 3.5),
];

/// What is known of a word in lower case.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Entry {
    /// Its mean rating, from -4 to 4.
    pub(super) rating: Option<f64>,
    /// What it adds as a degree adverb; 0 where it is none.
    pub(super) boost: f64,
    /// It negates what follows.
    pub(super) negates: bool,
}

/// All data, read once.
pub(super) struct Lexicon {
    words: HashMap<&'static str, Entry>,
    emoji: HashMap<char, &'static str>,
}

pub(super) static LEXICON: LazyLock<Lexicon> = LazyLock::new(|| {
    let mut words: HashMap<&'static str, Entry> = HashMap::with_capacity(7_700);
    let rows = include_str!("../../lexicon/words.tsv").lines().filter_map(|line| line.split_once('\t'));
    for (word, rating) in rows {
        words.entry(word).or_default().rating = rating.parse().ok();
    }
    for (list, boost) in [(INTENSIFIERS, BOOST), (DAMPENERS, -BOOST)] {
        for word in list.split(' ') {
            words.entry(word).or_default().boost = boost;
        }
    }
    for word in NEGATIONS.split(' ') {
        words.entry(word).or_default().negates = true;
    }
    let rows = include_str!("../../lexicon/emoji.tsv").lines().filter_map(|line| line.split_once('\t'));
    let emoji = rows.filter_map(|(emoji, description)| Some((emoji.chars().next()?, description))).collect();
    Lexicon { words, emoji }
});

impl Lexicon {
    /// What is known of a word, given in lower case.
    pub(super) fn entry(&self, word: &str) -> Entry {
        let mut entry = self.words.get(word).copied().unwrap_or_default();
        entry.negates |= word.contains("n't");
        entry
    }

    /// An emoji in words.
    pub(super) fn description(&self, character: char) -> Option<&'static str> {
        // The first one with a description is U+00A9.
        if character.is_ascii() { None } else { self.emoji.get(&character).copied() }
    }
}
