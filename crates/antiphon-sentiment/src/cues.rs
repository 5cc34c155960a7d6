//! Wordings that show a mood which valence alone does not: surprise, doubt, sympathy, a warning. Our own lists.

use std::collections::HashMap;
use std::sync::LazyLock;

/// A phrase in lower case, its words parted by single spaces and without the punctuation around them.
pub(crate) struct Wording(String);

/// What a wording shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cue {
    /// A joke.
    Play,
    /// What was said was not understood.
    Doubt,
    /// Nothing is wrong, there is time.
    Reassurance,
    /// Feeling with somebody, or an apology.
    Sympathy,
    /// The unexpected.
    Surprise,
    /// Weighing, searching.
    Thought,
    /// Aversion.
    Disgust,
    /// Anger of the speaker's own.
    Anger,
    /// Fear.
    Fear,
    /// Something to take care with.
    Caution,
    /// A greeting, thanks.
    Greeting,
}

/// In the order in which they are looked for: the first one found counts.
const CUES: [(Cue, &[&str]); 11] = [
    (Cue::Play, &["haha", "ha ha", "hehe", "lol", "just kidding", "only joking", "knock knock"]),
    (
        Cue::Doubt,
        &[
            "i'm not sure",
            "i am not sure",
            "not certain",
            "don't understand",
            "don't quite understand",
            "do not understand",
            "unclear",
            "confusing",
            "confused",
            "what do you mean",
            "could you clarify",
            "can you clarify",
            "did you mean",
            "not sure what",
            "puzzling",
        ],
    ),
    (
        Cue::Reassurance,
        &[
            "don't worry",
            "do not worry",
            "no worries",
            "not to worry",
            "no problem",
            "no rush",
            "no hurry",
            "take your time",
            "it's okay",
            "it's ok",
            "it is okay",
            "that's okay",
            "that's all right",
            "it's all right",
            "relax",
            "deep breath",
            "breathe",
            "calm down",
            "stay calm",
            "step by step",
            "you are safe",
            "you're safe",
            "no need to apologize",
            "no need to apologise",
            "no need to be sorry",
        ],
    ),
    (
        Cue::Sympathy,
        &[
            "sorry",
            "apologize",
            "apologise",
            "apologies",
            "condolences",
            "sympathies",
            "unfortunately",
            "sadly",
            "regret",
            "regrettably",
            "that must be",
            "that must have been",
            "must feel",
            "i understand how",
            "a pity",
            "a shame",
            "i'm afraid",
            "my heart goes out",
            "oh no",
            "alas",
        ],
    ),
    (
        Cue::Surprise,
        &[
            "wow",
            "whoa",
            "oh my",
            "no way",
            "surprise",
            "surprised",
            "surprising",
            "surprisingly",
            "unexpected",
            "unexpectedly",
            "astonishing",
            "did not expect",
            "didn't expect",
            "would you believe",
            "guess what",
            "who would have thought",
            "believe it or not",
        ],
    ),
    (
        Cue::Thought,
        &[
            "hmm",
            "hm",
            "let me think",
            "let me see",
            "let's see",
            "interesting question",
            "i wonder",
            "perhaps",
            "maybe",
            "on the other hand",
            "it depends",
            "that depends",
            "might be that",
            "come to think",
        ],
    ),
    (
        Cue::Disgust,
        &["disgusting", "disgusted", "gross", "yuck", "yucky", "eww", "ew", "ugh", "revolting", "repulsive"],
    ),
    (
        Cue::Anger,
        &["furious", "outrageous", "outrage", "infuriating", "unacceptable", "makes me angry", "i'm angry", "how dare"],
    ),
    (
        Cue::Fear,
        &[
            "scary",
            "scares me",
            "terrified",
            "terrifying",
            "frighten",
            "frightening",
            "frightened",
            "horrifying",
            "creepy",
            "spooky",
        ],
    ),
    (
        Cue::Caution,
        &[
            "warning",
            "caution",
            "careful",
            "beware",
            "danger",
            "dangerous",
            "important",
            "make sure",
            "never",
            "must",
            "do not",
            "risk",
            "urgent",
            "emergency",
            "ambulance",
            "toxic",
            "critical",
        ],
    ),
    (
        Cue::Greeting,
        &[
            "hello",
            "hi",
            "hey",
            "welcome",
            "good morning",
            "good afternoon",
            "good evening",
            "thank you",
            "thanks",
            "nice to meet",
            "glad to",
        ],
    ),
];

/// The place in [`CUES`] and the whole of each wording, by its first word.
static BY_FIRST_WORD: LazyLock<HashMap<&str, Vec<(usize, &str)>>> = LazyLock::new(|| {
    let mut by_first_word: HashMap<&str, Vec<(usize, &str)>> = HashMap::new();
    for (order, (_, wordings)) in CUES.iter().enumerate() {
        for wording in *wordings {
            let first = wording.split(' ').next().unwrap_or(wording);
            by_first_word.entry(first).or_default().push((order, wording));
        }
    }
    by_first_word
});

impl Wording {
    /// The wording of a phrase.
    pub(crate) fn new(phrase: &str) -> Self {
        let mut text = String::with_capacity(phrase.len() + 2);
        text.push(' ');
        for token in phrase.split_whitespace() {
            let word = token.trim_matches(|c: char| !c.is_alphanumeric());
            if word.is_empty() {
                continue;
            }
            text.extend(word.chars().flat_map(char::to_lowercase).map(|c| if c == '’' { '\'' } else { c }));
            text.push(' ');
        }
        Self(text)
    }

    /// Its words.
    pub(crate) fn words(&self) -> impl Iterator<Item = &str> {
        self.0.split_ascii_whitespace()
    }

    /// What it shows, if anything.
    pub(crate) fn cue(&self) -> Option<Cue> {
        let of_word = |(at, _): (usize, &str)| {
            let rest = self.0.get(at + 1..)?;
            let begun = BY_FIRST_WORD.get(rest.split(' ').next()?)?;
            let is_there = |wording: &str| rest.strip_prefix(wording).is_some_and(|after| after.starts_with(' '));
            begun.iter().filter(|(_, wording)| is_there(wording)).map(|(order, _)| *order).min()
        };
        let order = self.0.match_indices(' ').filter_map(of_word).min()?;
        CUES.get(order).map(|(cue, _)| *cue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wordings_are_found_as_whole_words_and_the_first_in_order_counts() {
        let cue = |phrase: &str| Wording::new(phrase).cue();
        assert_eq!(cue("(Sorry!) I’m not sure, perhaps."), Some(Cue::Doubt));
        assert_eq!(cue("It is a shame"), Some(Cue::Sympathy));
        assert_eq!(cue("This is high time for a shamelessly long story"), None);
        assert_eq!(cue(""), None);
    }
}
