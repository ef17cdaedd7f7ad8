//! One incident: what happened, what it costs, why we say so, and what stops it.

use std::collections::HashSet;

use askama::Template;
use casebook::{DeliveryState, Links};
use model::{Alert, Contributor, IncidentState, Timestamp};

use super::{Frame, account_name, severity_word, verdict};
use crate::Vitals;
use crate::case::{ALERTS_MAX, Case, entities};
use crate::chart::{Chart, Size};
use crate::format::{
    ago, chance, date_and_clock, dollars, finite, grouped, money, noun, number, percent, plural,
    to_the_second, visible,
};
use crate::snippet;

#[derive(Template)]
#[template(path = "incident.html")]
pub(super) struct IncidentPage {
    frame: Frame,
    id: String,
    account: String,
    severity: &'static str,
    open: bool,
    verdict: String,
    lost: String,
    burn: String,
    keys_total: String,
    since: String,
    since_ago: String,
    news: String,
    news_ago: String,
    vendors: String,
    keys: Vec<KeyRow>,
    alerts: Vec<AlertView>,
    cut: Option<String>,
    responses: Vec<Response>,
    timeline: Vec<Happening>,
}

/// One alerted key in the table.
struct KeyRow {
    anchor: String,
    key: String,
    hint: Option<String>,
    provider: String,
    project: String,
    owner: String,
    stored_with: String,
    severity: &'static str,
    lost: String,
    burn: String,
    going_on: bool,
}

/// How to stop a key and how to start it again.
struct Response {
    key: String,
    freeze: String,
    undo: Option<String>,
    states: Vec<String>,
}

