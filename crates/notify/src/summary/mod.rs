//! What a notice says, in sentences, once for every channel.
//!
//! Every text here is clean: one line, cut, with nothing in it that could steer a mail
//! program or a terminal. Channels add only their own markup.

mod key;

use std::collections::BTreeSet;

use model::{Alert, EntityLevel, Incident, IncidentState, Metric, Notice, Severity};

pub(crate) use key::KeySummary;
use key::key_name;

use crate::shell::freeze_command;
use crate::text::{
    NAME_CHARS, capital, clean, count, listed, minute, plural, times, usd, value, value_and_unit,
};

const MAX_LISTED: usize = 12;

/// Which ledger the figures are from, so that nobody compares them with an invoice.
pub(crate) const LEDGER: &str =
    "Figures are computed from usage events seen by Spikewatch, not the provider's bill.";

/// A notice in sentences.
#[derive(Clone, Debug)]
pub(crate) struct Summary {
    /// A short title with severity and account, for where there is no subject line.
    pub(crate) title: String,
    /// What is going on, in one sentence.
    pub(crate) verdict: String,
    /// How much it asks of a person.
    pub(crate) severity: Severity,
    /// The tenant.
    pub(crate) account: String,
    /// Money above what was expected, so far.
    pub(crate) lost: String,
    /// Money above what was expected, per hour.
    pub(crate) burn: String,
    /// What acting now is worth.
    pub(crate) saving: Option<String>,
    /// The keys, the worst first.
    pub(crate) keys: Vec<KeySummary>,
    /// How many more alerts the message has no room for.
    pub(crate) keys_left_out: usize,
    /// What the keys have in common.
    pub(crate) vendors: Option<String>,
    /// What to do, besides the commands.
    pub(crate) steps: Vec<String>,
    /// The exact commands, one for each key.
    pub(crate) commands: Vec<String>,
    /// Where the incident can be looked at.
    pub(crate) link: Option<String>,
    /// The incident's id.
    pub(crate) incident_id: String,
    /// Which telling of the incident this is.
    pub(crate) telling: String,
    /// The reference of this message, the same for every attempt.
    pub(crate) reference: String,
}

impl Summary {
    /// Puts `notice` into sentences, with at most `max_keys` keys in full.
    pub(crate) fn of(notice: &Notice, max_keys: usize) -> Self {
        let incident = &notice.incident;
        let account = named(&incident.account, "an unnamed account");
        let over = incident.state == IncidentState::Ended;
        let shown = notice.alerts.iter().take(max_keys);
        Self {
            title: title(incident, &account),
            verdict: verdict(notice, &account),
            severity: incident.severity,
            lost: format!(
                "{} more than expected",
                usd(incident.cost_so_far_usd.to_usd())
            ),
            burn: burn(incident.burn_usd_per_hour, over),
            saving: (!over && incident.burn_usd_per_hour >= 0.005).then(|| {
                let saved = usd(incident.burn_usd_per_hour);
                format!("acting now saves about {saved} in the next hour")
            }),
            keys: shown.clone().map(KeySummary::of).collect(),
            keys_left_out: notice.alerts.len().saturating_sub(max_keys),
            vendors: vendors(notice),
            steps: steps(notice, over),
            commands: commands(shown, incident),
            link: notice.link.as_deref().and_then(checked_link),
            incident_id: clean(incident.incident_id.as_str(), NAME_CHARS),
            telling: match notice.sequence {
                0 => "first message".to_owned(),
                sequence => format!("update {sequence}"),
            },
            reference: clean(&notice.idempotency_key, NAME_CHARS),
            account,
        }
    }
}

fn title(incident: &Incident, account: &str) -> String {
    let severity = incident.severity.as_str();
    match incident.state {
        IncidentState::Open => {
            format!("{}: unusual API key usage at {account}", capital(severity))
        }
        IncidentState::Ended => {
            format!("Over (was {severity}): unusual API key usage at {account}")
        }
    }
}

