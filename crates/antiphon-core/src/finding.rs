//! What is wrong with an engine, for the operator.

use std::fmt;

/// Something that is wrong with an engine; each engine has its own kinds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding<Kind> {
    /// What kind of thing.
    pub kind: Kind,
    /// What it is; ends in what to do.
    pub sentence: String,
    /// Whether the engine cannot be used like this; it is a warning otherwise.
    pub is_fatal: bool,
}

/// What a look at an engine came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked<Kind> {
    /// What answered, where something did: name and version.
    pub server: Option<String>,
    /// What is wrong with it; nothing is good.
    pub findings: Vec<Finding<Kind>>,
}

impl<Kind> Finding<Kind> {
    /// The engine cannot be used like this.
    pub fn fatal(kind: Kind, sentence: String) -> Self {
        Self { kind, sentence, is_fatal: true }
    }

    /// It can, and something is to be looked at.
    pub fn warning(kind: Kind, sentence: String) -> Self {
        Self { kind, sentence, is_fatal: false }
    }
}

impl<Kind> fmt::Display for Finding<Kind> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.sentence)
    }
}

/// Why nothing answers, in words for people: of what the system says through a driver, the usual reasons; anything else as it
/// was said.
pub fn plain_words(reason: &str) -> &str {
    let lower = reason.to_ascii_lowercase();
    let usual = [
        ("connection refused", "nothing listens there"),
        ("lookup address", "this host name is not known here"),
        ("failed to resolve", "this host name is not known here"),
        ("timed out", "no answer in time"),
        ("no route to host", "there is no way to this host from here"),
        ("network is unreachable", "there is no way to this host from here"),
        ("broken pipe", "whatever listens there hung up"),
        ("connection reset", "whatever listens there hung up"),
        ("unexpected eof", "whatever listens there hung up"),
        ("broker transport failure", "no broker answers"),
    ];
    usual.iter().find(|(said, _)| lower.contains(said)).map_or(reason, |(_, words)| words)
}

#[cfg(test)]
mod tests {
    use super::plain_words;

    #[test]
    fn what_drivers_say_of_usual_reasons_is_told_in_plain_words() {
        for (said, words) in [
            ("error communicating with database: Connection refused (os error 111)", "nothing listens there"),
            ("kafka:9092/bootstrap: Failed to resolve 'kafka:9092'", "this host name is not known here"),
            ("the clouds are too low", "the clouds are too low"),
        ] {
            assert_eq!(plain_words(said), words);
        }
    }
}
