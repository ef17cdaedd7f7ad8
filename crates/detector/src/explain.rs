//! An episode in words: the alert.

use model::{
    Alert, AlertId, Contributor, Detector, Entity, EntityLevel, Evidence, IncidentId, KeyEntry,
    Nanos, Severity, Timestamp,
};

use crate::clock::start_of;
use crate::episode::{Episode, score};
use crate::finding::Finding;
use crate::signal::{Family, Signal};

/// What an alert is made of, beside the episode.
pub(crate) struct Telling<'a> {
    pub(crate) entity: &'a Entity,
    pub(crate) entry: Option<&'a KeyEntry>,
    pub(crate) key_hint: Option<&'a str>,
    pub(crate) project: Option<&'a str>,
    pub(crate) raised_at: Timestamp,
    pub(crate) alpha: f64,
    pub(crate) severity: Severity,
    pub(crate) cost: Nanos,
    pub(crate) burn_usd_per_hour: f64,
    pub(crate) contributors: Vec<Contributor>,
    /// What kind of key it is, in a word.
    pub(crate) class: &'a str,
}

/// Tells an episode as it stands.
pub(crate) fn tell(episode: &Episode, telling: Telling<'_>) -> Alert {
    let worst = &episode.worst;
    let entry = telling.entry;
    let new_source = episode
        .fired
        .keys()
        .any(|(family, _)| matches!(family, Family::Caller | Family::Rule))
        || telling
            .contributors
            .iter()
            .any(|contributor| contributor.first_seen && contributor.dimension != "model");
    Alert {
        alert_id: AlertId::compute(telling.entity, episode.identity()),
        revision: episode.revision,
        raised_at: telling.raised_at,
        entity_level: EntityLevel::Key,
        key_id: telling.entity.key.clone(),
        key_hint: telling.key_hint.map(str::to_owned),
        account: telling.entity.account.clone(),
        project: telling
            .project
            .map(str::to_owned)
            .or_else(|| entry.and_then(|entry| entry.project.clone())),
        service: None,
        provider: telling.entity.provider.clone(),
        vendor: None,
        stored_with: entry.map(|entry| entry.vendors.clone()).unwrap_or_default(),
        owner: entry.and_then(|entry| entry.owner.clone()),
        detector: detector(worst),
        severity: telling.severity,
        score: score(telling.alpha, episode.alert_rate),
        p_value: (-worst.neg_ln_p).exp(),
        neg_log_p: worst.neg_ln_p,
        episodes_per_day: episode.alert_rate.min(1e3),
        metric: worst.metric,
        window_start: worst.window.start,
        window_end: worst.window.end,
        observed: worst.observed,
        expected: worst.expected,
        expected_low: worst.low,
        expected_high: worst.high,
        evidence: evidence(episode, &telling),
        top_contributors: telling.contributors,
        incident_id: IncidentId::compute(&telling.entity.account, episode.identity()),
        first_seen: start_of(episode.first_bucket),
        cost_so_far_usd: telling.cost,
        burn_usd_per_hour: telling.burn_usd_per_hour,
        attack_techniques: techniques(episode, new_source),
        ended: episode.ended,
        series: episode.series.clone(),
    }
}

fn detector(worst: &Finding) -> Detector {
    match worst.family {
        Family::Volume => Detector::Volume,
        Family::Spend => Detector::Spend,
        Family::Price | Family::Model => Detector::Price,
        Family::Caller => Detector::Caller,
        Family::Probing => Detector::Probing,
        Family::Dormancy => Detector::Dormancy,
        Family::Newborn => Detector::Newborn,
        Family::Rule => Detector::Rule,
    }
}

/// MITRE ATT&CK: cloud service hijacking, valid cloud accounts, cloud service discovery; ATLAS:
/// cost harvesting.
fn techniques(episode: &Episode, new_source: bool) -> Vec<String> {
    let mut techniques = vec!["T1496.004", "AML.T0034"];
    if new_source {
        techniques.push("T1078.004");
    }
    if episode
        .fired
        .keys()
        .any(|(family, _)| *family == Family::Probing)
    {
        techniques.push("T1526");
    }
    techniques.into_iter().map(str::to_owned).collect()
}

