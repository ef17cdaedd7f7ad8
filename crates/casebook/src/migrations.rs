//! The versions of the schema, embedded and run on open.

use sqlx::{AnyConnection, Connection};

use crate::Error;
use crate::error::Doing;
use crate::store::{self, Dialect};

/// Migrations of SQLite in order; each ends by setting `user_version` to its version.
const SQLITE: &[(i64, &str)] = &[
    (1, include_str!("../migrations/sqlite/0001_initial.sql")),
    (2, include_str!("../migrations/sqlite/0002_standings.sql")),
    (3, include_str!("../migrations/sqlite/0003_key_feeds.sql")),
    (4, include_str!("../migrations/sqlite/0004_in_common.sql")),
];

/// Migrations of PostgreSQL in order, of the versions that SQLite has; each ends by setting
/// `schema_version`.
const POSTGRES: &[(i64, &str)] = &[(4, include_str!("../migrations/postgres/0004_initial.sql"))];

/// Brings the schema to the newest version.
///
/// The write lock is taken before the version is read, so that two processes that open a new
/// database at the same moment do not both create the tables.
pub(crate) async fn run(connection: &mut AnyConnection, dialect: Dialect) -> Result<(), Error> {
    let begin = match dialect {
        Dialect::Sqlite => "BEGIN IMMEDIATE",
        Dialect::Postgres => "BEGIN",
    };
    let mut transaction = connection
        .begin_with(begin)
        .await
        .doing("begin a migration")?;
    if dialect == Dialect::Postgres {
        store::lock(&mut transaction).await?;
    }
    let found = found(&mut transaction, dialect).await?;
    let migrations = check(found, dialect)?;
    for (_, migration) in migrations.iter().filter(|(version, _)| *version > found) {
        sqlx::raw_sql(*migration)
            .execute(&mut *transaction)
            .await
            .doing("migrate the schema")?;
    }
    transaction.commit().await.doing("commit a migration")
}

/// Returns the version of a schema, 0 where there is none.
pub(crate) async fn found(connection: &mut AnyConnection, dialect: Dialect) -> Result<i64, Error> {
    if dialect == Dialect::Sqlite {
        return version(connection, "PRAGMA user_version").await;
    }
    let is_there = "SELECT count(*) FROM information_schema.tables
        WHERE table_schema = current_schema() AND table_name = 'schema_version'";
    match version(connection, is_there).await? {
        0 => Ok(0),
        _ => version(connection, "SELECT version FROM schema_version").await,
    }
}

/// Returns the migrations of a database, unless its schema is newer than all of them.
pub(crate) fn check(found: i64, dialect: Dialect) -> Result<&'static [(i64, &'static str)], Error> {
    let migrations = match dialect {
        Dialect::Sqlite => SQLITE,
        Dialect::Postgres => POSTGRES,
    };
    let known = migrations.last().map_or(0, |(version, _)| *version);
    match found > known {
        true => Err(Error::Newer { found, known }),
        false => Ok(migrations),
    }
}

async fn version(connection: &mut AnyConnection, query: &'static str) -> Result<i64, Error> {
    let version = sqlx::query_scalar(query).fetch_one(connection).await;
    version.doing("read the schema version")
}

#[cfg(test)]
mod tests {
    use super::{POSTGRES, SQLITE};

    #[test]
    fn every_migration_ends_with_its_version() {
        for (version, migration) in SQLITE {
            let last = format!("PRAGMA user_version = {version};");
            assert!(migration.trim_end().ends_with(&last), "{last}");
        }
        for (version, migration) in POSTGRES {
            let last = format!("INSERT INTO schema_version (id, version) VALUES (1, {version});");
            assert!(migration.trim_end().ends_with(&last), "{last}");
        }
    }

    #[test]
    fn both_databases_have_the_same_version() {
        let newest = |migrations: &[(i64, _)]| migrations.last().map(|(version, _)| *version);
        assert_eq!(newest(SQLITE), newest(POSTGRES));
    }
}
