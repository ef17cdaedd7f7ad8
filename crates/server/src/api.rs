//! The same as the pages, for programs.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use casebook::{AlertFilter, Delivery};
use model::{Action, Alert, AlertId, AuditEntry, Incident, IncidentId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::AppState;
use crate::case::Case;
use crate::reply::Refusal;

/// What a list returns when nothing is asked for.
const LIMIT_DEFAULT: u32 = 100;

/// The most that a list returns.
const LIMIT_MAX: u32 = 1_000;

/// What a list may be asked.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ListQuery {
    limit: Option<u32>,
    incident: Option<String>,
    account: Option<String>,
    key: Option<String>,
}

impl ListQuery {
    fn limit(&self) -> Result<u32, Refusal> {
        let limit = self.limit.unwrap_or(LIMIT_DEFAULT);
        if (1..=LIMIT_MAX).contains(&limit) {
            Ok(limit)
        } else {
            let text = format!("limit must be from 1 to {LIMIT_MAX}, not {limit}");
            Err(Refusal::Question(text))
        }
    }
}

type Asked = Result<Query<ListQuery>, QueryRejection>;

fn understood(asked: Asked) -> Result<ListQuery, Refusal> {
    match asked {
        Ok(Query(query)) => Ok(query),
        Err(rejection) => Err(Refusal::Question(rejection.body_text())),
    }
}

#[derive(Serialize)]
pub(crate) struct Incidents {
    incidents: Vec<Incident>,
}

pub(crate) async fn incidents(
    State(state): State<AppState>,
    asked: Asked,
) -> Result<Json<Incidents>, Refusal> {
    let query = understood(asked)?;
    if query.incident.is_some() || query.account.is_some() || query.key.is_some() {
        let text = "incidents can be asked for with limit only";
        return Err(Refusal::Question(text.to_owned()));
    }
    let incidents = state.casebook.incidents(query.limit()?).await?;
    Ok(Json(Incidents { incidents }))
}

/// One incident on the wire.
#[derive(Serialize)]
pub(crate) struct WholeIncident {
    incident: Incident,
    alerts: Vec<Alert>,
    shared_vendors: Vec<String>,
    linked_accounts: Vec<String>,
    deliveries: Vec<WireDelivery>,
    actions: Vec<Action>,
    audit: Vec<AuditEntry>,
}

/// One message on the wire.
#[derive(Serialize)]
struct WireDelivery {
    channel: String,
    sequence: u32,
    idempotency_key: String,
    state: &'static str,
    attempts: u32,
    finished_at: Option<Timestamp>,
    last_error: Option<String>,
}

impl From<Delivery> for WireDelivery {
    fn from(delivery: Delivery) -> Self {
        Self {
            channel: delivery.entry.channel,
            sequence: delivery.entry.sequence,
            idempotency_key: delivery.entry.idempotency_key,
            state: delivery.state.as_str(),
            attempts: delivery.entry.attempts,
            finished_at: delivery.finished_at,
            last_error: delivery.entry.last_error,
        }
    }
}

pub(crate) async fn incident(
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<WholeIncident>, Refusal> {
    let case = Case::load(&state.casebook, &IncidentId::from_text(id))
        .await?
        .ok_or(Refusal::Missing("incident"))?;
    Ok(Json(WholeIncident {
        incident: case.incident,
        alerts: case.alerts,
        shared_vendors: case.links.shared_vendors,
        linked_accounts: case.links.linked_accounts,
        deliveries: case.deliveries.into_iter().map(Into::into).collect(),
        actions: case.actions,
        audit: case.audit,
    }))
}

#[derive(Serialize)]
pub(crate) struct Alerts {
    alerts: Vec<Alert>,
}

pub(crate) async fn alerts(
    State(state): State<AppState>,
    asked: Asked,
) -> Result<Json<Alerts>, Refusal> {
    let query = understood(asked)?;
    let filter = AlertFilter {
        limit: query.limit()?,
        incident: query.incident.map(IncidentId::from_text),
        account: query.account,
        key: query.key,
    };
    let alerts = state.casebook.alerts(filter).await?;
    Ok(Json(Alerts { alerts }))
}

pub(crate) async fn alert(
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<Alert>, Refusal> {
    state
        .casebook
        .alert(&AlertId::from_text(id))
        .await?
        .map(Json)
        .ok_or(Refusal::Missing("alert"))
}
