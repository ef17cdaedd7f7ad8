//! The files that `[networks]` names.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use codec::{Networks, NetworksError};

use crate::config::{self, Config, ConfigError};

/// Reads the files that are configured; without one, nothing is known of any address.
///
/// A file that cannot be used is an error of the configuration: going on without it would show
/// as keys that seem to have moved.
pub(crate) fn open(config: &Config) -> Result<Arc<Networks>, ConfigError> {
    let mut networks = Networks::default();
    if let Some(path) = &config.networks.asn_file {
        networks = take(path, |bytes| networks.with_asn_file(bytes))
            .map_err(|refusal| refusal.of(config, "networks.asn_file", "GeoLite2-ASN"))?;
    }
    if let Some(path) = &config.networks.country_file {
        networks = take(path, |bytes| networks.with_country_file(bytes))
            .map_err(|refusal| refusal.of(config, "networks.country_file", "GeoLite2-Country"))?;
    }
    Ok(Arc::new(networks))
}

/// Says which files are used, as `check` shows it: a key and what was found.
pub(crate) fn described(networks: &Networks) -> Vec<(String, String)> {
    let files = [
        ("networks.asn_file", networks.asn_file()),
        ("networks.country_file", networks.country_file()),
    ];
    let known = files.into_iter().filter_map(|(key, file)| {
        let file = file?;
        let text = format!(
            "{:?} of {}, {} networks",
            file.database_type, file.built, file.networks
        );
        Some((key.to_owned(), text))
    });
    known.collect()
}

/// Why a file is not used.
struct Refusal {
    message: String,
    other_kind: bool,
}

impl Refusal {
    fn of(self, config: &Config, key: &str, example: &str) -> ConfigError {
        let hint = self
            .other_kind
            .then(|| format!("a file such as {example}.mmdb has it"));
        config::refused(config, key, self.message).with_hint(hint)
    }
}

fn take(
    path: &Path,
    into: impl FnOnce(Vec<u8>) -> Result<Networks, NetworksError>,
) -> Result<Networks, Refusal> {
    let bytes = read(path).map_err(|err| Refusal {
        message: format!("could not read \"{}\": {err}", path.display()),
        other_kind: false,
    })?;
    into(bytes).map_err(|err| {
        let other_kind = matches!(err, NetworksError::NoField { .. });
        let err = anyhow::Error::new(err);
        Refusal {
            message: format!("could not use \"{}\": {err:#}", path.display()),
            other_kind,
        }
    })
}

/// Reads a file to the limit and one byte more, by which the codec knows one that is too long.
fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let limit = Networks::MAX_FILE_BYTES as u64 + 1;
    let length = file.metadata()?.len().min(limit);
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}
