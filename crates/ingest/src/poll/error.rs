//! What can go wrong when a feed is polled.

use std::time::Duration;

use model::{SourceError, StoreError};

/// Why a feed was not read to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PollError {
    /// A setting does not do.
    #[error("{field}: {reason}")]
    Config {
        /// The setting.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No client could be built.
    #[error("could not set up the HTTP client")]
    HttpClient(#[source] reqwest::Error),
    /// The provider refused, and will refuse again until somebody does something.
    #[error("{who} refused \"{feed}\" with {status}: {hint}; it said: {answer}")]
    Refused {
        /// The provider.
        who: &'static str,
        /// The feed.
        feed: String,
        /// The HTTP status.
        status: u16,
        /// What to do about it.
        hint: String,
        /// What the provider said, without secrets.
        answer: String,
    },
    /// The provider is busy or away, also after several attempts.
    #[error("{who} did not give \"{feed}\": {reason}")]
    Unavailable {
        /// The provider.
        who: &'static str,
        /// The feed.
        feed: String,
        /// What happened at the last attempt.
        reason: String,
        /// How long the provider asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// An answer is longer than is read, also as the smallest page.
    #[error("a page of \"{feed}\" is longer than {max_body_bytes} bytes; raise `max_body_bytes`")]
    TooLarge {
        /// The feed.
        feed: String,
        /// The limit.
        max_body_bytes: usize,
    },
    /// Pages do not come to an end.
    #[error("the pages of \"{feed}\" do not come to an end: {reason}")]
    Endless {
        /// The feed.
        feed: String,
        /// How that was seen.
        reason: &'static str,
    },
    /// Kafka did not take the records.
    #[error("could not produce \"{feed}\"")]
    Produce {
        /// The feed.
        feed: String,
        /// The cause.
        source: SourceError,
    },
    /// The position could not be read or stored.
    #[error("could not read or store the position of \"{feed}\"")]
    Position {
        /// The feed.
        feed: String,
        /// The cause.
        source: StoreError,
    },
}

impl PollError {
    /// Returns whether trying again may help without anybody doing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable { .. } | Self::Position { .. } => true,
            Self::Produce { source, .. } => source.transient,
            _ => false,
        }
    }
}
