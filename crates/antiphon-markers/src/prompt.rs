//! The part of a system prompt that teaches a model the markers of its character.

use crate::marker::MarkerKind;
use crate::vocabulary::Vocabulary;

const INTRODUCTION: &str = "You speak through an animated character. Direct it with markers: short cues written \
[kind:value] right before the words they belong to. They are never read aloud.\n\nThe kinds, each with all the values \
that the character has:\n";
const RULES: &str = "Begin with a marker, and add another where the mood changes or a movement fits, about one to a \
sentence. Use only the kinds and values above, spelled as they are. Do not mention the markers or explain them.";

impl Vocabulary {
    /// What to add to a system prompt so that the model writes markers that this vocabulary knows; empty where it knows
    /// none. Under 10 KiB for the largest vocabulary, under 1 KiB for the default.
    #[must_use]
    pub fn prompt(&self) -> String {
        let kinds = || MarkerKind::ALL.into_iter().filter(|kind| !self.values(*kind).is_empty());
        if kinds().next().is_none() {
            return String::new();
        }
        let mut prompt = String::from(INTRODUCTION);
        for kind in kinds() {
            let line = format!("- {} ({}): {}\n", kind.as_str(), directs(kind), self.values(kind).join(", "));
            prompt.push_str(&line);
        }
        // The second value, because the first of a kind tends to be its state of rest.
        let example = |kind| self.values(kind).get(1).or(self.values(kind).first());
        let entries: Vec<String> = kinds()
            .take(2)
            .filter_map(|kind| example(kind).map(|value| format!("{}:{value}", kind.as_str())))
            .collect();
        prompt.push('\n');
        if entries.len() > 1 {
            prompt.push_str("Several can share one pair of brackets. ");
        }
        prompt.push_str(&format!("For example: [{}]Yes, I would love to!\n\n{RULES}", entries.join(",")));
        prompt
    }
}

/// What a kind's values are, in the prompt's words.
const fn directs(kind: MarkerKind) -> &'static str {
    match kind {
        MarkerKind::Emotion => "the face, until it changes again",
        MarkerKind::Gesture => "one movement",
        MarkerKind::Pose => "how the body is held, until it changes again",
        MarkerKind::Tone => "the voice, until it changes again",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocabulary::{MAX_VALUE_LENGTH, MAX_VALUES_PER_KIND};
    use crate::{MAX_MARKER_LENGTH, parse};

    #[test]
    fn names_every_value_and_writes_a_valid_example() {
        let vocabulary = Vocabulary::default();
        let prompt = vocabulary.prompt();
        for value in MarkerKind::ALL.into_iter().flat_map(|kind| vocabulary.values(kind)) {
            assert!(prompt.contains(value.as_str()), "{value}");
        }
        let parsed = parse(&vocabulary, &prompt);
        assert_eq!((parsed.markers.len(), parsed.unknown.len()), (2, 0));
        assert!(prompt.len() < 1024, "{}", prompt.len());
    }

    #[test]
    fn says_only_what_the_character_has() {
        let prompt = Vocabulary::new([(MarkerKind::Gesture, "bow")]).unwrap().prompt();
        assert!(prompt.contains("[gesture:bow]Yes"));
        for absent in ["emotion", "pose", "tone", "wave", "Several"] {
            assert!(!prompt.contains(absent), "{absent}");
        }
        assert_eq!(Vocabulary::new::<&str>([]).unwrap().prompt(), "");
    }

    #[test]
    fn is_bounded_for_the_largest_vocabulary() {
        let values = MarkerKind::ALL.into_iter().flat_map(|kind| {
            (0..MAX_VALUES_PER_KIND).map(move |number| (kind, format!("{number:0>MAX_VALUE_LENGTH$}")))
        });
        let vocabulary = Vocabulary::new(values).unwrap();
        let prompt = vocabulary.prompt();
        assert!(prompt.len() < 10 * 1024, "{}", prompt.len());
        let parsed = parse(&vocabulary, &prompt);
        assert_eq!(parsed.markers.len(), 2);
        assert!(parsed.raw.len() - parsed.text.len() <= MAX_MARKER_LENGTH);
    }
}
