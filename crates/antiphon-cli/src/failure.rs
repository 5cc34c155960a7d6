//! Why a command ends early, told to the person who started it.

use std::io;

/// What went wrong, and what mends it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// Something that a person should know.
    #[error("{message}")]
    Told {
        /// What.
        message: String,
        /// What to do about it.
        fix: Option<String>,
    },
    /// Nobody reads standard output any more.
    #[error("standard output is closed")]
    OutputClosed,
}

impl Failure {
    /// A failure without a known fix.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self::Told { message: message.into(), fix: None }
    }

    /// The same failure with what mends it.
    pub(crate) fn fix(self, fix: impl Into<String>) -> Self {
        match self {
            Self::Told { message, .. } => Self::Told { message, fix: Some(fix.into()) },
            Self::OutputClosed => Self::OutputClosed,
        }
    }

    /// What it is and what mends it, in one line.
    pub(crate) fn sentence(&self) -> String {
        match self {
            Self::Told { message, fix: Some(fix) } => format!("{message}: {fix}"),
            other => other.to_string(),
        }
    }

    /// What writing to standard output came to.
    pub(crate) fn from_output(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::OutputClosed
        } else {
            Self::new(format!("standard output cannot be written: {error}"))
        }
    }
}
