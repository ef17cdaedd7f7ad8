//! The casebook's tables as SQL sees them.

use async_trait::async_trait;
use casebook::{AlertFilter, Casebook};
use columns::arrow::array::RecordBatch;
use columns::arrow::schema::SchemaRef;
use columns::{Error, Table, TableSource};
use model::{Change, Inventory};
use serde_json::{Map, Value};

/// Rows of one table that a query sees at most; the newest are kept.
const MAX_ROWS: u32 = 100_000;

/// One table of the casebook.
pub(crate) struct CasebookTable {
    pub(crate) casebook: Casebook,
    pub(crate) table: Table,
}

impl CasebookTable {
    async fn rows(&self) -> Result<Vec<Map<String, Value>>, casebook::Error> {
        let casebook = &self.casebook;
        Ok(match self.table {
            Table::Alerts => {
                let filter = AlertFilter {
                    limit: MAX_ROWS,
                    ..AlertFilter::default()
                };
                let mut rows = objects(&casebook.alerts(filter).await?);
                rows.iter_mut().for_each(|row| {
                    row.remove("series");
                    known_at(row, "raised_at");
                });
                rows
            }
            Table::Incidents => {
                let mut rows = objects(&casebook.incidents(MAX_ROWS).await?);
                rows.iter_mut().for_each(|row| known_at(row, "last_seen"));
                rows
            }
            Table::Actions => {
                let mut rows = objects(&casebook.actions().await?);
                rows.iter_mut().for_each(|row| {
                    rename(row, "key", "key_id");
                    known_at(row, "requested_at");
                });
                rows
            }
            Table::Audit => {
                let mut rows = objects(&casebook.audit(MAX_ROWS).await?);
                for row in &mut rows {
                    if let Some(details) = row.get_mut("details") {
                        *details = Value::String(details.to_string());
                    }
                    known_at(row, "time");
                }
                rows
            }
            Table::Keys => {
                let mut rows = objects(&casebook.keys().await?);
                rows.iter_mut().for_each(|row| {
                    rename(row, "key", "key_id");
                    known_at(row, "created");
                });
                rows
            }
            Table::DeadLetters => {
                let mut rows = objects(&casebook.dead_letters(MAX_ROWS).await?);
                rows.iter_mut().for_each(|row| known_at(row, "record_time"));
                rows
            }
            Table::Changes => {
                let inventory = casebook.inventory().await?;
                let changes = inventory.changes.iter();
                changes.map(|change| row_of(change, &inventory)).collect()
            }
            // The casebook keeps none of these.
            Table::Scores | Table::Baselines | Table::FeedHealth | Table::Prices => Vec::new(),
        })
    }
}

fn objects<T: serde::Serialize>(items: &[T]) -> Vec<Map<String, Value>> {
    let object = |item| match serde_json::to_value(item) {
        Ok(Value::Object(object)) => Some(object),
        _ => None,
    };
    items.iter().filter_map(object).collect()
}

/// Returns a change as a row: what kinds of changes have in common, and the rest as JSON. A change
/// about a key is of the account that has the key, if only one has.
fn row_of(change: &Change, inventory: &Inventory) -> Map<String, Value> {
    let named = |name: &str| change.details.get(name).and_then(Value::as_str);
    // Of a rotation, the key that is replaced.
    let key = change.key.as_deref();
    let key = key.or_else(|| named("old")).or_else(|| named("old_key"));
    let mut owners = inventory
        .keys
        .iter()
        .filter(|entry| Some(&*entry.key) == key);
    let owner = owners.next().map(|entry| &*entry.account);
    let owner = owner.filter(|owner| owners.all(|entry| entry.account == *owner));
    let account = change.account.as_deref().or(owner);
    let vendor = change.details.get("vendor").cloned().unwrap_or_default();
    let row = serde_json::json!({
        "time": change.time,
        "type": change.kind,
        "key_id": key,
        "account": account,
        "vendor": vendor,
        "details": serde_json::to_string(&change.details).ok(),
        "known_at": change.time,
    });
    match row {
        Value::Object(row) => row,
        _ => Map::new(),
    }
}

/// Says when a row became known: when the casebook was told of it, by one of its own times.
fn known_at(row: &mut Map<String, Value>, from: &str) {
    if let Some(time) = row.get(from).cloned() {
        row.insert("known_at".to_owned(), time);
    }
}

fn rename(row: &mut Map<String, Value>, from: &str, to: &str) {
    if let Some(value) = row.remove(from) {
        row.insert(to.to_owned(), value);
    }
}

#[async_trait]
impl TableSource for CasebookTable {
    fn name(&self) -> &str {
        self.table.name()
    }

    fn schema(&self) -> SchemaRef {
        self.table.schema()
    }

    async fn batches(&self) -> Result<Vec<RecordBatch>, Error> {
        let rows = self.rows().await.map_err(|err| Error::Storage {
            message: format!("could not read table \"{}\": {err}", self.table.name()),
            transient: true,
        })?;
        Ok(vec![self.table.batch(&rows)?])
    }
}
