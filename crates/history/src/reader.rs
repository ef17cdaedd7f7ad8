//! One table of the lake, as queries read it.

use std::collections::HashMap;
use std::sync::Arc;

use columns::Error;
use columns::arrow::array::cast::AsArray;
use columns::arrow::array::types::{Int32Type, Int64Type};
use columns::arrow::array::{BooleanArray, RecordBatch};
use columns::arrow::select::filter::filter_record_batch;
use deltalake_core::{DeltaTable, DeltaTableError};
use model::Partition;
use tokio::sync::Mutex;
use url::Url;

use crate::day_file::{DayFile, files_of};
use crate::error::storage;
use crate::kept::Kept;
use crate::location::{load, table_url};
use crate::table::known;

/// Reads one table; what the log said last is kept, and only what is newer is read again.
pub(crate) struct Reader {
    pub(crate) kept: Kept,
    url: Url,
    cluster: String,
    last: Mutex<Option<Version>>,
}

/// One version of a table.
#[derive(Clone)]
pub(crate) struct Version {
    pub(crate) delta: DeltaTable,
    pub(crate) files: Arc<Vec<DayFile>>,
}

impl Reader {
    pub(crate) fn new(root: &Url, kept: Kept, cluster: &str) -> Result<Self, Error> {
        Ok(Self {
            kept,
            url: table_url(root, kept)?,
            cluster: cluster.to_owned(),
            last: Mutex::new(None),
        })
    }

    /// Returns where a file of the table is.
    #[cfg(feature = "ballista")]
    pub(crate) fn url_of(&self, path: &str) -> Result<Url, Error> {
        let not_understood = |err| Error::Query(format!("file \"{path}\": {err}"));
        self.url.join(path).map_err(not_understood)
    }

    /// Returns the newest version, or `None` if there is no table.
    pub(crate) async fn newest(&self) -> Result<Option<Version>, Error> {
        let mut last = self.last.lock().await;
        if let Some(version) = last.as_mut() {
            let before = version.delta.version();
            // A log that was cut behind what is known is read from its beginning again.
            let mut delta = version.delta.clone();
            if delta.update_state().await.is_ok() {
                if delta.version() == before {
                    return Ok(last.clone());
                }
                if let Ok(files) = files_of(&delta).await {
                    let files = Arc::new(files);
                    *last = Some(Version { delta, files });
                    return Ok(last.clone());
                }
            }
            *last = None;
        }
        let delta = match load(&self.url).await {
            Ok(delta) => delta,
            Err(DeltaTableError::NotATable(_) | DeltaTableError::InvalidTableLocation(_)) => {
                return Ok(None);
            }
            Err(err) => return Err(storage("open the history")(err)),
        };
        let files = Arc::new(files_of(&delta).await?);
        *last = Some(Version { delta, files });
        Ok(last.clone())
    }

    /// Returns what is live and not in a version: `usage` are usage rows, each batch of one
    /// partition.
    pub(crate) async fn uncommitted(
        &self,
        version: Option<&Version>,
        usage: &[RecordBatch],
    ) -> Result<Vec<RecordBatch>, Error> {
        let mut kept = Vec::with_capacity(usage.len());
        let mut committed: HashMap<Partition, i64> = HashMap::new();
        for batch in usage.iter().filter(|batch| batch.num_rows() > 0) {
            let Some(version) = version else {
                kept.push(batch.clone());
                continue;
            };
            // All rows of a live batch are from one partition.
            let column = |name: &str| {
                let missing = || Error::Query(format!("live rows lack column \"{name}\""));
                batch.column_by_name(name).ok_or_else(missing)
            };
            let partition = Partition::new(
                column("topic")?.as_string::<i32>().value(0),
                column("partition")?.as_primitive::<Int32Type>().value(0),
            );
            let committed = match committed.get(&partition) {
                Some(&offset) => offset,
                None => {
                    let offset = known(&version.delta, &self.cluster, &partition).await;
                    if offset.is_err() {
                        // The log was cut behind what is known: the next question reads it anew.
                        *self.last.lock().await = None;
                    }
                    let offset = offset?.unwrap_or(i64::MIN);
                    committed.insert(partition, offset);
                    offset
                }
            };
            let offsets = column("offset")?.as_primitive::<Int64Type>();
            let newer: BooleanArray = offsets
                .values()
                .iter()
                .map(|&offset| Some(offset >= committed))
                .collect();
            kept.push(filter_record_batch(batch, &newer)?);
        }
        self.kept.rows_of(&kept)
    }
}
