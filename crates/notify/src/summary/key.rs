//! One alerted key, in sentences.

use model::{Alert, EntityLevel, Metric};

use super::{burn, named, names};
use crate::chart::Chart;
use crate::text::{
    NAME_CHARS, clean, minute, percent, rarity, span, times, usd, value, value_and_unit,
};

const SENTENCE_CHARS: usize = 300;
const MAX_EVIDENCE: usize = 8;
const MAX_CONTRIBUTORS: usize = 6;

/// One alerted key in sentences.
#[derive(Clone, Debug)]
pub(crate) struct KeySummary {
    /// The masked key or its id.
    pub(crate) name: String,
    /// Provider, project, key id, owner, where it is stored.
    pub(crate) card: String,
    /// Severity and score.
    pub(crate) grade: String,
    /// What is counted, and in which window.
    pub(crate) window: String,
    /// What was seen.
    pub(crate) observed: String,
    /// What was expected, with the range.
    pub(crate) expected: String,
    /// How many times as much.
    pub(crate) factor: String,
    /// How often a key like this does this.
    pub(crate) rarity: String,
    /// Since when, and whether it is over.
    pub(crate) since: String,
    /// Money lost and burning.
    pub(crate) money: String,
    /// What speaks for it.
    pub(crate) evidence: Vec<String>,
    /// What the usage is made of.
    pub(crate) contributors: Vec<String>,
    /// MITRE technique ids.
    pub(crate) techniques: String,
    /// The course of it.
    pub(crate) chart: Option<Chart>,
}

impl KeySummary {
    pub(super) fn of(alert: &Alert) -> Self {
        let metric = alert.metric;
        let observed = value_and_unit(metric, alert.observed);
        let mut card = vec![
            format!("provider {}", named(&alert.provider, "not known")),
            match alert.entity_level {
                EntityLevel::Key => format!("key {}", named(&alert.key_id, "not known")),
                _ => named(&alert.name(), "not known"),
            },
        ];
        if let Some(project) = &alert.project {
            card.push(format!("project {}", clean(project, NAME_CHARS)));
        }
        card.push(match &alert.owner {
            Some(owner) => format!("owner {}", named(owner, "not known")),
            None => "no owner in the inventory".to_owned(),
        });
        if !alert.stored_with.is_empty() {
            card.push(format!("stored with {}", names(&alert.stored_with)));
        }
        Self {
            name: key_name(alert),
            card: card.join(" · "),
            grade: format!(
                "{}, score {:.0} of 100",
                alert.severity.as_str(),
                alert.score
            ),
            window: format!(
                "{} from {}",
                what(metric),
                span(alert.window_start, alert.window_end)
            ),
            observed,
            expected: format!(
                "{} (usual range {} to {})",
                value_and_unit(metric, alert.expected),
                value(metric, alert.expected_low),
                value(metric, alert.expected_high)
            ),
            factor: match alert.factor() {
                Some(factor) => format!("{} the expected", times(factor)),
                None => "nothing was expected".to_owned(),
            },
            rarity: rarity(alert.episodes_per_day),
            since: match alert.ended {
                false => minute(alert.first_seen),
                true => format!("{}, over now", minute(alert.first_seen)),
            },
            money: format!(
                "{} more than expected so far; {}",
                usd(alert.cost_so_far_usd.to_usd()),
                burn(alert.burn_usd_per_hour, alert.ended)
            ),
            evidence: alert
                .evidence
                .iter()
                .take(MAX_EVIDENCE)
                .map(|evidence| clean(&evidence.text, SENTENCE_CHARS))
                .collect(),
            contributors: alert
                .top_contributors
                .iter()
                .take(MAX_CONTRIBUTORS)
                .map(|contributor| {
                    let dimension = clean(&contributor.dimension, NAME_CHARS).replace('_', " ");
                    let name = named(&contributor.value, "none");
                    let share = percent(contributor.share);
                    let new = if contributor.first_seen {
                        " (new for this key)"
                    } else {
                        ""
                    };
                    format!("{dimension} {name}: {share}{new}")
                })
                .collect(),
            techniques: names(&alert.attack_techniques),
            chart: Chart::draw(metric, &alert.series),
        }
    }
}

/// Returns the masked key if one is known, otherwise its id.
pub(super) fn key_name(alert: &Alert) -> String {
    let hint = alert
        .key_hint
        .as_deref()
        .filter(|hint| !hint.trim().is_empty());
    named(hint.unwrap_or(&alert.name()), "without an id")
}

const fn what(metric: Metric) -> &'static str {
    match metric {
        Metric::Requests => "requests",
        Metric::Tokens => "tokens",
        Metric::Cost => "cost",
    }
}
