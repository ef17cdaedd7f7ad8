//! Recording alerts: the alert, its incident and the messages about it in one transaction.

use model::{Alert, Entity, Evidence, Incident, IncidentId};
use sqlx::AnyConnection;

use crate::error::Doing;
use crate::outbox::{self, Telling};
use crate::{Casebook, Error, alerts, incidents};

/// What came of recording alerts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecordedAlerts {
    /// The alerts that were new or newer, as stored: with the incident they were given.
    pub applied: Vec<Alert>,
    /// How many of them were not known before.
    pub new: u32,
    /// How many were known in this revision or a newer one; nothing changed for them.
    pub unchanged: u32,
    /// The incidents that were opened.
    pub opened: Vec<IncidentId>,
    /// How many messages went into the outbox.
    pub notices: u32,
}

impl Casebook {
    /// Records alerts in their order, with their incidents and the messages to `channels`.
    ///
    /// An alert is taken if its revision is higher than the stored one. It keeps its incident;
    /// a new alert joins the account's incident of the last day or opens the one it proposes.
    /// People are told when an incident first reaches a severity that pages, when its severity
    /// rises, when a further key has an alert that pages, and when there is news after a message
    /// was suppressed. A message that is still waiting untried tells all of it, so that no
    /// second one is added.
    ///
    /// # Errors
    /// When it is not durable; then none of it is recorded, and it may be recorded again.
    pub async fn record_alerts(
        &self,
        alerts: &[Alert],
        channels: &[String],
    ) -> Result<RecordedAlerts, Error> {
        let mut recorded = RecordedAlerts::default();
        if alerts.is_empty() {
            return Ok(recorded);
        }
        let mut transaction = self.write().await?;
        for alert in alerts {
            record_alert(&mut transaction, alert, channels, &mut recorded).await?;
        }
        transaction.commit().await.doing("commit alerts")?;
        Ok(recorded)
    }
}

async fn record_alert(
    connection: &mut AnyConnection,
    alert: &Alert,
    channels: &[String],
    recorded: &mut RecordedAlerts,
) -> Result<(), Error> {
    let known = alerts::known(connection, &alert.alert_id).await?;
    if known
        .as_ref()
        .is_some_and(|known| known.revision >= alert.revision)
    {
        recorded.unchanged += 1;
        return Ok(());
    }
    let mut alert = alert.clone();
    alerts::make_storable(&mut alert);
    alert.incident_id = match &known {
        Some(known) => known.incident_id.clone(),
        None => incidents::assign(connection, &alert).await?,
    };
    let before = incidents::open(connection, &alert).await?;
    let key_was_told = key_pages(connection, &alert).await?;
    alerts::put(connection, &alert).await?;
    let after = incidents::sum_up(
        connection,
        &alert.incident_id,
        &alert.account,
        before.as_ref(),
    )
    .await?;
    if let Some(telling) = telling(&alert, before.as_ref(), &after, key_was_told) {
        recorded.notices += outbox::tell(connection, &alert, telling, channels).await?;
    }
    if before.is_none() {
        recorded.opened.push(alert.incident_id.clone());
    }
    recorded.new += u32::from(known.is_none());
    recorded.applied.push(alert);
    Ok(())
}

/// Ends the alerts of a key that go on, without telling anybody.
pub(crate) async fn end_alerts(
    connection: &mut AnyConnection,
    entity: &Entity,
    reason: &str,
) -> Result<(), Error> {
    for mut alert in alerts::going_on(connection, entity).await? {
        alert.revision += 1;
        alert.ended = true;
        alert.burn_usd_per_hour = 0.0;
        alert.evidence.push(Evidence {
            family: "ended".to_owned(),
            text: format!("ended: {reason}"),
            neg_log_p: None,
        });
        record_alert(connection, &alert, &[], &mut RecordedAlerts::default()).await?;
    }
    Ok(())
}

/// Returns what a revision asks of the outbox, or `None` if the incident pages nobody.
fn telling(
    alert: &Alert,
    before: Option<&Incident>,
    after: &Incident,
    key_was_told: bool,
) -> Option<Telling> {
    if !after.severity.pages() {
        return None;
    }
    let rose = before.is_none_or(|before| before.severity < after.severity);
    let key_joined = alert.severity.pages() && !key_was_told;
    if rose || key_joined {
        return Some(Telling::News);
    }
    (!alert.ended).then_some(Telling::StillGoingOn)
}

/// Returns whether the alert's key already has an alert in this incident that pages.
async fn key_pages(connection: &mut AnyConnection, alert: &Alert) -> Result<bool, Error> {
    let severities: Vec<i64> = sqlx::query_scalar(
        "SELECT severity FROM alerts WHERE incident_id = $1 AND provider = $2 AND key_id = $3",
    )
    .bind(alert.incident_id.as_str())
    .bind(&alert.provider)
    .bind(&alert.key_id)
    .fetch_all(connection)
    .await
    .doing("look for the key in the incident")?;
    Ok(severities
        .iter()
        .any(|&severity| severity >= crate::row::rank(model::Severity::Medium)))
}
