//! How long is waited between attempts.

use std::time::Duration;

use async_trait::async_trait;

use super::PollLimits;

/// Waiting, as a door, so that tests do not.
#[async_trait]
pub trait Sleep: Send + Sync {
    /// Returns after `pause`. Dropping the future loses nothing.
    async fn sleep(&self, pause: Duration);
}

/// Waits on the runtime's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealSleep;

#[async_trait]
impl Sleep for RealSleep {
    async fn sleep(&self, pause: Duration) {
        tokio::time::sleep(pause).await;
    }
}

/// Pauses that grow, each between half of its length and all of it.
///
/// Pollers that were stopped by the same failure do not come back at the same moment. The same
/// seed gives the same pauses.
#[derive(Debug)]
pub(super) struct Pauses {
    state: u64,
    first_millis: u64,
    max_millis: u64,
}

impl Pauses {
    pub(super) fn new(seed: u64, limits: &PollLimits) -> Self {
        Self {
            state: seed,
            first_millis: limits.first_pause_millis,
            max_millis: limits.max_pause_secs.saturating_mul(1_000),
        }
    }

    /// Returns the pause after `failures` failed attempts.
    pub(super) fn after(&mut self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(32);
        let full = self.first_millis.saturating_mul(1 << doublings);
        let full = full.min(self.max_millis);
        let jitter = (full / 2).saturating_add(1);
        Duration::from_millis(full - full / 2 + self.draw() % jitter)
    }

    /// SplitMix64 (Steele, Lea and Flood, 2014).
    fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound_and_repeat_with_the_seed() {
        let limits = PollLimits::default();
        let pauses = |seed| {
            let mut pauses = Pauses::new(seed, &limits);
            (1..=9)
                .map(|failures| pauses.after(failures).as_millis())
                .collect::<Vec<_>>()
        };
        for (index, pause) in pauses(7).into_iter().enumerate() {
            let full = (1_000_u128 << index).min(60_000);
            assert!((full / 2..=full).contains(&pause), "{index}: {pause}");
        }
        assert_eq!(pauses(7), pauses(7));
        assert_ne!(pauses(7), pauses(8));
        assert!(Pauses::new(1, &limits).after(u32::MAX) <= Duration::from_secs(60));
    }
}
