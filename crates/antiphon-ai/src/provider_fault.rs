//! Why a provider gave no answer: kinds that can be told apart, each with a code and a sentence.

use std::time::Duration;

/// The kinds of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The provider had an error, or sent what is not its format.
    Error,
    /// The model cannot be used at all, and never will before it is set up anew.
    Unusable,
    /// The provider refused this request, as it would the next one like it.
    Refused,
    /// The key is missing, wrong, or has no right to the model.
    KeyRefused,
    /// The model, or the address asked for, is not known there.
    NotFound,
    /// The address answers with a redirect.
    Moved,
    /// The account has nothing left.
    Quota,
    /// Too many requests, or an overloaded server: later it may answer.
    Busy,
    /// No connection, or none that lasted until an answer.
    Unreachable,
    /// It took too long.
    Timeout,
}

impl FaultKind {
    /// The code of `StreamFault`: `provider_error`, `provider_refused`, `provider_unreachable` or `provider_timeout`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Error | Self::Unusable => "provider_error",
            Self::Refused | Self::KeyRefused | Self::NotFound | Self::Moved | Self::Quota | Self::Busy => {
                "provider_refused"
            }
            Self::Unreachable => "provider_unreachable",
            Self::Timeout => "provider_timeout",
        }
    }

    /// A sentence for the person in the room.
    pub fn message(self) -> &'static str {
        match self {
            Self::Error => "The model's provider had an error and could not answer.",
            Self::Unusable => "The model cannot be used.",
            Self::Refused => "The model's provider refused the request.",
            Self::KeyRefused => "The model's provider refused this server's key.",
            Self::NotFound => "The model's provider does not know the model or the address asked for.",
            Self::Moved => "The model's provider has moved; its address must be set anew.",
            Self::Quota => "The account at the model's provider has nothing left.",
            Self::Busy => "The model's provider takes no more requests at the moment.",
            Self::Unreachable => "The model's provider could not be reached.",
            Self::Timeout => "The model's provider took too long to answer.",
        }
    }

    /// Whether the same call may succeed later.
    pub fn is_retryable(self) -> bool {
        matches!(self, Self::Error | Self::Busy | Self::Unreachable | Self::Timeout)
    }

    /// A fault of this kind; `detail` is for the operator's log.
    pub fn fault(self, detail: impl Into<String>) -> ProviderFault {
        ProviderFault { kind: self, message: self.message().to_owned(), detail: detail.into(), retry_after: None }
    }
}

/// A provider's failure.
#[derive(Clone, Debug, PartialEq)]
pub struct ProviderFault {
    /// What it means.
    pub kind: FaultKind,
    /// A sentence for the person in the room. Never holds a key, an address or the provider's raw body.
    pub message: String,
    /// For the operator's log: status and a bounded part of the provider's message, without secrets.
    pub detail: String,
    /// How long the provider asked to be left alone.
    pub retry_after: Option<Duration>,
}

impl ProviderFault {
    /// The same with another sentence for the person.
    #[must_use]
    pub fn saying(self, message: &str) -> Self {
        Self { message: message.to_owned(), ..self }
    }
}
