//! Wordings that show a mood which valence alone does not: surprise, doubt, sympathy, a warning. Our own lists.

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
        let has = |cue: &&str| {
            self.0.match_indices(*cue).any(|(at, _)| {
                let (before, from) = self.0.split_at(at);
                before.ends_with(' ') && from.get(cue.len()..).is_some_and(|after| after.starts_with(' '))
            })
        };
        CUES.iter().find(|(_, wordings)| wordings.iter().any(|wording| has(&wording))).map(|(cue, _)| *cue)
    }
}
