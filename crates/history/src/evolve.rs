//! A table that another version of the program made, and the columns that it lacks.
//!
//! Columns are only ever added, and what is new may be null: rows from before have nothing there.
//! A table that has more than this version knows stays as it is, and its rows have nothing there.

use columns::Error;
use deltalake_core::kernel::StructField;
use deltalake_core::kernel::StructType;
use deltalake_core::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake_core::{DeltaTable, DeltaTableError};
use tracing::info;

use crate::error::storage;
use crate::kept::Kept;

/// How often it is tried again after another instance came between.
const RETRIES: usize = 5;

/// Adds to a table what this version writes and the table does not have.
///
/// # Errors
/// [`Error::Storage`] when a column is of another type, or the log cannot be written.
pub(crate) async fn with_all_columns(
    mut delta: DeltaTable,
    kept: Kept,
) -> Result<DeltaTable, Error> {
    for _ in 0..RETRIES {
        let missing = missing(&delta, kept)?;
        if missing.is_empty() {
            return Ok(delta);
        }
        let names: Vec<&str> = missing.iter().map(|field| field.name().as_str()).collect();
        info!(table = kept.name(), columns = ?names, "the history gets columns that it lacks");
        match delta.clone().add_columns().with_fields(missing).await {
            Ok(added) => return Ok(added),
            Err(DeltaTableError::Transaction { .. }) => {
                let updated = delta.update_state().await;
                updated.map_err(storage("read the history's log"))?;
            }
            Err(err) => return Err(storage("add columns to the history")(err)),
        }
    }
    Err(Error::Storage {
        message: "other instances kept changing the history's columns".to_owned(),
        transient: true,
    })
}

/// Returns the columns that a table does not have.
fn missing(delta: &DeltaTable, kept: Kept) -> Result<Vec<StructField>, Error> {
    let snapshot = delta
        .snapshot()
        .map_err(storage("read the history's log"))?;
    let there = snapshot.schema();
    let written: Result<StructType, _> = kept.schema().as_ref().try_into_kernel();
    let written = written.map_err(|err| Error::Storage {
        message: format!("could not describe the table: {err}"),
        transient: false,
    })?;
    let mut missing = Vec::new();
    for field in written.fields() {
        match there.field(field.name()) {
            None => missing.push(StructField::nullable(
                field.name().clone(),
                field.data_type().clone(),
            )),
            Some(known) if known.data_type() == field.data_type() => {}
            Some(known) => {
                return Err(Error::Storage {
                    message: format!(
                        "column \"{}\" of table \"{}\" is {} in the history, and this version writes {}: \
                         let it be written by the version that made it, or set [history] url to another place",
                        field.name(),
                        kept.name(),
                        known.data_type(),
                        field.data_type(),
                    ),
                    transient: false,
                });
            }
        }
    }
    Ok(missing)
}
