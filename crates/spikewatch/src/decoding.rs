//! The codec as the settings ask for it.

use std::path::Path;
use std::sync::Arc;

use codec::{Codec, FingerprintSecret, Format, Prices};

use crate::config::{self, Config, ConfigError};
use crate::{networks, wiring};

/// Makes the codec of a configuration, keyed by the public test secret so far.
///
/// # Errors
/// When a file that the configuration names cannot be used: that is an error of the configuration.
pub(crate) fn codec(config: &Config) -> Result<Codec, ConfigError> {
    let formats = config.kafka.topics.iter().filter_map(|topic| {
        // What is no format has been refused with the configuration.
        let format: Format = topic.format()?.parse().ok()?;
        Some((topic.name().to_owned(), format))
    });
    let topics = || config.kafka.topics.iter();
    let accounts = topics().filter_map(|topic| {
        let account = topic.account()?.to_owned();
        Some((topic.name().to_owned(), account))
    });
    let elsewhere = topics().filter(|topic| !topic.counts());
    let mut codec = Codec::new(FingerprintSecret::public_test_secret())
        .with_networks(networks::open(config)?)
        .with_formats(formats)
        .with_accounts(accounts)
        .with_counted_elsewhere(elsewhere.map(|topic| topic.name().to_owned()))
        .with_mappings(config.formats.mappings.clone());
    if let Some(names) = &config.formats.key_attributes {
        codec = codec.with_key_attributes(names.iter().cloned());
    }
    if config.prices.enabled {
        codec = codec.with_prices(Arc::new(prices(config)?));
    }
    Ok(codec)
}

/// Makes the codec of a command on files: that of the configuration where one is named, else one
/// with the public test secret and the bundled prices.
pub(crate) fn codec_for_files(file: Option<&Path>) -> anyhow::Result<(Option<Config>, Codec)> {
    match config::load_or_default(file)? {
        Some(config) => {
            // Before the secret is made: a file that cannot be used is a wrong configuration.
            let codec = codec(&config)?;
            let secret = wiring::fingerprint_secret(&config.fingerprint_secret_file())?;
            Ok((Some(config), codec.with_secret(secret)))
        }
        None => {
            eprintln!("note: without --config keys are fingerprinted with the public test secret");
            let codec = Codec::new(FingerprintSecret::public_test_secret())
                .with_prices(Arc::new(Prices::bundled()));
            Ok((None, codec))
        }
    }
}

fn prices(config: &Config) -> Result<Prices, ConfigError> {
    const KEY: &str = "prices.override_file";
    let prices = Prices::bundled();
    let Some(path) = &config.prices.override_file else {
        return Ok(prices);
    };
    let text = std::fs::read_to_string(path)
        .map_err(|err| config::refused(config, KEY, format!("could not be read: {err}")))?;
    prices
        .with_overrides(&text)
        .map_err(|err| config::refused(config, KEY, err.to_string()))
}
