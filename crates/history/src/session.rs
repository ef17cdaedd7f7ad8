//! One statement's session: nothing but our tables, nothing but reading.

use std::sync::Arc;

use columns::Error;
use datafusion::execution::context::{SQLOptions, SessionConfig, SessionContext};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;

use crate::config::QueryLimits;
use crate::error::query;

/// The name of the database.
pub(crate) const CATALOG: &str = "spikewatch";

/// Makes an empty session with the limits' memory; it can spill nowhere.
pub(crate) fn session(limits: &QueryLimits) -> Result<SessionContext, Error> {
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(GreedyMemoryPool::new(limits.memory_bytes)))
        .build_arc()
        .map_err(query)?;
    let config = SessionConfig::new()
        .with_information_schema(true)
        .with_default_catalog_and_schema(CATALOG, "public")
        .with_target_partitions(std::thread::available_parallelism().map_or(2, usize::from));
    Ok(SessionContext::new_with_config_rt(config, runtime))
}

/// Reading only: no DDL, no writes, no settings.
pub(crate) fn read_only() -> SQLOptions {
    SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false)
}
