//! The values that a character has for each kind of marker.

use crate::marker::MarkerKind;
use crate::scanner::is_value_byte;

/// Values of one kind: more than any character's clips, and the prompt stays within 10 KiB with every kind full.
pub const MAX_VALUES_PER_KIND: usize = 64;
/// A value's length in characters: a pair of the longest fits a marker.
pub const MAX_VALUE_LENGTH: usize = 32;

const EMOTIONS: [&str; 11] = [
    "neutral",
    "happy",
    "sad",
    "angry",
    "surprised",
    "fearful",
    "disgusted",
    "calm",
    "excited",
    "confused",
    "thoughtful",
];
const GESTURES: [&str; 9] =
    ["wave", "nod", "shake_head", "point", "hand_raise", "thumbs_up", "shrug", "lean_forward", "lean_back"];
const POSES: [&str; 5] = ["idle", "talking", "listening", "thinking", "explaining"];
const TONES: [&str; 7] = ["neutral", "excited", "calm", "serious", "friendly", "concerned", "playful"];

/// Why a vocabulary was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VocabularyError {
    /// The value could not be written in a marker.
    #[error("the {} {value:?} must be 1 to {MAX_VALUE_LENGTH} letters, digits, `_` or `-`", kind.as_str())]
    Value {
        /// The value's kind.
        kind: MarkerKind,
        /// The value, cut to a length that can be shown.
        value: String,
    },
    /// One kind has more values than [`MAX_VALUES_PER_KIND`].
    #[error("there are more than {MAX_VALUES_PER_KIND} values of the kind {}", .0.as_str())]
    TooMany(MarkerKind),
}

/// The known values of each kind, in lower case, each once. The default is that of a character with the full set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vocabulary {
    emotions: Vec<String>,
    gestures: Vec<String>,
    poses: Vec<String>,
    tones: Vec<String>,
}

impl Vocabulary {
    /// A vocabulary of those values, in that order. Letter case is dropped and repetitions are left out.
    ///
    /// # Errors
    /// A value that no marker can have, or too many of one kind.
    pub fn new<V: AsRef<str>>(values: impl IntoIterator<Item = (MarkerKind, V)>) -> Result<Self, VocabularyError> {
        let mut vocabulary = Self { emotions: Vec::new(), gestures: Vec::new(), poses: Vec::new(), tones: Vec::new() };
        for (kind, value) in values {
            let value = value.as_ref();
            if value.is_empty() || value.len() > MAX_VALUE_LENGTH || !value.bytes().all(is_value_byte) {
                let value = value.chars().take(MAX_VALUE_LENGTH).collect();
                return Err(VocabularyError::Value { kind, value });
            }
            let value = value.to_ascii_lowercase();
            if vocabulary.knows(kind, &value) {
                continue;
            }
            let list = vocabulary.list_mut(kind);
            if list.len() == MAX_VALUES_PER_KIND {
                return Err(VocabularyError::TooMany(kind));
            }
            list.push(value);
        }
        Ok(vocabulary)
    }

    /// The known values of a kind.
    #[must_use]
    pub fn values(&self, kind: MarkerKind) -> &[String] {
        match kind {
            MarkerKind::Emotion => &self.emotions,
            MarkerKind::Gesture => &self.gestures,
            MarkerKind::Pose => &self.poses,
            MarkerKind::Tone => &self.tones,
        }
    }

    /// Whether a kind has that value, given in lower case.
    #[must_use]
    pub fn knows(&self, kind: MarkerKind, value: &str) -> bool {
        self.values(kind).iter().any(|known| known == value)
    }

    fn list_mut(&mut self, kind: MarkerKind) -> &mut Vec<String> {
        match kind {
            MarkerKind::Emotion => &mut self.emotions,
            MarkerKind::Gesture => &mut self.gestures,
            MarkerKind::Pose => &mut self.poses,
            MarkerKind::Tone => &mut self.tones,
        }
    }
}

impl Default for Vocabulary {
    fn default() -> Self {
        let own = |values: &[&str]| values.iter().copied().map(str::to_owned).collect();
        Self { emotions: own(&EMOTIONS), gestures: own(&GESTURES), poses: own(&POSES), tones: own(&TONES) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_a_valid_vocabulary() {
        let default = Vocabulary::default();
        let all = MarkerKind::ALL.into_iter().flat_map(|kind| default.values(kind).iter().map(move |v| (kind, v)));
        assert_eq!(Vocabulary::new(all).as_ref(), Ok(&default));
    }

    #[test]
    fn refuses_what_no_marker_can_say() {
        for value in ["", "two words", "a:b", "é", &"x".repeat(MAX_VALUE_LENGTH + 1)] {
            let refused = Vocabulary::new([(MarkerKind::Pose, value)]);
            assert!(matches!(refused, Err(VocabularyError::Value { kind: MarkerKind::Pose, .. })), "{value:?}");
        }
        let many = (0..=MAX_VALUES_PER_KIND).map(|number| (MarkerKind::Tone, number.to_string()));
        assert_eq!(Vocabulary::new(many), Err(VocabularyError::TooMany(MarkerKind::Tone)));
    }

    #[test]
    fn drops_case_and_repetitions() {
        let names = [(MarkerKind::Gesture, "Wave"), (MarkerKind::Gesture, "wave"), (MarkerKind::Pose, "wave")];
        let vocabulary = Vocabulary::new(names).unwrap();
        assert_eq!(vocabulary.values(MarkerKind::Gesture), ["wave"]);
        assert!(vocabulary.knows(MarkerKind::Pose, "wave"));
        assert!(!vocabulary.knows(MarkerKind::Emotion, "wave"));
    }
}
