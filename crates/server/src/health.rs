//! Whether the process answers, and whether it has caught up.

use axum::extract::State;
use axum::http::StatusCode;

use crate::AppState;
use crate::format::grouped;

/// Says that the process answers; nothing else is asked, so that a busy database does not get
/// the process killed.
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// Says whether alerts can be trusted to be complete, and if not, why.
pub(crate) async fn readyz(State(state): State<AppState>) -> (StatusCode, String) {
    let vitals = state.vitals.vitals();
    if let Err(error) = state.casebook.outbox_counts().await {
        tracing::warn!(%error, "not ready");
        let text = "not ready: the casebook could not be read\n";
        return (StatusCode::SERVICE_UNAVAILABLE, text.to_owned());
    }
    if vitals.caught_up {
        return (StatusCode::OK, "ready\n".to_owned());
    }
    let text = match vitals.lag_records {
        Some(lag) => format!(
            "not ready: reading the backlog, {} records to go\n",
            grouped(lag)
        ),
        None => "not ready: waiting for the feed to say how much there is to read\n".to_owned(),
    };
    (StatusCode::SERVICE_UNAVAILABLE, text)
}
