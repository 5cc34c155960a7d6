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
