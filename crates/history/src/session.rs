//! One statement's session: nothing but our tables, nothing but reading.

use std::sync::Arc;

use columns::Error;
use datafusion::catalog::MemoryCatalogProviderList;
use datafusion::execution::cache::cache_manager::{
    CacheManager, CacheManagerConfig, FileMetadataCache,
};
use datafusion::execution::context::{SQLOptions, SessionConfig, SessionContext};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};

use crate::config::QueryLimits;
use crate::error::query;

/// The name of the database.
pub(crate) const CATALOG: &str = "spikewatch";

/// The name of the schema of our tables.
pub(crate) const PUBLIC: &str = "public";

/// What the footers of Parquet files say, read once for all sessions: a file never changes.
pub(crate) type Footers = Arc<FileMetadataCache>;

/// How many bytes of footers are kept.
const FOOTER_BYTES: usize = 64 << 20;

/// Makes room for footers.
pub(crate) fn footers() -> Result<Footers, Error> {
    let config = CacheManagerConfig::default().with_metadata_cache_limit(FOOTER_BYTES);
    let caches = CacheManager::try_new(&config).map_err(query)?;
    Ok(caches.get_file_metadata_cache())
}

/// Makes the limits' memory; it can spill nowhere.
fn runtime(limits: &QueryLimits, footers: &Footers) -> Result<Arc<RuntimeEnv>, Error> {
    let cache = CacheManagerConfig::default()
        .with_metadata_cache_limit(FOOTER_BYTES)
        .with_file_metadata_cache(Some(footers.clone()));
    RuntimeEnvBuilder::new()
        .with_cache_manager(cache)
        .with_memory_pool(Arc::new(GreedyMemoryPool::new(limits.memory_bytes)))
        .build_arc()
        .map_err(query)
}

/// Makes an empty session with memory of its own.
pub(crate) fn session(limits: &QueryLimits, footers: &Footers) -> Result<SessionContext, Error> {
    let config = SessionConfig::new()
        .with_information_schema(true)
        .with_default_catalog_and_schema(CATALOG, PUBLIC)
        .with_target_partitions(std::thread::available_parallelism().map_or(2, usize::from));
    let runtime = runtime(limits, footers)?;
    Ok(SessionContext::new_with_config_rt(config, runtime))
}

/// Makes the same with the functions and types of another session, and none of its tables.
pub(crate) fn session_like(
    other: &SessionState,
    limits: &QueryLimits,
    footers: &Footers,
) -> Result<SessionContext, Error> {
    let config = other.config().clone();
    let state = SessionStateBuilder::new_from_existing(other.clone())
        .with_config(config.with_create_default_catalog_and_schema(true))
        .with_runtime_env(runtime(limits, footers)?)
        .with_catalog_list(Arc::new(MemoryCatalogProviderList::new()))
        .build();
    Ok(SessionContext::new_with_state(state))
}

/// Reading only: no DDL, no writes, no settings.
pub(crate) fn read_only() -> SQLOptions {
    SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false)
}
