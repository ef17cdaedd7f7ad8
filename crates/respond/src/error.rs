//! Why an action was not taken on, or a connector not built.
//!
//! What a provider refused is no error here: it is the state of the action.

use model::{ActionId, ActionState, StoreError};

/// Why an action was not taken on, or a connector not built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No connector answers for the key; nothing was recorded.
    #[error(
        "no connector answers for key \"{key}\" of provider \"{provider}\" and account \"{account}\"; configured: {configured}"
    )]
    NoConnector {
        /// The provider.
        provider: String,
        /// The account.
        account: String,
        /// The key.
        key: String,
        /// The connectors there are.
        configured: String,
    },
    /// The connectors that answer for the key have no such rung; nothing was recorded.
    #[error("connector \"{connector}\" has no rung \"{rung}\"; it has: {supported}")]
    UnsupportedRung {
        /// The connectors that answer for the key.
        connector: String,
        /// What was asked for.
        rung: &'static str,
        /// The rungs they have.
        supported: String,
    },
    /// Nobody or nothing was named; nothing was recorded.
    #[error("could not take on an action without {0}")]
    Missing(&'static str),
    /// Another action has this id.
    #[error("action \"{0}\" is about another key or rung")]
    IdTaken(ActionId),
    /// No action has this id.
    #[error("no action has the id \"{0}\"")]
    UnknownAction(ActionId),
    /// The action is in a state that has no undo.
    #[error("could not undo action \"{id}\", which is {}: {reason}", state.as_str())]
    CannotUndo {
        /// The action.
        id: ActionId,
        /// Where it stands.
        state: ActionState,
        /// Why that cannot be undone.
        reason: &'static str,
    },
    /// Something is being done to this key at this moment.
    #[error("key \"{0}\" is being worked on; try again when that is done")]
    Busy(String),
    /// A step could not be written down, so the next one was not taken.
    #[error("could not record \"{event}\" of action \"{id}\"")]
    Record {
        /// The step.
        event: &'static str,
        /// The action.
        id: ActionId,
        /// Why.
        source: StoreError,
    },
    /// Actions could not be read.
    #[error("could not read action \"{id}\"")]
    Read {
        /// The action.
        id: ActionId,
        /// Why.
        source: StoreError,
    },
    /// A field of the config does not do. The value is not quoted: it may be a secret.
    #[error("could not use {field}: {reason}")]
    Config {
        /// The field, as in the config.
        field: &'static str,
        /// Why.
        reason: &'static str,
    },
    /// The HTTP client could not be built.
    #[error("could not set up the HTTP client")]
    HttpClient {
        /// Why.
        source: reqwest::Error,
    },
}

impl Error {
    /// Returns whether the same call may succeed later without any change.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Busy(_) | Self::Record { .. } | Self::Read { .. }
        )
    }
}
