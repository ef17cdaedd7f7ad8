//! Object storage by URL: S3 and what speaks its protocol, Azure, Google.
//!
//! The log's entries are made by "put if there is none", which all of these have: two writers never
//! make the same version. Credentials and endpoints come from the environment, under the names that
//! the providers' own tools use (`AWS_…`, `AZURE_…`, `GOOGLE_…`), or from the machine's role.

use std::collections::HashMap;
use std::sync::{Arc, Once};

use deltalake_core::logstore::{
    LogStore, LogStoreFactory, ObjectStoreFactory, ObjectStoreRef, StorageConfig, default_logstore,
    logstore_factories, object_store_factories,
};
use deltalake_core::{DeltaResult, Path};
use object_store::ObjectStore;
use url::Url;

/// The schemes of URLs, as the crate `object_store` reads them.
const SCHEMES: [&str; 8] = ["s3", "s3a", "gs", "az", "azure", "adl", "abfs", "abfss"];

/// The prefixes of variables that are meant for storage.
const PREFIXES: [&str; 3] = ["AWS_", "AZURE_", "GOOGLE_"];

/// Makes the storages known to Delta Lake, once for the process.
pub(crate) fn register() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for scheme in SCHEMES {
            let Ok(url) = Url::parse(&format!("{scheme}://")) else {
                unreachable!("a scheme is one");
            };
            object_store_factories().insert(url.clone(), Arc::new(Clouds));
            logstore_factories().insert(url, Arc::new(Clouds));
        }
    });
}

/// Opens a folder by its URL.
pub(crate) fn open(url: &Url) -> Result<(Arc<dyn ObjectStore>, Path), object_store::Error> {
    let (store, path) = object_store::parse_url_opts(url, variables())?;
    Ok((Arc::from(store), path))
}

/// Returns what the environment says of storage.
fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| {
        let (name, value) = (name.into_string().ok()?, value.into_string().ok()?);
        let is_meant = PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        is_meant.then(|| (name.to_lowercase(), value))
    })
}

struct Clouds;

impl ObjectStoreFactory for Clouds {
    fn parse_url_opts(
        &self,
        url: &Url,
        config: &StorageConfig,
    ) -> DeltaResult<(ObjectStoreRef, Path)> {
        let mut options: HashMap<String, String> = variables().collect();
        options.extend(config.raw.clone());
        let (store, path) = object_store::parse_url_opts(url, options)?;
        Ok((Arc::from(store), path))
    }
}

impl LogStoreFactory for Clouds {
    fn with_options(
        &self,
        prefixed_store: ObjectStoreRef,
        root_store: ObjectStoreRef,
        location: &Url,
        options: &StorageConfig,
    ) -> DeltaResult<Arc<dyn LogStore>> {
        Ok(default_logstore(
            prefixed_store,
            root_store,
            location,
            options,
        ))
    }
}
