//! The pages, as people see them.

mod incident;
mod overview;
mod verdict;

use askama::Template;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::{Html, IntoResponse, Response};
use casebook::Casebook;
use model::{Clock, IncidentId, Severity, SystemClock, Timestamp};
use serde_json::json;
use tracing::error;

use crate::case::Case;
use crate::format::{ago, moment, visible};
use crate::reply::Refusal;
use crate::{AppState, Vitals};

/// Incidents on the overview.
const INCIDENTS_MAX: u32 = 200;

/// What every page shows around its content.
pub(crate) struct Frame {
    title: String,
    /// How fresh the data is, in words.
    freshness: String,
    /// fresh, reading or stale.
    freshness_tone: &'static str,
}

/// Data older than this is called stale once the service has caught up.
const STALE_AFTER_MILLIS: i64 = 10 * Timestamp::MINUTE;

impl Frame {
    fn new(title: impl Into<String>, vitals: &Vitals, now: Timestamp) -> Self {
        let (freshness, freshness_tone) = match vitals.watermark {
            None => ("no data yet".to_owned(), "reading"),
            Some(watermark) => {
                let age = now.millis().saturating_sub(watermark.millis());
                let tone = if !vitals.caught_up {
                    "reading"
                } else if age > STALE_AFTER_MILLIS {
                    "stale"
                } else {
                    "fresh"
                };
                let ago = ago(now, watermark);
                let ago = if ago.is_empty() {
                    ago
                } else {
                    format!(" ({ago})")
                };
                (format!("data up to {}{ago}", moment(watermark)), tone)
            }
        };
        Self {
            title: title.into(),
            freshness,
            freshness_tone,
        }
    }
}

/// A page that only says something, with a way out.
#[derive(Template)]
#[template(path = "message.html")]
struct Message {
    frame: Frame,
    heading: String,
    text: String,
}

pub(crate) async fn overview(State(state): State<AppState>) -> Response {
    let (vitals, now) = (state.vitals.vitals(), SystemClock.now());
    match overview::Overview::load(&state.casebook, &vitals, now).await {
        Ok(page) => render(StatusCode::OK, &page),
        Err(error) => message(error.into(), &vitals, now),
    }
}

pub(crate) async fn incident(State(state): State<AppState>, Path(id): Path<String>) -> Response {
    let (vitals, now) = (state.vitals.vitals(), SystemClock.now());
    match load_case(&state.casebook, id).await {
        Ok(case) => render(
            StatusCode::OK,
            &incident::IncidentPage::new(case, &vitals, now),
        ),
        Err(refusal) => message(refusal, &vitals, now),
    }
}

async fn load_case(casebook: &Casebook, id: String) -> Result<Case, Refusal> {
    Case::load(casebook, &IncidentId::from_text(id))
        .await?
        .ok_or(Refusal::Missing("incident"))
}

pub(crate) async fn not_found(State(state): State<AppState>, uri: Uri) -> Response {
    if is_for_programs(&uri) {
        let body = Json(json!({ "error": "there is no such page" }));
        return (StatusCode::NOT_FOUND, body).into_response();
    }
    let refusal = Refusal::Missing("page");
    message(refusal, &state.vitals.vitals(), SystemClock.now())
}

fn is_for_programs(uri: &Uri) -> bool {
    uri.path().starts_with("/api/")
}

fn message(refusal: Refusal, vitals: &Vitals, now: Timestamp) -> Response {
    let (status, text) = refusal.status_and_text();
    let heading = match status {
        StatusCode::NOT_FOUND => "Not found",
        StatusCode::SERVICE_UNAVAILABLE => "Busy",
        _ => "Something went wrong",
    };
    let page = Message {
        frame: Frame::new(heading, vitals, now),
        heading: heading.to_owned(),
        text,
    };
    render(status, &page)
}

fn render(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(error) => {
            error!(%error, "could not render a page");
            let text = "the page could not be rendered\n";
            (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
        }
    }
}

/// Returns the word of a severity as the style sheet knows it.
fn severity_word(severity: Severity) -> &'static str {
    severity.as_str()
}

/// Returns the account, or words where the feed does not say.
fn account_name(account: &str) -> String {
    if account.is_empty() {
        "unknown account".to_owned()
    } else {
        visible(account)
    }
}
