//! Small conversions between columns and words.

use model::{Severity, Timestamp};
use sqlx::Row;
use sqlx::any::AnyRow;

use crate::Error;
use crate::error::Doing;

/// Every severity, the mildest first; the place is the stored rank.
const SEVERITIES: [Severity; 5] = [
    Severity::Info,
    Severity::Low,
    Severity::Medium,
    Severity::High,
    Severity::Critical,
];

/// Returns the stored rank of a severity.
pub(crate) fn rank(severity: Severity) -> i64 {
    match severity {
        Severity::Info => 0,
        Severity::Low => 1,
        Severity::Medium => 2,
        Severity::High => 3,
        Severity::Critical => 4,
    }
}

/// Reads a column of the type that the schema promises.
pub(crate) fn get<'r, T>(row: &'r AnyRow, column: &'static str) -> Result<T, Error>
where
    T: sqlx::Decode<'r, sqlx::Any> + sqlx::Type<sqlx::Any>,
{
    row.try_get(column).doing("read a column")
}

/// Reads what is kept as 0 or 1, which is what both databases have in common.
pub(crate) fn flag(row: &AnyRow, column: &'static str) -> Result<bool, Error> {
    get::<i64>(row, column).map(|flag| flag != 0)
}

/// Reads a severity.
pub(crate) fn severity(row: &AnyRow, column: &'static str) -> Result<Severity, Error> {
    let rank: i64 = get(row, column)?;
    usize::try_from(rank)
        .ok()
        .and_then(|rank| SEVERITIES.get(rank).copied())
        .ok_or(Error::Value {
            column,
            value: rank.to_string(),
        })
}

/// Reads a time.
pub(crate) fn time(row: &AnyRow, column: &'static str) -> Result<Timestamp, Error> {
    get(row, column).map(Timestamp::from_millis)
}

/// Reads a time that may be unknown.
pub(crate) fn time_if_known(
    row: &AnyRow,
    column: &'static str,
) -> Result<Option<Timestamp>, Error> {
    let millis: Option<i64> = get(row, column)?;
    Ok(millis.map(Timestamp::from_millis))
}

/// Reads a count that the schema keeps small.
pub(crate) fn count(row: &AnyRow, column: &'static str) -> Result<u32, Error> {
    let count: i64 = get(row, column)?;
    u32::try_from(count).map_err(|_| Error::Value {
        column,
        value: count.to_string(),
    })
}

/// Returns a text from outside as both databases can keep it: PostgreSQL has no NUL in texts.
pub(crate) fn without_nul(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// Makes a text from outside one that both databases can keep.
pub(crate) fn remove_nul(text: &mut String) {
    if text.contains('\0') {
        *text = without_nul(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_places() {
        for (place, severity) in SEVERITIES.into_iter().enumerate() {
            assert_eq!(usize::try_from(rank(severity)), Ok(place));
        }
    }
}