fn verdict(notice: &Notice, account: &str) -> String {
    let incident = &notice.incident;
    let prefix = match incident.state {
        IncidentState::Open => capital(incident.severity.as_str()),
        IncidentState::Ended => format!("Over (was {})", incident.severity.as_str()),
    };
    let since = minute(incident.first_seen);
    let Some(worst) = notice.alerts.first() else {
        let keys = plural(incident.keys as usize, "key");
        return format!("{prefix}: unusual usage of {keys} of {account}, since {since}.");
    };
    let (metric, observed) = (worst.metric, value_and_unit(worst.metric, worst.observed));
    let factor = worst
        .factor()
        .map(|factor| format!(", {} as much", times(factor)));
    let seen = format!(
        "{} {observed} where {} expected{}",
        verb(metric),
        match worst.factor() {
            Some(_) => format!("about {} {}", value(metric, worst.expected), were(metric)),
            None => "nothing was".to_owned(),
        },
        factor.unwrap_or_default()
    );
    let keys = (incident.keys as usize).max(1);
    if keys == 1 {
        format!(
            "{prefix}: key {} of {account} {seen}, since {since}.",
            key_name(worst)
        )
    } else {
        format!(
            "{prefix}: {keys} keys of {account} are used far above their normal since {since}; \
             the worst, {}, {seen}.",
            key_name(worst)
        )
    }
}

fn vendors(notice: &Notice) -> Option<String> {
    if notice.shared_vendors.is_empty() {
        return None;
    }
    let vendors = names(&notice.shared_vendors);
    let stored = match notice.incident.keys {
        0 | 1 => format!("The key is stored with {vendors}"),
        2 => format!("Both keys are stored with {vendors}"),
        keys => format!("All {keys} keys are stored with {vendors}"),
    };
    Some(match notice.linked_accounts.as_slice() {
        [] => format!("{stored}; no other account with a key there is hit so far."),
        accounts => format!("{stored}; other accounts hit: {}.", names(accounts)),
    })
}

fn steps(notice: &Notice, over: bool) -> Vec<String> {
    let owners: BTreeSet<String> = notice
        .alerts
        .iter()
        .filter_map(|alert| alert.owner.as_deref())
        .map(|owner| clean(owner, NAME_CHARS))
        .filter(|owner| !owner.is_empty())
        .collect();
    let owners: Vec<String> = owners.into_iter().collect();
    let mut steps = vec![match owners.as_slice() {
        [] => "Find out who uses the key; the inventory names no owner.".to_owned(),
        owners => format!("Ask {} whether this usage is theirs.", names(owners)),
    }];
    steps.push(if over {
        "The usage is back to normal, which does not make a stolen key safe: if nobody can \
         explain it, freeze the key and replace it."
            .to_owned()
    } else {
        "If nobody can explain it, freeze the key now. A freeze can be undone with \
         \"spikewatch undo\"."
            .to_owned()
    });
    if !notice.shared_vendors.is_empty() {
        steps.push(
            "Removing a key from the vendor does not stop it at the provider: do both.".to_owned(),
        );
    }
    steps
}

/// One command for each key, even if it has two episodes.
fn commands<'a>(alerts: impl Iterator<Item = &'a Alert>, incident: &Incident) -> Vec<String> {
    let mut seen = BTreeSet::new();
    // What has no key cannot be frozen.
    alerts
        .filter(|alert| alert.entity_level == EntityLevel::Key)
        .map(Alert::entity)
        .filter(|entity| seen.insert(entity.clone()))
        .filter_map(|entity| freeze_command(&entity, &incident.incident_id))
        .collect()
}

/// An address that is shown as a link: HTTP, printable ASCII, nothing that ends an attribute.
fn checked_link(link: &str) -> Option<String> {
    let is_http = link.starts_with("https://") || link.starts_with("http://");
    let is_harmless = link
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !b"\"'<>`\\|{}^".contains(&byte));
    (is_http && is_harmless && link.len() <= 2_000).then(|| link.to_owned())
}

const fn verb(metric: Metric) -> &'static str {
    match metric {
        Metric::Requests => "made",
        Metric::Tokens => "used",
        Metric::Cost => "spent",
    }
}

const fn were(metric: Metric) -> &'static str {
    match metric {
        Metric::Requests | Metric::Tokens => "were",
        Metric::Cost => "was",
    }
}

fn burn(usd_per_hour: f64, over: bool) -> String {
    if over {
        "nothing is burning now".to_owned()
    } else if usd_per_hour >= 0.005 {
        format!("{} an hour now", usd(usd_per_hour))
    } else {
        "no measurable cost per hour now".to_owned()
    }
}

fn named(text: &str, otherwise: &str) -> String {
    let text = clean(text, NAME_CHARS);
    if text.is_empty() {
        otherwise.to_owned()
    } else {
        text
    }
}

fn names(words: &[String]) -> String {
    let mut shown: Vec<String> = words
        .iter()
        .take(MAX_LISTED)
        .map(|word| named(word, "unnamed"))
        .collect();
    if words.len() > MAX_LISTED {
        shown.push(format!("{} more", count((words.len() - MAX_LISTED) as f64)));
    }
    listed(&shown)
}
