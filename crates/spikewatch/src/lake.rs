//! SQL as a command sees it: the lake, the casebook, and a running service's newest rows.

use std::sync::Arc;

use casebook::Casebook;
use columns::{Table, TableSource};
use history::{Lake, QueryLimits, SocketTable};

use crate::casebook_tables::CasebookTable;
use crate::config::Config;

/// Opens what a query may see.
pub(crate) fn open(config: &Config, casebook: &Casebook) -> anyhow::Result<Lake> {
    with_limits(config, casebook, config.sql.limits())
}

/// Opens the same for questions of the program's own.
pub(crate) fn with_limits(
    config: &Config,
    casebook: &Casebook,
    limits: QueryLimits,
) -> anyhow::Result<Lake> {
    let live = Arc::new(SocketTable::usage(config.live_socket()));
    let kept = Table::KEPT.map(|table| {
        Arc::new(CasebookTable {
            casebook: casebook.clone(),
            table,
        }) as Arc<dyn TableSource>
    });
    let running = Table::LIVE.map(|table| {
        Arc::new(SocketTable::new(config.live_socket(), table)) as Arc<dyn TableSource>
    });
    let tables = kept.into_iter().chain(running).collect();
    let cluster = &config.kafka.cluster;
    Ok(Lake::new(
        &config.history_url(),
        cluster,
        live,
        tables,
        limits,
    )?)
}
