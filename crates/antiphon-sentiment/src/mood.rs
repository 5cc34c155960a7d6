//! From a phrase's valence and wording to the emotion and tone that it is spoken with. The mapping is our own.

use crate::cues::{Cue, Wording};
use crate::valence::compound;
use antiphon_markers::{MarkerKind, Vocabulary};

/// From here on a phrase is happy. Well above the ±0.05 of a text's class: a face that smiles at every "sure" says nothing.
const HAPPY: f64 = 0.35;
/// From here on it is excited: about two strong words.
const EXCITED: f64 = 0.8;
/// From here on an exclamation is excited.
const EXCLAIMED: f64 = 0.55;
/// Up to here a phrase is sad. Further from zero than [`HAPPY`], since most bad words of an explanation ("error", "kill",
/// "attack") are no feelings.
const SAD: f64 = -0.5;
/// Up to here it is serious.
const SERIOUS: f64 = -0.4;

macro_rules! values {
    ($(#[$about:meta])* $name:ident, $kind:ident { $($value:ident = $word:literal, near: $near:expr;)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $(#[doc = concat!("Written `", $word, "`.")] $value,)* }

        impl $name {
            /// As it is written in a marker of the default vocabulary.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$value => $word,)* }
            }

            /// The value, or the nearest one that the vocabulary knows.
            pub(crate) fn within(self, vocabulary: &Vocabulary) -> Option<&'static str> {
                let near: &[&'static str] = match self { $(Self::$value => &$near,)* };
                let mut values = std::iter::once(self.as_str()).chain(near.iter().copied());
                values.find(|value| vocabulary.knows(MarkerKind::$kind, value))
            }
        }
    };
}

values! {
    /// What the face shows.
    Emotion, Emotion {
        Neutral = "neutral", near: ["calm"];
        Happy = "happy", near: ["excited", "calm"];
        Sad = "sad", near: ["fearful"];
        Angry = "angry", near: ["disgusted", "sad"];
        Surprised = "surprised", near: ["excited"];
        Fearful = "fearful", near: ["sad"];
        Disgusted = "disgusted", near: ["angry", "sad"];
        Calm = "calm", near: ["neutral"];
        Excited = "excited", near: ["happy"];
        Confused = "confused", near: ["thoughtful", "neutral"];
        Thoughtful = "thoughtful", near: ["calm", "neutral"];
    }
}

values! {
    /// How the voice sounds.
    Tone, Tone {
        Neutral = "neutral", near: ["calm"];
        Excited = "excited", near: ["playful", "friendly"];
        Calm = "calm", near: ["neutral"];
        Serious = "serious", near: ["concerned", "neutral"];
        Friendly = "friendly", near: ["calm", "neutral"];
        Concerned = "concerned", near: ["serious", "calm"];
        Playful = "playful", near: ["friendly", "excited"];
    }
}

/// An emotion and a tone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mood {
    /// The face.
    pub emotion: Emotion,
    /// The voice.
    pub tone: Tone,
}

impl Mood {
    /// Neither glad nor sad.
    pub const NEUTRAL: Self = Self { emotion: Emotion::Neutral, tone: Tone::Neutral };

    /// The mood of an English phrase for itself.
    #[must_use]
    pub fn of(phrase: &str) -> Self {
        Self::judge(&Wording::new(phrase), compound(phrase), phrase)
    }

    pub(crate) fn judge(wording: &Wording, compound: f64, phrase: &str) -> Self {
        let is_exclaimed = phrase.contains('!');
        let is_question = phrase.contains('?');
        let (emotion, tone) = match wording.cue() {
            Some(Cue::Play) => (Emotion::Happy, Tone::Playful),
            Some(Cue::Doubt) => (Emotion::Confused, Tone::Neutral),
            Some(Cue::Reassurance) => (Emotion::Calm, Tone::Calm),
            Some(Cue::Sympathy) => (Emotion::Sad, Tone::Concerned),
            Some(Cue::Surprise) => (Emotion::Surprised, Tone::Excited),
            Some(Cue::Thought) => (Emotion::Thoughtful, Tone::Calm),
            Some(Cue::Disgust) if compound < 0.0 || is_exclaimed => (Emotion::Disgusted, Tone::Serious),
            Some(Cue::Anger) if compound <= 0.0 => (Emotion::Angry, Tone::Serious),
            Some(Cue::Fear) if compound < 0.0 => (Emotion::Fearful, Tone::Concerned),
            Some(Cue::Caution) if compound < HAPPY => (Emotion::Neutral, Tone::Serious),
            Some(Cue::Greeting) if (0.0..EXCITED).contains(&compound) => (Emotion::Happy, Tone::Friendly),
            _ if compound >= EXCITED || (compound >= EXCLAIMED && is_exclaimed) => (Emotion::Excited, Tone::Excited),
            _ if compound >= HAPPY && !is_question => (Emotion::Happy, Tone::Friendly),
            _ if compound <= SAD => (Emotion::Sad, Tone::Concerned),
            _ if compound <= SERIOUS => (Emotion::Neutral, Tone::Serious),
            _ if is_question => (Emotion::Neutral, Tone::Friendly),
            _ => (Emotion::Neutral, Tone::Neutral),
        };
        Self { emotion, tone }
    }
}
