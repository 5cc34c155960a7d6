//! Emotion and tone markers for the answers of a model that writes none. Pure: no I/O, no clock.
//!
//! A [`Placer`] takes an answer as it streams, cut anywhere, and gives it back phrase by phrase with markers put in. The
//! valence of a phrase is that of VADER (C.J. Hutto and E.E. Gilbert, "VADER: A Parsimonious Rule-based Model for
//! Sentiment Analysis of Social Media Text", ICWSM 2014): its lexicon and its rules, [`compound`]. What emotion and tone
//! follow from that and from the phrase's wording is a mapping of our own, [`Mood::of`].

mod cues;
mod language;
mod markdown;
mod mood;
mod phrase;
mod placer;
mod valence;

pub use mood::{Emotion, Mood, Tone};
pub use phrase::{MAX_PHRASE_BYTES, MAX_PHRASE_WORDS};
pub use placer::Placer;
pub use valence::{Valence, compound};
