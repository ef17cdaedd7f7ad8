//! Waiting with a deadline.

use std::time::{Duration, Instant};

/// How long anything may take on a busy machine before the test gives up.
const PATIENCE_SECS: u64 = 90;

/// Returns how long anything may take: a minute and a half, or what
/// `SPIKEWATCH_TEST_PATIENCE_SECS` says, for what is large.
pub(crate) fn patience() -> Duration {
    let text = std::env::var("SPIKEWATCH_TEST_PATIENCE_SECS").ok();
    let secs = text.and_then(|text| text.parse().ok());
    Duration::from_secs(secs.unwrap_or(PATIENCE_SECS))
}

/// Looks again and again until there is something, and returns it.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(since.elapsed() < patience(), "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
