//! What programs ask of a database before its rows: its catalogues, tables and abilities.

use arrow_flight::error::Result;
use arrow_flight::sql::metadata::{SqlInfoData, SqlInfoDataBuilder};
use arrow_flight::sql::{
    CommandGetCatalogs, CommandGetDbSchemas, CommandGetSqlInfo, CommandGetTableTypes,
    CommandGetTables, SqlInfo, SqlSupportedTransaction,
};
use columns::TableEntry;
use columns::arrow::array::RecordBatch;

/// The one database, and the schema of its tables, as they are called in SQL.
const CATALOG: &str = "spikewatch";
const SCHEMA: &str = "public";
const TABLE: &str = "TABLE";
const VIEW: &str = "VIEW";

pub(crate) fn catalogues(wanted: CommandGetCatalogs) -> Result<RecordBatch> {
    let mut builder = wanted.into_builder();
    builder.append(CATALOG);
    builder.build()
}

pub(crate) fn schemas(wanted: CommandGetDbSchemas) -> Result<RecordBatch> {
    let mut builder = wanted.into_builder();
    builder.append(CATALOG, SCHEMA);
    builder.build()
}

/// Returns those of `entries` that are asked for.
pub(crate) fn tables(wanted: CommandGetTables, entries: &[TableEntry]) -> Result<RecordBatch> {
    let mut builder = wanted.into_builder();
    for entry in entries {
        let kind = if entry.is_view { VIEW } else { TABLE };
        builder.append(CATALOG, SCHEMA, &entry.name, kind, &entry.schema)?;
    }
    builder.build()
}

pub(crate) fn table_types(wanted: CommandGetTableTypes) -> Result<RecordBatch> {
    let mut builder = wanted.into_builder();
    builder.append(TABLE);
    builder.append(VIEW);
    builder.build()
}

/// Says what we are, and that there is only reading.
pub(crate) fn information(wanted: CommandGetSqlInfo) -> Result<RecordBatch> {
    wanted.into_builder(&abilities()?).build()
}

fn abilities() -> Result<SqlInfoData> {
    let mut builder = SqlInfoDataBuilder::new();
    builder.append(SqlInfo::FlightSqlServerName, "Spikewatch");
    builder.append(SqlInfo::FlightSqlServerVersion, env!("CARGO_PKG_VERSION"));
    // The version of the columnar format, not of a library.
    builder.append(SqlInfo::FlightSqlServerArrowVersion, "1.5");
    builder.append(SqlInfo::FlightSqlServerReadOnly, true);
    builder.append(SqlInfo::FlightSqlServerSql, true);
    builder.append(SqlInfo::FlightSqlServerSubstrait, false);
    let none = SqlSupportedTransaction::None as i32;
    builder.append(SqlInfo::FlightSqlServerTransaction, none);
    builder.append(SqlInfo::FlightSqlServerCancel, false);
    builder.append(SqlInfo::SqlIdentifierQuoteChar, "\"");
    builder.build()
}
