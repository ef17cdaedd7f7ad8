//! The versions of the schema, embedded and run on open.

use sqlx::{Connection, SqliteConnection};

use crate::Error;
use crate::error::Doing;

/// Every migration in order; each ends by setting `user_version` to its place, counted from 1.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001_initial.sql"),
    include_str!("../migrations/0002_standings.sql"),
    include_str!("../migrations/0003_key_feeds.sql"),
];

/// Brings the schema to the newest version.
///
/// The write lock is taken before the version is read, so that two processes that open a new
/// file at the same moment do not both create the tables.
pub(crate) async fn run(connection: &mut SqliteConnection) -> Result<(), Error> {
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    let mut transaction = connection
        .begin_with("BEGIN IMMEDIATE")
        .await
        .doing("begin a migration")?;
    let found: i64 = sqlx::query_scalar("PRAGMA user_version")
        .fetch_one(&mut *transaction)
        .await
        .doing("read the schema version")?;
    if found > known {
        return Err(Error::Newer { found, known });
    }
    for migration in MIGRATIONS
        .iter()
        .skip(usize::try_from(found).unwrap_or_default())
    {
        sqlx::raw_sql(*migration)
            .execute(&mut *transaction)
            .await
            .doing("migrate the schema")?;
    }
    transaction.commit().await.doing("commit a migration")
}

#[cfg(test)]
mod tests {
    use super::MIGRATIONS;

    #[test]
    fn every_migration_ends_with_its_version() {
        for (index, migration) in MIGRATIONS.iter().enumerate() {
            let last = format!("PRAGMA user_version = {};", index + 1);
            assert!(migration.trim_end().ends_with(&last), "{last}");
        }
    }
}
