//! A marker: a zero-width cue pinned to a place in a stream's spoken text.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A bracket longer than this is plain text, in characters with both brackets. It bounds what a stream holds back, and
/// leaves room for one value of each kind at the usual lengths.
pub const MAX_MARKER_LENGTH: usize = 128;

/// What a marker directs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MarkerKind {
    /// The face, until the next emotion.
    Emotion,
    /// One movement.
    Gesture,
    /// The body, until the next pose.
    Pose,
    /// The voice, until the next tone.
    Tone,
}

impl MarkerKind {
    /// Every kind, in the order of the prompt.
    pub const ALL: [Self; 4] = [Self::Emotion, Self::Gesture, Self::Pose, Self::Tone];

    /// The kind as it is written in a marker and in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Emotion => "emotion",
            Self::Gesture => "gesture",
            Self::Pose => "pose",
            Self::Tone => "tone",
        }
    }

    /// The kind of that name, in any letter case.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str().eq_ignore_ascii_case(name))
    }
}

/// A cue and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Marker {
    /// What it directs.
    pub kind: MarkerKind,
    /// What it directs it to: lower case, `[a-z0-9_-]`.
    pub value: String,
    /// UTF-16 code units of the stream's spoken text before it.
    pub offset: u64,
}
