//! How far what is polled has been read.

use async_trait::async_trait;

use super::StoreError;
use crate::Timestamp;

/// Where pollers keep how far each feed has been read, so that a restart goes on from there.
///
/// A position is the poller's own text. Storing one that is older than what was produced is
/// harmless: what is read again has the same ids.
#[async_trait]
pub trait PollPositions: Send + Sync {
    /// Returns the position of a feed, or `None` before it was ever read.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn position(&self, feed: &str) -> Result<Option<String>, StoreError>;

    /// Stores the position of a feed in place of the one before.
    ///
    /// # Errors
    /// When it is not durable.
    async fn set_position(
        &self,
        feed: &str,
        position: &str,
        time: Timestamp,
    ) -> Result<(), StoreError>;
}
