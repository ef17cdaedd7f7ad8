//! How often a provider is asked again, and how long between.

use std::time::Duration;

use serde::Deserialize;

/// `[respond.patience]`: bounds of the attempts. The defaults give up after about half a
/// minute of a provider that answers at once, which an on-call engineer can wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Patience {
    /// How often a call is made that fails transiently.
    pub call_attempts: u32,
    /// How often the status is read until it is the wanted one.
    pub readback_attempts: u32,
    /// The first pause between two attempts; each further one is twice as long.
    pub pause_millis: u64,
    /// The longest pause.
    pub pause_millis_max: u64,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            call_attempts: 4,
            readback_attempts: 7,
            pause_millis: 500,
            pause_millis_max: 8_000,
        }
    }
}

impl Patience {
    /// Waits after the attempt of that number, counted from 0.
    pub(crate) async fn pause(&self, attempt: u32) {
        let factor = 1_u64.checked_shl(attempt).unwrap_or(u64::MAX);
        let millis = self
            .pause_millis
            .saturating_mul(factor)
            .min(self.pause_millis_max);
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }
}
