//! Where the tables of a lake are.

use columns::Error;
use deltalake_core::kernel::StructType;
use deltalake_core::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake_core::operations::create::CreateBuilder;
use deltalake_core::protocol::SaveMode;
use deltalake_core::{DeltaTable, DeltaTableBuilder, DeltaTableError};
use url::Url;

use crate::error::storage;
use crate::kept::Kept;
use crate::stores;
use crate::table::DAY_COLUMN;

/// Understands where a lake is, and makes its folder if it is on a disk.
pub(crate) fn root_url(location: &str) -> Result<Url, Error> {
    if !location.contains("://") {
        std::fs::create_dir_all(location).map_err(|err| Error::Storage {
            message: format!("could not make folder \"{location}\": {err}"),
            transient: false,
        })?;
    }
    stores::register();
    let mut url = deltalake_core::ensure_table_uri(location)
        .map_err(storage("understand the history's url"))?;
    // The tables are below it, not beside it.
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

/// Reaches a lake without making anything, and says whether there is one.
///
/// # Errors
/// [`Error::Storage`] when its storage cannot be read.
pub async fn reach(location: &str) -> Result<bool, Error> {
    let root = root_url(location)?;
    match load(&table_url(&root, Kept::UsageEvents)?).await {
        Ok(_) => Ok(true),
        Err(DeltaTableError::NotATable(_) | DeltaTableError::InvalidTableLocation(_)) => Ok(false),
        Err(err) => Err(storage("reach the history")(err)),
    }
}

/// Returns where a table is below the root of its lake.
pub(crate) fn table_url(root: &Url, kept: Kept) -> Result<Url, Error> {
    let not_understood = |err| Error::Storage {
        message: format!("could not understand the history's url: {err}"),
        transient: false,
    };
    root.join(&format!("{}/", kept.name()))
        .map_err(not_understood)
}

/// Loads the newest version of a table.
pub(crate) async fn load(url: &Url) -> Result<DeltaTable, DeltaTableError> {
    let mut table = DeltaTableBuilder::from_url(url.clone())?.build()?;
    // Asked first, because loading what is not there is logged as an error further down.
    if !table.verify_deltatable_existence().await? {
        return Err(DeltaTableError::NotATable(url.to_string()));
    }
    table.load().await?;
    Ok(table)
}

/// Makes an empty table.
pub(crate) async fn create(url: &Url, kept: Kept) -> Result<DeltaTable, Error> {
    let schema: StructType =
        kept.schema()
            .as_ref()
            .try_into_kernel()
            .map_err(|err| Error::Storage {
                message: format!("could not describe the table: {err}"),
                transient: false,
            })?;
    let bounded = Some(kept.bounded().to_owned());
    CreateBuilder::new()
        .with_location(url.as_str())
        .with_table_name(kept.name())
        .with_columns(schema.fields().cloned())
        .with_partition_columns([DAY_COLUMN])
        .with_configuration([("delta.dataSkippingStatsColumns", bounded)])
        .with_save_mode(SaveMode::Ignore)
        .await
        .map_err(storage("make the history"))
}
