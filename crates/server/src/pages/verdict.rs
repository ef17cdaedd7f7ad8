//! One sentence that says what happened.

use model::{Alert, EntityLevel, Incident, IncidentState};

use super::account_name;
use crate::case::Case;
use crate::format::{dollars, grouped, moment, money, number, plural, short_moment, visible};

/// Says what happened in an incident.
pub(super) fn of_case(case: &Case) -> String {
    let incident = &case.incident;
    let account = account_name(&incident.account);
    let subject = match case.alerts.first() {
        Some(alert) if incident.keys == 1 => format!(
            "{} of {account} {}",
            match alert.entity_level {
                EntityLevel::Key => format!("Key {}", visible(&alert.key_id)),
                _ => format!("The {}", visible(&alert.name())),
            },
            of_alert(alert).trim_end_matches('.')
        ),
        _ => format!(
            "{} of {account} {} used far beyond what is normal for them",
            plural(u64::from(incident.keys), "key"),
            match incident.state {
                IncidentState::Open => "are being",
                IncidentState::Ended => "were",
            }
        ),
    };
    format!("{subject}; {}.", cost(incident))
}

fn cost(incident: &Incident) -> String {
    let since = moment(incident.first_seen);
    let (who, has, s) = match incident.keys {
        1 => ("it", "has", "s"),
        _ => ("they", "have", ""),
    };
    let lost = if incident.cost_so_far_usd.get() > 0 {
        format!(
            "{who} {has} cost {} more than expected since {since}",
            money(incident.cost_so_far_usd)
        )
    } else {
        format!("what {who} {has} cost since {since} is not known")
    };
    match incident.state {
        IncidentState::Ended => format!("{lost}; the abuse is over"),
        IncidentState::Open if incident.burn_usd_per_hour > 0.0 => format!(
            "{lost} and cost{s} {} more every hour",
            dollars(incident.burn_usd_per_hour)
        ),
        IncidentState::Open => {
            format!("{lost} and {} on", if s.is_empty() { "go" } else { "goes" })
        }
    }
}

/// Says what was seen in the worst window of an alert.
pub(super) fn of_alert(alert: &Alert) -> String {
    let observed = match alert.metric {
        model::Metric::Cost => format!("spent {}", dollars(alert.observed)),
        model::Metric::Requests => format!("made {} requests", number(alert.observed)),
        model::Metric::Tokens => format!("used {} tokens", number(alert.observed)),
    };
    let expected = match (alert.metric, alert.expected_high) {
        (_, high) if high <= 0.0 => "none were expected".to_owned(),
        (model::Metric::Cost, high) => format!("at most {} was expected", dollars(high)),
        (_, high) => format!("at most {} were expected", number(high)),
    };
    let factor = match alert.factor() {
        Some(factor) if (2.0..1e9).contains(&factor) => {
            format!(" ({} times the usual)", grouped(factor.round() as u64))
        }
        _ => String::new(),
    };
    format!(
        "{observed} between {} and {} UTC, where {expected}{factor}.",
        short_moment(alert.window_start),
        short_moment(alert.window_end),
    )
}
