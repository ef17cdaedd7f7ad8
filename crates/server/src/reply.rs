//! Answers that are not pages: JSON, and errors in the form that the asker reads.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tracing::error;

/// Why a request has no answer; the reader gets the short text, the log the details.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// There is no such thing.
    Missing(&'static str),
    /// The question makes no sense.
    Question(String),
    /// The casebook could not be read.
    Casebook(casebook::Error),
}

impl From<casebook::Error> for Refusal {
    fn from(error: casebook::Error) -> Self {
        Self::Casebook(error)
    }
}

impl Refusal {
    /// Returns the status and the short text, and logs what a person must look at.
    pub(crate) fn status_and_text(self) -> (StatusCode, String) {
        match self {
            Self::Missing(what) => (StatusCode::NOT_FOUND, format!("there is no such {what}")),
            Self::Question(text) => (StatusCode::BAD_REQUEST, text),
            Self::Casebook(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                error!(%error, cause, "could not read the casebook for a page");
                let status = if error.is_transient() {
                    StatusCode::SERVICE_UNAVAILABLE
                } else {
                    StatusCode::INTERNAL_SERVER_ERROR
                };
                (status, "the casebook could not be read".to_owned())
            }
        }
    }
}

/// Answers the API: errors are JSON as well.
impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, text) = self.status_and_text();
        (status, Json(json!({ "error": text }))).into_response()
    }
}

/// Answers with text of a content type.
pub(crate) fn typed(content_type: &'static str, body: impl IntoResponse) -> Response {
    ([(header::CONTENT_TYPE, content_type)], body).into_response()
}
