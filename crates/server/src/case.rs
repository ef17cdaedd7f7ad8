//! Everything the casebook knows about one incident.

use casebook::{AlertFilter, AlertRevision, Casebook, Delivery, Error, Links};
use model::{Action, Alert, AuditEntry, Entity, EntityLevel, Incident, IncidentId};

/// Alerts of one incident that are shown in full, the worst first.
pub(crate) const ALERTS_MAX: u32 = 50;

/// Revisions in the timeline, the newest.
const REVISIONS_MAX: u32 = 200;

/// Audit lines of one action in the timeline.
const AUDIT_LINES_MAX: u32 = 50;

/// Actions of one incident whose audit is read.
const ACTIONS_MAX: usize = 50;

/// One incident with its alerts and what was done.
pub(crate) struct Case {
    pub(crate) incident: Incident,
    /// The worst first, at most [`ALERTS_MAX`].
    pub(crate) alerts: Vec<Alert>,
    pub(crate) links: Links,
    pub(crate) revisions: Vec<AlertRevision>,
    pub(crate) deliveries: Vec<Delivery>,
    /// Of the alerted keys, the newest first.
    pub(crate) actions: Vec<Action>,
    pub(crate) audit: Vec<AuditEntry>,
}

impl Case {
    /// Reads an incident, or `None` if there is none of that id.
    pub(crate) async fn load(casebook: &Casebook, id: &IncidentId) -> Result<Option<Self>, Error> {
        let Some(incident) = casebook.incident(id).await? else {
            return Ok(None);
        };
        let filter = AlertFilter {
            incident: Some(id.clone()),
            limit: ALERTS_MAX,
            ..AlertFilter::default()
        };
        let alerts = casebook.alerts(filter).await?;
        let mut actions = Vec::new();
        for entity in entities(&alerts) {
            actions.extend(casebook.actions_of(&entity).await?);
        }
        actions.sort_by(|one, other| {
            (other.requested_at, &other.action_id).cmp(&(one.requested_at, &one.action_id))
        });
        let mut audit = Vec::new();
        for action in actions.iter().take(ACTIONS_MAX) {
            let lines = casebook.audit_of(action.action_id.as_str(), AUDIT_LINES_MAX);
            audit.extend(lines.await?);
        }
        audit.sort_by_key(|line| line.sequence);
        Ok(Some(Self {
            links: casebook.links(id).await?,
            revisions: casebook.revisions(id, REVISIONS_MAX).await?,
            deliveries: casebook.deliveries(id).await?,
            incident,
            alerts,
            actions,
            audit,
        }))
    }
}

/// Returns the keys of alerts, each once, in the order of their worst alert. What has no key
/// cannot be frozen.
pub(crate) fn entities(alerts: &[Alert]) -> Vec<Entity> {
    let mut entities = Vec::new();
    let keys = alerts
        .iter()
        .filter(|alert| alert.entity_level == EntityLevel::Key);
    for alert in keys {
        let entity = alert.entity();
        if !entities.contains(&entity) {
            entities.push(entity);
        }
    }
    entities
}
