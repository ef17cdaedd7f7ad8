//! How people are told.

use std::time::Duration;

use async_trait::async_trait;

use crate::{Notice, SelfAlert};

/// The proof of a delivery, as far as the channel gives one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// What the other side answered, shortened and without secrets.
    pub answer: String,
}

/// Why a notice was not delivered.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct DeliveryError {
    /// What could not be done, without secrets.
    pub message: String,
    /// Whether trying again may help.
    pub transient: bool,
    /// When the other side asked to try again.
    pub retry_after: Option<Duration>,
}

/// One way of telling people.
#[async_trait]
pub trait AlertChannel: Send + Sync {
    /// Returns the channel's name, as in `[notify.<name>]`.
    fn name(&self) -> &str;

    /// Delivers a notice once.
    ///
    /// # Errors
    /// When the other side did not take it, or did not say.
    async fn deliver(&self, notice: &Notice) -> Result<Receipt, DeliveryError>;

    /// Tells once that Spikewatch itself is not well, or is again.
    ///
    /// # Errors
    /// When the other side did not take it, or did not say.
    async fn tell(&self, alert: &SelfAlert) -> Result<Receipt, DeliveryError>;

    /// Reaches the other side without telling anybody anything, for `spikewatch check`.
    ///
    /// # Errors
    /// When it cannot be reached.
    async fn probe(&self) -> Result<(), DeliveryError>;
}
