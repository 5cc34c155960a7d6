//! Puts markers into a stream, phrase by phrase.

use crate::cues::Wording;
use crate::language::Language;
use crate::markdown::Markdown;
use crate::mood::{Emotion, Mood};
use crate::phrase::{Phrase, is_wide_end};
use crate::valence::compound;
use antiphon_markers::{MarkerKind, Parser, Vocabulary};
use std::sync::Arc;

/// A mood of one sign stays while the valence has that sign and at least this size.
const STAYS: f64 = 0.15;
/// So many phrases in a row without a mood end one; in a new paragraph one is enough.
const NEUTRAL_PHRASES: u32 = 2;

/// Puts markers into one answer as it streams.
///
/// Text goes in as the model writes it, cut anywhere, and comes out unchanged but for markers before phrases, each phrase
/// as soon as its end has arrived. A marker is written where the emotion or the tone changes, and for the first phrase.
/// Once the model has written a marker of one of these kinds itself, none of that kind is added from that phrase on.
#[derive(Debug)]
pub struct Placer {
    vocabulary: Arc<Vocabulary>,
    markdown: Markdown,
    phrase: Phrase,
    /// The next character begins a token.
    begins_token: bool,
    /// Finds the model's own markers.
    own: Parser,
    model_marks_emotion: bool,
    model_marks_tone: bool,
    language: Language,
    mood: Option<Mood>,
    neutral_phrases: u32,
    opens_paragraph: bool,
    said_emotion: Option<&'static str>,
    said_tone: Option<&'static str>,
}

impl Placer {
    /// A placer at the start of a stream, which writes only what the vocabulary knows.
    #[must_use]
    pub fn new(vocabulary: Arc<Vocabulary>) -> Self {
        Self {
            own: Parser::new(vocabulary.clone()),
            vocabulary,
            markdown: Markdown::default(),
            phrase: Phrase::default(),
            begins_token: true,
            model_marks_emotion: false,
            model_marks_tone: false,
            language: Language::default(),
            mood: None,
            neutral_phrases: 0,
            opens_paragraph: true,
            said_emotion: None,
            said_tone: None,
        }
    }

    /// Takes the next text and releases all phrases that have ended, with their markers; none where none has.
    pub fn push(&mut self, text: &str) -> Option<String> {
        let mut released = String::new();
        for character in text.chars() {
            if self.phrase.is_full_for(character) {
                let within_token = !self.begins_token;
                self.release(&mut released);
                self.phrase = Phrase::new(within_token);
            }
            let ends = self.phrase.take(character, self.begins_token, &mut self.markdown);
            self.begins_token = character.is_whitespace() || is_wide_end(character);
            if ends || self.markdown.is_fence() {
                self.release(&mut released);
            }
        }
        (!released.is_empty()).then_some(released)
    }

    /// Releases what was held back: at the stream's end the phrase is whole.
    pub fn finish(&mut self) -> Option<String> {
        let mut released = String::new();
        self.release(&mut released);
        (!released.is_empty()).then_some(released)
    }

    /// What is held back of the phrase that has not ended: at most [`crate::MAX_PHRASE_BYTES`] bytes.
    #[must_use]
    pub fn held(&self) -> &str {
        &self.phrase.raw
    }

    fn release(&mut self, released: &mut String) {
        let mut phrase = std::mem::take(&mut self.phrase);
        let place = phrase.close();
        self.opens_paragraph |= phrase.opens_paragraph;
        self.notice_own_markers(&phrase.raw);
        let (before, after) = phrase.raw.split_at_checked(place.unwrap_or_default()).unwrap_or_default();
        released.push_str(before);
        if place.is_some() {
            self.judge(&phrase.spoken);
            self.write_marker(released);
        }
        released.push_str(after);
    }

    fn notice_own_markers(&mut self, raw: &str) {
        let Some(parsed) = self.own.push(raw) else { return };
        for marker in parsed.markers.iter().chain(&parsed.unknown) {
            match marker.kind {
                MarkerKind::Emotion => self.model_marks_emotion = true,
                MarkerKind::Tone => self.model_marks_tone = true,
                MarkerKind::Gesture | MarkerKind::Pose => {}
            }
        }
    }

    /// Moves on to the phrase's mood.
    fn judge(&mut self, spoken: &str) {
        let opens_paragraph = std::mem::take(&mut self.opens_paragraph);
        let parsed;
        let spoken = if spoken.contains('[') {
            parsed = antiphon_markers::parse(&self.vocabulary, spoken);
            &parsed.text
        } else {
            spoken
        };
        let wording = Wording::new(spoken);
        let (compound, phrase) = if self.language.is_english(&wording) {
            let compound = compound(spoken);
            (compound, Mood::judge(&wording, compound, spoken))
        } else {
            (0.0, Mood::NEUTRAL)
        };
        let Some(mood) = self.mood else {
            self.mood = Some(phrase);
            return;
        };
        let stays = match mood.emotion {
            Emotion::Happy => phrase == Mood::NEUTRAL && compound >= STAYS,
            Emotion::Excited => phrase.emotion == Emotion::Happy || (phrase == Mood::NEUTRAL && compound >= STAYS),
            Emotion::Sad | Emotion::Angry | Emotion::Fearful | Emotion::Disgusted => {
                phrase.emotion == Emotion::Neutral && compound <= -STAYS
            }
            _ => false,
        };
        if phrase != Mood::NEUTRAL || stays {
            self.neutral_phrases = 0;
        } else {
            self.neutral_phrases = self.neutral_phrases.saturating_add(1);
        }
        let ends = phrase != Mood::NEUTRAL || opens_paragraph || self.neutral_phrases >= NEUTRAL_PHRASES;
        if ends && !stays {
            self.mood = Some(phrase);
        }
    }

    /// Writes what is new of the mood.
    fn write_marker(&mut self, released: &mut String) {
        let Some(mood) = self.mood else { return };
        let emotion = mood.emotion.within(&self.vocabulary).filter(|_| !self.model_marks_emotion);
        let tone = mood.tone.within(&self.vocabulary).filter(|_| !self.model_marks_tone);
        let emotion = emotion.filter(|value| self.said_emotion != Some(value));
        let tone = tone.filter(|value| self.said_tone != Some(value));
        let entries = [(MarkerKind::Emotion, emotion), (MarkerKind::Tone, tone)];
        let mut opening = "[";
        for (kind, value) in entries.into_iter().filter_map(|(kind, value)| Some((kind, value?))) {
            for part in [opening, kind.as_str(), ":", value] {
                released.push_str(part);
            }
            opening = ",";
        }
        if opening == "," {
            released.push(']');
        }
        self.said_emotion = emotion.or(self.said_emotion);
        self.said_tone = tone.or(self.said_tone);
    }
}
