//! How keys are stopped, and where that is written down.

use async_trait::async_trait;

use crate::{Action, ActionId, Entity, KeyStatus, Rung, Timestamp};

/// Why a provider did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum RespondError {
    /// The connector has no such rung.
    #[error("{0}")]
    Unsupported(String),
    /// The provider does not know the key.
    #[error("the provider does not know the key")]
    Gone,
    /// The provider refused, and will refuse again.
    #[error("{0}")]
    Refused(String),
    /// The provider could not be reached, was busy, or did not answer.
    #[error("{0}")]
    Transient(String),
}

/// What a provider accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// What the connector needs to undo it, without any secret; `None` if it cannot be undone.
    pub undo: Option<serde_json::Value>,
}

/// One provider's way of stopping a key and starting it again.
#[async_trait]
pub trait KeyResponder: Send + Sync {
    /// Returns the connector's name, as in `[respond.<name>]`.
    fn name(&self) -> &str;

    /// Returns whether the connector answers for this key.
    fn covers(&self, entity: &Entity) -> bool;

    /// Returns whether the connector has the rung.
    fn supports(&self, rung: Rung) -> bool;

    /// Returns whether the rung can be undone.
    fn reversible(&self, rung: Rung) -> bool;

    /// Asks the provider for the key's status.
    ///
    /// # Errors
    /// [`RespondError`] when the provider does not say.
    async fn status(&self, entity: &Entity) -> Result<KeyStatus, RespondError>;

    /// Applies a rung; repeating it does no further harm.
    ///
    /// # Errors
    /// [`RespondError`] when the provider did not accept it.
    async fn apply(&self, action: &Action) -> Result<Applied, RespondError>;

    /// Undoes an applied action; repeating it does no further harm.
    ///
    /// # Errors
    /// [`RespondError`] when the provider did not accept it.
    async fn undo(&self, action: &Action) -> Result<(), RespondError>;
}

/// Why something could not be written down or found.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StoreError(pub String);

/// Where actions and their audit chain are kept.
#[async_trait]
pub trait ActionStore: Send + Sync {
    /// Stores an action as it stands, and one audit line, in one transaction.
    ///
    /// # Errors
    /// When it is not durable.
    async fn record(
        &self,
        action: &Action,
        time: Timestamp,
        actor: &str,
        event: &str,
        details: serde_json::Value,
    ) -> Result<(), StoreError>;

    /// Returns the action of that id.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn action(&self, id: &ActionId) -> Result<Option<Action>, StoreError>;
}