/// What speaks for the alert: what is told first, how seldom it is, then every other family.
fn evidence(episode: &Episode, telling: &Telling<'_>) -> Vec<Evidence> {
    let worst = &episode.worst;
    let mut evidence = vec![
        Evidence {
            family: worst.family.as_str().to_owned(),
            text: sentence(worst),
            neg_log_p: Some(worst.neg_ln_p),
        },
        Evidence {
            family: worst.family.as_str().to_owned(),
            text: format!(
                "a {} key like this does this {}",
                telling.class,
                frequency(episode.alert_rate)
            ),
            neg_log_p: None,
        },
    ];
    if let Some(at) = episode.accepted_at {
        evidence.push(Evidence {
            family: worst.family.as_str().to_owned(),
            text: format!("accepted at {at} as what the key does from now on"),
            neg_log_p: None,
        });
    }
    let mut told = vec![(worst.family, worst.note.is_some())];
    for finding in episode.fired.values() {
        let is_worst = (finding.family, finding.signal) == (worst.family, worst.signal);
        if is_worst || finding.signal == Some(Signal::Joint) || finding.episodes_per_day > 1.0 {
            continue;
        }
        // Of the families that speak in sentences of their own one is enough.
        if finding.note.is_some() && told.contains(&(finding.family, true)) {
            continue;
        }
        told.push((finding.family, finding.note.is_some()));
        evidence.push(Evidence {
            family: finding.family.as_str().to_owned(),
            text: sentence(finding),
            neg_log_p: Some(finding.neg_ln_p),
        });
    }
    if let Some(joint) = episode
        .fired
        .values()
        .find(|finding| finding.signal == Some(Signal::Joint))
    {
        evidence.push(Evidence {
            family: "joint".to_owned(),
            text: format!(
                "together this happens by chance {}",
                frequency(joint.episodes_per_day)
            ),
            neg_log_p: Some(joint.neg_ln_p),
        });
    }
    evidence.extend(new_values(&telling.contributors));
    if let Some(quiet) = would_be_quiet(episode, telling) {
        evidence.push(Evidence {
            family: worst.family.as_str().to_owned(),
            text: quiet,
            neg_log_p: None,
        });
    }
    evidence
}

/// Says a finding with its figures.
fn sentence(finding: &Finding) -> String {
    if let Some(note) = &finding.note {
        return note.clone();
    }
    let factor = if finding.expected > 0.0 {
        format!(
            ", {} times the expected",
            rounded(finding.observed / finding.expected)
        )
    } else {
        String::new()
    };
    let window = match finding.signal {
        // The evidence is gathered by blocks of six hours and shown by the last day.
        Some(Signal::SlowTheft) => "24 hours",
        Some(signal) => signal.scale().words(),
        None => "10 minutes",
    };
    let what = format!(
        "{} {} in {window}, expected {} ({} to {}){factor}",
        rounded(finding.observed),
        finding.metric.unit(),
        rounded(finding.expected),
        rounded(finding.low),
        rounded(finding.high),
    );
    match finding.signal {
        Some(Signal::SlowTheft) => format!("above its level for days: {what}"),
        Some(Signal::Marginal) => format!("far above its last seven days: {what}"),
        _ => what,
    }
}

fn new_values(contributors: &[Contributor]) -> impl Iterator<Item = Evidence> {
    contributors
        .iter()
        .filter(|contributor| contributor.first_seen)
        .map(|contributor| {
            let what = match contributor.dimension.as_str() {
                "source_ip" => "address",
                "user_agent" => "client",
                other => other,
            };
            let place = match contributor.dimension.as_str() {
                "source_ip" => "its network is not among those",
                _ => "it is not among those",
            };
            Evidence {
                family: "novelty".to_owned(),
                text: format!(
                    "{what} {}: {place} that this key is known by; it makes {:.0} % of the requests",
                    contributor.value,
                    100.0 * contributor.share
                ),
                neg_log_p: None,
            }
        })
}

/// An alert that begins at this part of the budget is beyond doubt.
const BEYOND_DOUBT: f64 = 1e-3;

/// Says what would have kept it quiet.
fn would_be_quiet(episode: &Episode, telling: &Telling<'_>) -> Option<String> {
    let worst = &episode.worst;
    if episode.alert_rate < BEYOND_DOUBT * telling.alpha {
        // What is a thousand times beyond the budget would not be kept quiet by anything.
        return None;
    }
    Some(match worst.family {
        Family::Rule => "it would be quiet if the inventory allowed it, or announced it with cidr_added or model_added".to_owned(),
        Family::Caller => "it would be quiet had the network been announced with cidr_added".to_owned(),
        Family::Volume | Family::Spend if worst.expected > 0.0 => format!(
            "it would be quiet had growth to {} times been announced with expected_growth, or at a budget below {} false alerts per 1000 key-days",
            rounded((worst.observed / worst.expected).ceil()),
            rounded(1000.0 * episode.alert_rate),
        ),
        _ if episode.alert_rate < telling.alpha => format!(
            "it would be quiet at a budget below {} false alerts per 1000 key-days",
            rounded(1000.0 * episode.alert_rate)
        ),
        _ => return None,
    })
}

/// Says a frequency in words a person understands.
pub(crate) fn frequency(episodes_per_day: f64) -> String {
    let days = 1.0 / episodes_per_day.max(1e-300);
    if days < 1.5 {
        "about once a day".to_owned()
    } else if days < 700.0 {
        format!("once in {} days", rounded(days))
    } else if days < 365_000.0 {
        format!("once in {} years", rounded(days / 365.0))
    } else {
        "less than once in a thousand years".to_owned()
    }
}

/// Writes a figure with as many digits as mean something.
fn rounded(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude >= 100.0 {
        format!("{value:.0}")
    } else if magnitude >= 10.0 {
        format!("{value:.1}")
    } else if magnitude >= 0.01 || magnitude == 0.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.1e}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequencies_are_said_in_words() {
        for (per_day, words) in [
            (2.0, "about once a day"),
            (0.0025, "once in 400 days"),
            (1.0 / 3650.0, "once in 10.0 years"),
            (1e-250, "less than once in a thousand years"),
        ] {
            assert_eq!(frequency(per_day), words);
        }
    }
}
