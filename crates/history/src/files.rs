//! Parquet files of a table, and what makes them last.

use std::path::{Path, PathBuf};

use columns::Error;
use columns::arrow::array::{RecordBatch, new_null_array};
use columns::arrow::schema::SchemaRef;
use deltalake_core::DeltaTable;
use deltalake_core::kernel::Add;
use deltalake_core::writer::{DeltaWriter, RecordBatchWriter};
use object_store::ObjectStoreExt;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;
use tracing::warn;
use url::Url;

use crate::error::storage;

/// Rows of a row group: the least that a query reads of a file, and of which the least and
/// greatest values are known.
const ROW_GROUP_ROWS: usize = 128 << 10;

/// Writes rows to files that no commit names yet.
pub(crate) async fn write_files(
    table: &DeltaTable,
    rows: &[RecordBatch],
) -> Result<Vec<Add>, Error> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let mut writer = writer(table)?;
    let schema = writer.arrow_schema();
    for batch in rows {
        let written = writer.write(fitted(batch, &schema)?).await;
        written.map_err(storage("write to the history"))?;
    }
    writer
        .flush()
        .await
        .map_err(storage("write to the history"))
}

/// Returns rows with the columns of a table; one that this version does not know has nothing.
fn fitted(rows: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, Error> {
    let columns = schema.fields().iter().map(|field| {
        let known = rows.column_by_name(field.name()).cloned();
        known.unwrap_or_else(|| new_null_array(field.data_type(), rows.num_rows()))
    });
    Ok(RecordBatch::try_new(schema.clone(), columns.collect())?)
}

/// Returns the columns of a table, which may be more than this version knows.
pub(crate) fn table_schema(table: &DeltaTable) -> Result<SchemaRef, Error> {
    Ok(writer(table)?.arrow_schema())
}

/// Returns whether files that no commit names yet are still there: a vacuum may have taken them.
pub(crate) async fn are_there(table: &DeltaTable, adds: &[Add]) -> Result<bool, Error> {
    let store = table.object_store();
    for add in adds {
        let path = object_store::path::Path::parse(percent_decoded(&add.path));
        let path = path.map_err(|err| Error::Storage {
            message: format!("could not understand the name of a file: {err}"),
            transient: false,
        })?;
        match store.head(&path).await {
            Ok(_) => {}
            Err(object_store::Error::NotFound { .. }) => return Ok(false),
            Err(err) => return Err(unseen(&err)),
        }
    }
    Ok(true)
}

/// Deletes files that no commit will name.
pub(crate) async fn delete(table: &DeltaTable, adds: &[Add]) {
    let store = table.object_store();
    for add in adds {
        if let Ok(path) = object_store::path::Path::parse(percent_decoded(&add.path))
            && let Err(error) = store.delete(&path).await
        {
            warn!(%error, file = add.path, "could not delete a file that no commit names");
        }
    }
}

fn unseen(err: &object_store::Error) -> Error {
    Error::Storage {
        message: format!("could not look at the files of the history: {err}"),
        transient: true,
    }
}

/// Makes a writer of files as ours are.
pub(crate) fn writer(table: &DeltaTable) -> Result<RecordBatchWriter, Error> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        // Every id is another: a dictionary of them is only larger.
        .set_column_dictionary_enabled(ColumnPath::from("event_id"), false)
        .set_created_by("spikewatch".to_owned())
        .build();
    let writer = RecordBatchWriter::for_table(table).map_err(storage("write to the history"))?;
    Ok(writer.with_writer_properties(properties))
}

/// Makes files and the directories that name them durable, on a local disk.
pub(crate) async fn sync_files(table: &Url, paths: Vec<String>) -> Result<(), Error> {
    let Ok(root) = table.to_file_path() else {
        return Ok(());
    };
    let synced = tokio::task::spawn_blocking(move || sync_below(&root, &paths)).await;
    let failed = |source: String| Error::Storage {
        message: format!("could not make the history durable: {source}"),
        transient: false,
    };
    synced
        .map_err(|err| failed(err.to_string()))?
        .map_err(|err| failed(err.to_string()))
}

fn sync_below(root: &Path, paths: &[String]) -> std::io::Result<()> {
    let mut folders: Vec<PathBuf> = Vec::new();
    for path in paths {
        let file = root.join(percent_decoded(path));
        std::fs::File::open(&file)?.sync_all()?;
        // A new day is a new folder, whose own name must be durable too.
        let mut folder = file.parent();
        while let Some(at) = folder.filter(|at| at.starts_with(root)) {
            if !folders.iter().any(|known| known == at) {
                folders.push(at.to_owned());
            }
            folder = at.parent();
        }
    }
    folders
        .iter()
        .try_for_each(|folder| std::fs::File::open(folder)?.sync_all())
}

/// Paths in the log are percent-encoded; ours hold nothing that needs it but `=`.
fn percent_decoded(path: &str) -> String {
    path.replace("%3D", "=")
}
