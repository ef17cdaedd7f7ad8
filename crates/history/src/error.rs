//! Errors of the libraries behind this room, in its own words.

use columns::Error;
use datafusion::error::DataFusionError;
use deltalake_core::DeltaTableError;

/// Says what could not be done with the table; storage may come back.
pub(crate) fn storage(what: &str) -> impl Fn(DeltaTableError) -> Error + '_ {
    move |err| Error::Storage {
        message: format!("could not {what}: {err}"),
        transient: true,
    }
}

/// Says what a query's author needs to know.
pub(crate) fn query(err: DataFusionError) -> Error {
    match err.find_root() {
        DataFusionError::ResourcesExhausted(_) => Error::Query(
            "the query needs more memory than its limit; narrow it, for example by event_time"
                .to_owned(),
        ),
        root => Error::Query(root.strip_backtrace()),
    }
}
