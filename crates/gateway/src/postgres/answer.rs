//! Answers and errors as the wire has them.

use std::sync::Arc;

use arrow_pg::datatypes::{arrow_schema_to_pg_fields, encode_recordbatch};
use columns::arrow::schema::Schema;
use columns::{Answer, Error, schema_without_structures, without_structures};
use futures::{StreamExt, stream};
use pgwire::api::Type;
use pgwire::api::portal::Format;
use pgwire::api::results::{DataRowEncoder, FieldFormat, FieldInfo, QueryResponse, Response};
use pgwire::error::{ErrorInfo, PgWireError, PgWireResult};

use super::session::Permit;

/// SQLSTATE of what is not understood or not allowed.
pub(crate) const REFUSED: &str = "42000";
/// SQLSTATE of a setting that is not there.
pub(crate) const UNKNOWN_SETTING: &str = "42704";
/// SQLSTATE of too much at one time.
pub(crate) const TOO_MANY: &str = "53300";
/// SQLSTATE of a protocol that is not kept.
pub(crate) const PROTOCOL: &str = "08P01";
const STORAGE: &str = "58030";

/// Makes an error for the client.
pub(crate) fn error(code: &str, message: impl Into<String>) -> PgWireError {
    PgWireError::UserError(Box::new(ErrorInfo::new(
        "ERROR".to_owned(),
        code.to_owned(),
        message.into(),
    )))
}

/// Says why there is no answer. What is wrong with the storage is for the log, not for a client.
pub(crate) fn refusal(err: &Error) -> PgWireError {
    match err {
        Error::Query(message) => error(REFUSED, message),
        err => {
            tracing::warn!(error = %err, "a query could not be answered");
            error(
                STORAGE,
                "the history could not be read; the log of the service says why",
            )
        }
    }
}

/// Returns the columns of an answer; a structure is a text here.
pub(crate) fn fields(schema: &Schema, format: &Format) -> PgWireResult<Vec<FieldInfo>> {
    arrow_schema_to_pg_fields(&schema_without_structures(schema), format, None)
}

/// Returns rows as an answer, which holds the user's `permit` until the last of them.
pub(crate) fn rows(answer: Answer, permit: Permit, format: &Format) -> PgWireResult<Response> {
    let fields = Arc::new(fields(&answer.schema, format)?);
    let columns = fields.clone();
    let rows = answer.batches.flat_map(move |batch| {
        let _held = &permit;
        let batch = batch.and_then(|batch| without_structures(&batch));
        let rows = match batch {
            Ok(batch) => encode_recordbatch(columns.clone(), batch).collect(),
            Err(err) => vec![Err(refusal(&err))],
        };
        stream::iter(rows)
    });
    Ok(Response::Query(QueryResponse::new(fields, rows)))
}

/// Returns the column of a setting's value.
pub(crate) fn setting_field(name: &str) -> FieldInfo {
    FieldInfo::new(name.to_owned(), None, None, Type::TEXT, FieldFormat::Text)
}

/// Returns the value of a setting as an answer of one row.
pub(crate) fn setting(name: &str, value: &str) -> PgWireResult<Response> {
    let fields = Arc::new(vec![setting_field(name)]);
    let mut encoder = DataRowEncoder::new(fields.clone());
    encoder.encode_field(&value)?;
    let row = encoder.take_row();
    let mut response = QueryResponse::new(fields, stream::iter([Ok(row)]));
    "SHOW".clone_into(&mut response.command_tag);
    Ok(Response::Query(response))
}