/// One alert in full.
struct AlertView {
    anchor: String,
    id: String,
    key: String,
    severity: &'static str,
    sentence: String,
    facts: Vec<(&'static str, String)>,
    unit: &'static str,
    charts: Vec<Chart>,
    evidence: Vec<EvidenceView>,
    contributors: Vec<Group>,
    techniques: Vec<Technique>,
    sql: String,
}

struct EvidenceView {
    family: String,
    text: String,
    strength: Option<String>,
}

/// Contributors of one dimension.
struct Group {
    dimension: String,
    values: Vec<Share>,
}

struct Share {
    value: String,
    percent: String,
    /// Length of the bar, of 100.
    length: String,
    new: bool,
}

struct Technique {
    id: String,
    name: &'static str,
    link: Option<String>,
}

/// One line of the timeline.
struct Happening {
    time: Timestamp,
    when: String,
    kind: &'static str,
    text: String,
}

impl IncidentPage {
    pub(super) fn new(case: Case, vitals: &Vitals, now: Timestamp) -> Self {
        let incident = &case.incident;
        let account = account_name(&incident.account);
        let shown = case.alerts.len();
        Self {
            frame: Frame::new(format!("Incident on {account}"), vitals, now),
            id: incident.incident_id.to_string(),
            severity: severity_word(incident.severity),
            open: incident.state == IncidentState::Open,
            verdict: verdict::of_case(&case),
            lost: money(incident.cost_so_far_usd),
            burn: dollars(incident.burn_usd_per_hour),
            keys_total: grouped(u64::from(incident.keys)),
            since: date_and_clock(incident.first_seen),
            since_ago: ago(now, incident.first_seen),
            news: date_and_clock(incident.last_seen),
            news_ago: ago(now, incident.last_seen),
            vendors: vendor_sentence(incident.keys, &case.links),
            keys: key_rows(&case.alerts),
            alerts: case.alerts.iter().enumerate().map(alert_view).collect(),
            cut: (shown >= ALERTS_MAX as usize)
                .then(|| format!("Only the {shown} worst alerts are shown; the API returns more.")),
            responses: responses(&case),
            timeline: timeline(&case),
            account,
        }
    }
}

fn unknown_if_empty(text: &str) -> String {
    if text.is_empty() {
        "unknown".to_owned()
    } else {
        visible(text)
    }
}

/// One row for each key: its worst alert.
fn key_rows(alerts: &[Alert]) -> Vec<KeyRow> {
    let mut seen = HashSet::new();
    alerts
        .iter()
        .enumerate()
        .filter(|(_, alert)| seen.insert(alert.entity()))
        .map(|(place, alert)| KeyRow {
            anchor: anchor(place),
            key: visible(&alert.name()),
            hint: alert.key_hint.as_deref().map(visible),
            provider: unknown_if_empty(&alert.provider),
            project: visible(alert.project.as_deref().unwrap_or_default()),
            owner: visible(alert.owner.as_deref().unwrap_or_default()),
            stored_with: visible(&alert.stored_with.join(", ")),
            severity: severity_word(alert.severity),
            lost: money(alert.cost_so_far_usd),
            burn: dollars(alert.burn_usd_per_hour),
            going_on: !alert.ended,
        })
        .collect()
}

fn anchor(place: usize) -> String {
    format!("alert-{}", place + 1)
}

fn alert_view((place, alert): (usize, &Alert)) -> AlertView {
    let charts = [Size::WIDE, Size::NARROW]
        .into_iter()
        .filter_map(|size| Chart::of(alert, size))
        .collect();
    let mut facts = vec![
        ("Score", format!("{} of 100", number(alert.score))),
        ("Chance", chance(alert.neg_log_p)),
        (
            "As bad as this",
            format!("{} a day", rate(alert.episodes_per_day)),
        ),
        ("Lost", money(alert.cost_so_far_usd)),
        ("Now", format!("{}/h", dollars(alert.burn_usd_per_hour))),
        ("First seen", date_and_clock(alert.first_seen)),
    ];
    let state = if alert.ended { "over" } else { "going on" };
    facts.push(("Episode", state.to_owned()));
    AlertView {
        anchor: anchor(place),
        id: alert.alert_id.to_string(),
        key: visible(&alert.name()),
        severity: severity_word(alert.severity),
        sentence: capitalised(&verdict::of_alert(alert)),
        facts,
        unit: noun(alert.metric),
        charts,
        evidence: alert
            .evidence
            .iter()
            .map(|evidence| EvidenceView {
                family: visible(&evidence.family),
                text: visible(&evidence.text),
                strength: evidence.neg_log_p.map(chance),
            })
            .collect(),
        contributors: groups(&alert.top_contributors),
        techniques: alert
            .attack_techniques
            .iter()
            .map(|id| technique(id))
            .collect(),
        sql: snippet::reproduce(alert),
    }
}

fn rate(per_day: f64) -> String {
    let per_day = finite(per_day);
    if per_day > 0.0 && per_day < 0.001 {
        "fewer than 0.001".to_owned()
    } else {
        number(per_day)
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

fn groups(contributors: &[Contributor]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for contributor in contributors {
        let dimension = visible(&contributor.dimension).replace('_', " ");
        let share = Share {
            value: unknown_if_empty(&contributor.value),
            percent: percent(contributor.share),
            length: format!(
                "{:.1}",
                (finite(contributor.share).clamp(0.0, 1.0) * 100.0).max(0.5)
            ),
            new: contributor.first_seen,
        };
        match groups.iter_mut().find(|group| group.dimension == dimension) {
            Some(group) => group.values.push(share),
            None => groups.push(Group {
                dimension,
                values: vec![share],
            }),
        }
    }
    groups
}

/// Names the techniques that the detectors' signals map to; others are shown by their id.
fn technique(id: &str) -> Technique {
    let name = match id {
        "T1496.004" => "Cloud Service Hijacking",
        "T1496" => "Resource Hijacking",
        "T1078.004" => "Valid Accounts: Cloud",
        "T1078" => "Valid Accounts",
        "T1526" => "Cloud Service Discovery",
        "T1528" => "Steal Application Access Token",
        "T1552.001" => "Credentials in Files",
        "T1199" => "Trusted Relationship",
        "T1098.001" => "Additional Cloud Credentials",
        "T1499" => "Endpoint Denial of Service",
        "AML.T0034" => "Cost Harvesting",
        "AML.T0012" => "Valid Accounts",
        "AML.T0040" => "AI Model Inference API Access",
        "AML.T0029" => "Denial of AI Service",
        "AML.T0055" => "Unsecured Credentials",
        _ => "",
    };
    // Only what has the exact form of an ATT&CK id becomes part of an address.
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let link = id.strip_prefix('T').and_then(|number| {
        let (main, sub) = number.split_once('.').unwrap_or((number, "0"));
        (digits(main) && digits(sub)).then(|| {
            format!(
                "https://attack.mitre.org/techniques/{}/",
                id.replace('.', "/")
            )
        })
    });
    Technique {
        id: visible(id),
        name,
        link,
    }
}

fn vendor_sentence(keys: u32, links: &Links) -> String {
    if links.shared_vendors.is_empty() {
        return match keys {
            1 => "The inventory names no vendor that this key is stored with.".to_owned(),
            _ => "No vendor holds all of these keys, as far as the inventory knows.".to_owned(),
        };
    }
    let vendors = visible(&links.shared_vendors.join(", "));
    let stored = match keys {
        1 => format!("The key is stored with {vendors}."),
        2 => format!("Both keys are stored with {vendors}."),
        keys => format!("All {keys} keys are stored with {vendors}."),
    };
    let linked = match links.linked_accounts.len() as u64 {
        0 => "No other account with an open incident has a key there.".to_owned(),
        count => format!(
            "{} with an open incident {} a key there too: {}. Suspect the vendor.",
            plural(count, "other account"),
            if count == 1 { "has" } else { "have" },
            visible(&links.linked_accounts.join(", "))
        ),
    };
    format!("{stored} {linked}")
}

fn responses(case: &Case) -> Vec<Response> {
    entities(&case.alerts)
        .into_iter()
        .map(|entity| Response {
            freeze: snippet::freeze(&entity, &case.incident.incident_id),
            undo: snippet::undo(&case.actions, &entity),
            states: case
                .actions
                .iter()
                .filter(|action| action.entity == entity)
                .map(|action| {
                    let state = action.state.as_str().replace('_', " ");
                    format!("{}: {state}", action.rung)
                })
                .collect(),
            key: visible(&entity.key),
        })
        .collect()
}

/// Everything that happened, the newest first. News carries event time, messages and actions
/// carry the wall clock.
fn timeline(case: &Case) -> Vec<Happening> {
    let mut timeline = Vec::new();
    let mut add = |time: Timestamp, kind, text: String| {
        timeline.push(Happening {
            time,
            when: to_the_second(time),
            kind,
            text: visible(&text),
        });
    };
    for revision in &case.revisions {
        let what = match (revision.revision, revision.ended) {
            (_, true) => "episode over",
            (0, false) => "first alert",
            (_, false) => "alert revised",
        };
        let text = format!(
            "{what} on {}: {}, {} lost, {}/h",
            revision.key_id,
            severity_word(revision.severity),
            money(revision.cost_so_far_usd),
            dollars(revision.burn_usd_per_hour),
        );
        add(revision.raised_at, "alert", text);
    }
    for delivery in &case.deliveries {
        let channel = &delivery.entry.channel;
        let number = delivery.entry.sequence + 1;
        let error = delivery.entry.last_error.as_deref().unwrap_or_default();
        let text = match delivery.state {
            DeliveryState::Sent => format!("message {number} sent to {channel}"),
            DeliveryState::Pending if error.is_empty() => {
                format!("message {number} to {channel} waits")
            }
            DeliveryState::Pending => {
                format!("message {number} to {channel} will be tried again: {error}")
            }
            DeliveryState::Dead => format!("message {number} to {channel} given up: {error}"),
            DeliveryState::Suppressed => {
                format!("message {number} to {channel} not sent: {error}")
            }
        };
        let time = delivery.finished_at.unwrap_or(delivery.entry.raised_at);
        add(time, "message", text);
    }
    for line in &case.audit {
        let text = format!("{} by {} ({})", line.event, line.actor, line.subject);
        add(line.time, "action", text);
    }
    // Stable: what has the same time stays in the order in which it was written.
    timeline.sort_by_key(|happening| std::cmp::Reverse(happening.time));
    timeline
}
