//! An episode in words: the alert.

use model::{
    Alert, AlertId, Contributor, Detector, Entity, Evidence, IncidentId, KeyEntry, Metric, Nanos,
    Severity, Timestamp,
};

use crate::episode::{Episode, score};
use crate::windows::{BUCKET_MILLIS, Scale};

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
}

/// Tells an episode as it stands.
pub(crate) fn tell(episode: &Episode, telling: Telling<'_>) -> Alert {
    let worst = &episode.worst;
    let metric = Metric::ALL[worst.metric];
    let first_seen = Timestamp::from_millis(episode.first_bucket * BUCKET_MILLIS);
    let window = worst.scale.window(worst.bucket);
    let new_source = telling
        .contributors
        .iter()
        .any(|contributor| contributor.first_seen && contributor.dimension != "model");
    let entry = telling.entry;
    Alert {
        alert_id: AlertId::compute(telling.entity, first_seen),
        revision: episode.revision,
        raised_at: telling.raised_at,
        key_id: telling.entity.key.clone(),
        key_hint: telling.key_hint.map(str::to_owned),
        account: telling.entity.account.clone(),
        project: telling
            .project
            .map(str::to_owned)
            .or_else(|| entry.and_then(|entry| entry.project.clone())),
        provider: telling.entity.provider.clone(),
        vendor: None,
        stored_with: entry.map(|entry| entry.vendors.clone()).unwrap_or_default(),
        owner: entry.and_then(|entry| entry.owner.clone()),
        detector: if metric == Metric::Cost {
            Detector::Spend
        } else {
            Detector::Volume
        },
        severity: telling.severity,
        score: score(telling.alpha, worst.episodes_per_day),
        p_value: (-worst.rarity).exp(),
        neg_log_p: worst.rarity,
        episodes_per_day: worst.episodes_per_day,
        metric,
        window_start: window.start,
        window_end: window.end,
        observed: worst.observed,
        expected: worst.expected,
        expected_low: worst.low,
        expected_high: worst.high,
        evidence: evidence(episode, &telling.contributors),
        top_contributors: telling.contributors,
        incident_id: IncidentId::compute(&telling.entity.account, first_seen),
        first_seen,
        cost_so_far_usd: telling.cost,
        burn_usd_per_hour: telling.burn_usd_per_hour,
        attack_techniques: techniques(new_source),
        ended: episode.ended,
        series: episode.series.clone(),
    }
}

/// MITRE ATT&CK: cloud service hijacking, valid cloud accounts; ATLAS: cost harvesting.
fn techniques(new_source: bool) -> Vec<String> {
    let mut techniques = vec!["T1496.004", "AML.T0034"];
    if new_source {
        techniques.push("T1078.004");
    }
    techniques.into_iter().map(str::to_owned).collect()
}

fn evidence(episode: &Episode, contributors: &[Contributor]) -> Vec<Evidence> {
    let worst = &episode.worst;
    let metric = Metric::ALL[worst.metric];
    let family = |metric: Metric| {
        if metric == Metric::Cost {
            "spend"
        } else {
            "volume"
        }
    };
    let factor = if worst.expected > 0.0 {
        format!(
            ", {} times the expected",
            rounded(worst.observed / worst.expected)
        )
    } else {
        String::new()
    };
    let mut evidence = vec![
        Evidence {
            family: family(metric).to_owned(),
            text: format!(
                "{} {} in {}, expected {} ({} to {}){factor}",
                rounded(worst.observed),
                metric.unit(),
                match worst.scale {
                    Scale::Hour => "an hour",
                    other => other.name(),
                },
                rounded(worst.expected),
                rounded(worst.low),
                rounded(worst.high),
            ),
            neg_log_p: Some(worst.rarity),
        },
        Evidence {
            family: family(metric).to_owned(),
            text: format!(
                "a key like this does this {}",
                frequency(worst.episodes_per_day)
            ),
            neg_log_p: None,
        },
    ];
    for &(metric, scale, rarity) in &episode.fired {
        if (metric, scale) != (worst.metric, worst.scale) {
            let metric = Metric::ALL[metric];
            evidence.push(Evidence {
                family: family(metric).to_owned(),
                text: format!("{} over {} are rare too", metric.unit(), scale.name()),
                neg_log_p: Some(rarity),
            });
        }
    }
    for contributor in contributors
        .iter()
        .filter(|contributor| contributor.first_seen)
    {
        let what = match contributor.dimension.as_str() {
            "source_ip" => "address",
            "user_agent" => "client",
            other => other,
        };
        evidence.push(Evidence {
            family: "novelty".to_owned(),
            text: format!(
                "{what} {} was never seen on this key before; it makes {:.0} % of the requests",
                contributor.value,
                100.0 * contributor.share
            ),
            neg_log_p: None,
        });
    }
    evidence
}

/// Says a frequency in words a person understands.
fn frequency(episodes_per_day: f64) -> String {
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
