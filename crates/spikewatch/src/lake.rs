//! SQL as a command sees it: the lake, the casebook, and a running service's newest rows.

use std::sync::Arc;

use casebook::Casebook;
use columns::{Table, TableSource};
use history::{Lake, SocketRows};

use crate::casebook_tables::CasebookTable;
use crate::config::Config;

/// Opens what a query may see.
pub(crate) fn open(config: &Config, casebook: &Casebook) -> anyhow::Result<Lake> {
    let live = Arc::new(SocketRows::new(config.live_socket()));
    let tables = Table::KEPT.map(|table| {
        Arc::new(CasebookTable {
            casebook: casebook.clone(),
            table,
        }) as Arc<dyn TableSource>
    });
    let cluster = &config.kafka.cluster;
    Ok(Lake::new(
        &config.history_url(),
        cluster,
        live,
        tables.into(),
        config.sql.limits(),
    )?)
}
