//! Errors of the libraries behind this room, in its own words.

use columns::Error;
use datafusion::common::Location;
use datafusion::error::DataFusionError;
use deltalake_core::DeltaTableError;

/// Says what could not be done with the table; storage may come back.
pub(crate) fn storage(what: &str) -> impl Fn(DeltaTableError) -> Error + '_ {
    move |err| Error::Storage {
        message: format!("could not {what}: {err}"),
        transient: true,
    }
}

/// Says what a query's author needs to know, and where in the statement, if that is known: `… at line
/// 1, column 8`.
pub(crate) fn query(err: DataFusionError) -> Error {
    let place = err.diagnostic().and_then(|diagnostic| diagnostic.span);
    let message = match err.find_root() {
        root @ (DataFusionError::ObjectStore(_)
        | DataFusionError::IoError(_)
        | DataFusionError::ParquetError(_)) => {
            return Error::Storage {
                message: format!("could not read the history: {root}"),
                transient: true,
            };
        }
        DataFusionError::ResourcesExhausted(_) => {
            "the query needs more memory than its limit; narrow it, for example by event_time"
                .to_owned()
        }
        DataFusionError::SQL(err, _) => return parse(&err.to_string()),
        root => plain(&root.strip_backtrace()),
    };
    Error::Query(match place {
        Some(span) => {
            let Location { line, column } = span.start;
            format!("{message} at line {line}, column {column}")
        }
        None => message,
    })
}

/// Says why a text is no statement.
pub(crate) fn parse(message: &str) -> Error {
    let message = message.trim_start_matches("sql parser error: ");
    let message = message
        .replace(" at Line: ", " at line ")
        .replace(", Column: ", ", column ");
    Error::Query(message)
}

/// Leaves out what only fills the screen, and says what is refused in words of ours.
fn plain(message: &str) -> String {
    let refused = [
        "DDL not supported",
        "DML not supported",
        "Statement not supported",
    ];
    if refused.iter().any(|words| message.contains(words)) {
        return "there is only reading here, with SELECT, WITH, VALUES and EXPLAIN".to_owned();
    }
    let message = message
        .trim_start_matches("Schema error: ")
        .trim_start_matches("Error during planning: ");
    match message.split_once("\nValid fields are") {
        // There are sixty of them.
        Some((said, _)) => format!("{} (\\d TABLE lists them)", said.trim_end_matches('.')),
        None => message.to_owned(),
    }
}
