//! An estimate of when each word and marker of an answer would come if it were spoken.
//!
//! English conversation runs at about 150 words a minute on average (National Center for Voice and Speech, "Voice
//! Qualities", <https://ncvs.org/archive/ncvs/tutorials/voiceprod/tutorial/quality.html>), so 400 ms a word. An English
//! word has 4.7 letters on average (Norvig, "English Letter Frequency Counts", <https://norvig.com/mayzner.html>); with its
//! space that comes to 70 ms a character. A character of a script without spaces stands for about a syllable, of which
//! 5 to 6 are spoken a second in Mandarin and Japanese texts (Pellegrino, Coupé and Marsico, "A cross-language
//! perspective on speech information rate", Language 87, 2011). Pauses at punctuation are added to that.

use antiphon_core::{Marker, MarkerKind};
use antiphon_markers::utf16_length;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

const CHARACTER_MS: u64 = 70;
const SYLLABLE_MS: u64 = 180;
const SENTENCE_PAUSE_MS: u64 = 350;
const CLAUSE_PAUSE_MS: u64 = 150;

/// When what is spoken. Times count from the start of speech.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Timeline {
    /// Always true: no speech engine was asked.
    pub estimated: bool,
    /// How long all of it takes.
    pub duration_ms: u64,
    /// The words, in order.
    pub words: Vec<SpokenWord>,
    /// The markers, in order.
    pub markers: Vec<MarkerTime>,
}

/// One word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SpokenWord {
    /// Where it begins, in UTF-16 code units of the spoken text.
    pub offset: u64,
    /// Its UTF-16 code units.
    pub length: u64,
    /// When it begins.
    pub start_ms: u64,
    /// When it ends.
    pub end_ms: u64,
}

/// One marker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MarkerTime {
    /// What it directs.
    pub kind: MarkerKind,
    /// What it directs it to.
    pub value: String,
    /// Where it stands in the spoken text.
    pub offset: u64,
    /// When it fires: with the word at its place, or the next one.
    pub at_ms: u64,
}

/// The estimate for a text and its markers.
pub(crate) fn estimate(text: &str, markers: &[Marker]) -> Timeline {
    let mut words: Vec<SpokenWord> = Vec::new();
    let (mut offset, mut now) = (0, 0);
    for part in text.split_inclusive(char::is_whitespace) {
        let word = part.trim_end_matches(char::is_whitespace);
        if !word.is_empty() {
            let end = now + word.chars().map(character_ms).sum::<u64>();
            words.push(SpokenWord { offset, length: utf16_length(word), start_ms: now, end_ms: end });
            now = end + pause_ms(word);
        }
        offset += utf16_length(part);
    }
    let duration_ms = words.last().map_or(0, |word| word.end_ms);
    let at = |marker: &Marker| {
        words.iter().find(|word| word.offset + word.length > marker.offset).map_or(duration_ms, |word| word.start_ms)
    };
    let markers = markers
        .iter()
        .map(|marker| MarkerTime {
            kind: marker.kind,
            value: marker.value.clone(),
            offset: marker.offset,
            at_ms: at(marker),
        })
        .collect();
    Timeline { estimated: true, duration_ms, words, markers }
}

fn character_ms(character: char) -> u64 {
    // Kana, Han, Hangul: the blocks from U+3040 to U+9FFF, the Hangul syllables, the compatibility ideographs and the
    // supplementary ideographic plane.
    match u32::from(character) {
        0x3040..=0x9FFF | 0xAC00..=0xD7AF | 0xF900..=0xFAFF | 0x20000..=0x3FFFF => SYLLABLE_MS,
        _ if character.is_alphanumeric() => CHARACTER_MS,
        _ => 0,
    }
}

/// The pause after a word, the gap that any word has included.
fn pause_ms(word: &str) -> u64 {
    match word.chars().next_back() {
        Some('.' | '!' | '?' | '…' | '。' | '！' | '？') => SENTENCE_PAUSE_MS,
        Some(',' | ';' | ':' | '、' | '，') => CLAUSE_PAUSE_MS,
        _ => CHARACTER_MS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_follow_each_other_and_markers_fire_with_them() {
        let marker = |value: &str, offset| Marker { kind: MarkerKind::Gesture, value: value.into(), offset };
        let text = "Hi 😀 you.  Fine";
        let timeline = estimate(text, &[marker("wave", 0), marker("nod", 6), marker("shrug", 8), marker("end", 16)]);
        let places: Vec<_> = timeline.words.iter().map(|word| (word.offset, word.length)).collect();
        assert_eq!(places, [(0, 2), (3, 2), (6, 4), (12, 4)]);
        for pair in timeline.words.windows(2) {
            assert!(pair[0].start_ms <= pair[0].end_ms && pair[0].end_ms < pair[1].start_ms);
        }
        let at: Vec<u64> = timeline.markers.iter().map(|marker| marker.at_ms).collect();
        assert_eq!(at, [0, timeline.words[2].start_ms, timeline.words[2].start_ms, timeline.duration_ms]);
        assert!(timeline.estimated);
    }

    #[test]
    fn a_minute_of_english_has_about_150_words_and_nothing_takes_no_time() {
        let text = "These are average words ".repeat(50);
        let minutes = estimate(&text, &[]).duration_ms as f64 / 60_000.0;
        let rate = 200.0 / minutes;
        assert!((130.0..180.0).contains(&rate), "{rate}");
        assert_eq!(estimate("", &[]).duration_ms, 0);
    }
}
