//! The pollers of a configuration.

use std::sync::Arc;

use casebook::Casebook;
use ingest::{KafkaSink, PollConfig, PollDoors, PollError, Poller, RealSleep};
use model::SystemClock;

use crate::config::{self, Config, ConfigError};

/// Makes a poller for each provider that is enabled.
pub(crate) fn pollers(
    config: &Config,
    poll: &PollConfig,
    sink: Arc<KafkaSink>,
    casebook: &Casebook,
) -> Result<Vec<Poller>, ConfigError> {
    let doors = PollDoors {
        sink,
        positions: Arc::new(casebook.clone()),
        clock: Arc::new(SystemClock),
        sleep: Arc::new(RealSleep),
        // Processes that start together do not ask together.
        seed: u64::from(std::process::id()),
    };
    Poller::enabled(poll, &doors).map_err(|err| refused(config, &err))
}

fn refused(config: &Config, err: &PollError) -> ConfigError {
    config::refused(config, "poll", err.to_string())
}
