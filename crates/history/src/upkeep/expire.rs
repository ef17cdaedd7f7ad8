//! What is older than is kept goes; files that no version names go for good.

use columns::Error;
use deltalake_core::operations::vacuum::VacuumMode;
use deltalake_core::protocol::DeltaOperation;
use model::Timestamp;

use super::{Tended, UpkeepReport};
use crate::error::storage;

/// Takes away whole days that are older than `retention_days`; all is kept without.
pub(super) async fn expire(
    tended: &mut Tended,
    retention_days: Option<u32>,
    now: Timestamp,
) -> Result<UpkeepReport, Error> {
    let Some(retention_days) = retention_days else {
        return Ok(UpkeepReport::default());
    };
    let today = now.millis().div_euclid(Timestamp::DAY);
    let first = today - i64::from(retention_days);
    let mut files = tended.files().await?;
    files.retain(|file| i64::from(file.day) < first);
    let mut report = UpkeepReport::default();
    let operation = DeltaOperation::Delete {
        predicate: Some(format!("older than {retention_days} days")),
    };
    if !files.is_empty() && tended.replace(&files, Vec::new(), true, operation).await? {
        report.files_removed = files.len();
    }
    Ok(report)
}

/// Hours after which a file that no version ever named is of a commit that never came to an end:
/// sorting a large day takes its time.
const STRAY_HOURS: u32 = 24;

/// Deletes files that no version of the last `hours` names, and those of commits that never came to
/// an end.
pub(super) async fn vacuum(tended: &mut Tended, hours: u32) -> Result<UpkeepReport, Error> {
    let mut report = delete(tended, VacuumMode::Lite, hours).await?;
    report += delete(tended, VacuumMode::Full, hours.max(STRAY_HOURS)).await?;
    Ok(report)
}

/// Deletes files that were replaced or removed more than `hours` ago; with [`VacuumMode::Full`]
/// those that were never named by a version too.
pub(super) async fn delete(
    tended: &mut Tended,
    mode: VacuumMode,
    hours: u32,
) -> Result<UpkeepReport, Error> {
    tended.update().await?;
    let hours = i64::from(hours) * Timestamp::HOUR;
    let vacuum = tended.delta.clone().vacuum().with_mode(mode);
    let (delta, metrics) = vacuum
        .with_retention_period(chrono::Duration::milliseconds(hours))
        .with_enforce_retention_duration(false)
        .await
        .map_err(storage("delete old files of the history"))?;
    tended.delta = delta;
    Ok(UpkeepReport {
        files_deleted: metrics.files_deleted.len(),
        ..UpkeepReport::default()
    })
}
