//! The overview: what is open, and whether the service is well.

use askama::Template;
use casebook::{Casebook, Error, OpenTotals, OutboxCounts};
use model::{Incident, IncidentState, Timestamp};

use super::{Frame, INCIDENTS_MAX, account_name, severity_word};
use crate::format::{
    ago, clock_to_the_second, date_and_clock, day, dollars, grouped, money, number, plural, span,
    visible,
};
use crate::{UnpricedModel, Vitals};

/// One figure of the strip.
pub(super) struct Tile {
    label: &'static str,
    value: String,
    note: String,
    /// calm, warn or bad.
    tone: &'static str,
}

/// One incident in a table.
struct Row {
    id: String,
    account: String,
    severity: &'static str,
    lost: String,
    burn: String,
    keys: String,
    since: String,
    since_ago: String,
    news: String,
    news_ago: String,
}

/// What stands in place of an empty table.
struct Empty {
    heading: &'static str,
    text: String,
    commands: &'static [&'static str],
}

#[derive(Template)]
#[template(path = "overview.html")]
pub(super) struct Overview {
    frame: Frame,
    tiles: Vec<Tile>,
    headline: Option<String>,
    open: Vec<Row>,
    ended: Vec<Row>,
    cut: Option<String>,
    empty: Option<Empty>,
    last_error: Option<String>,
    unpriced: Option<String>,
    unreadable: Option<String>,
}

impl Overview {
    pub(super) async fn load(
        casebook: &Casebook,
        vitals: &Vitals,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let incidents = casebook.incidents(INCIDENTS_MAX).await?;
        let totals = casebook.open_totals().await?;
        let outbox = casebook.outbox_counts().await?;
        let rows = |state: IncidentState| -> Vec<Row> {
            incidents
                .iter()
                .filter(|incident| incident.state == state)
                .map(|incident| row(incident, now))
                .collect()
        };
        let shown = incidents.len() as u64;
        Ok(Self {
            frame: Frame::new("Incidents", vitals, now),
            tiles: tiles(vitals, outbox, now),
            headline: headline(totals),
            open: rows(IncidentState::Open),
            ended: rows(IncidentState::Ended),
            cut: (shown == u64::from(INCIDENTS_MAX)).then(|| {
                format!("Only the first {shown} incidents are shown; the API returns more.")
            }),
            empty: (totals.incidents == 0).then(|| empty(vitals)),
            last_error: vitals.last_error.as_deref().map(visible),
            unpriced: unpriced(&vitals.unpriced),
            unreadable: unreadable(&vitals.unreadable),
        })
    }
}

/// Says of which partitions next to nothing can be read.
fn unreadable(partitions: &[(String, i32)]) -> Option<String> {
    let names: Vec<String> = partitions
        .iter()
        .map(|(topic, partition)| format!("{}/{partition}", visible(topic)))
        .collect();
    (!names.is_empty()).then(|| {
        format!(
            "Next to none of the newest records of {} can be read, so nothing is detected there. Is \
             the topic's format right? The table dead_letters says why.",
            names.join(", ")
        )
    })
}

/// Says which models' usage has no cost, because nobody knows their price.
fn unpriced(models: &[UnpricedModel]) -> Option<String> {
    const NAMED: usize = 3;
    let tokens: u64 = models.iter().map(|model| model.tokens).sum();
    let mut names: Vec<String> = models
        .iter()
        .take(NAMED)
        .map(|model| match model.model.as_str() {
            "" => "calls that name no model".to_owned(),
            name => visible(name),
        })
        .collect();
    if models.len() > NAMED {
        names.push(format!("{} more", models.len() - NAMED));
    }
    (!models.is_empty()).then(|| {
        format!(
            "{} tokens since the start have neither a cost nor a price: {}. Their dollars are \
             unknown, not 0; prices.override_file can name a price.",
            grouped(tokens),
            names.join(", ")
        )
    })
}

fn row(incident: &Incident, now: Timestamp) -> Row {
    Row {
        id: incident.incident_id.to_string(),
        account: account_name(&incident.account),
        severity: severity_word(incident.severity),
        lost: money(incident.cost_so_far_usd),
        burn: dollars(incident.burn_usd_per_hour),
        keys: grouped(u64::from(incident.keys)),
        since: date_and_clock(incident.first_seen),
        since_ago: ago(now, incident.first_seen),
        news: date_and_clock(incident.last_seen),
        news_ago: ago(now, incident.last_seen),
    }
}

fn headline(totals: OpenTotals) -> Option<String> {
    (totals.incidents > 0).then(|| {
        format!(
            "{} on {}: {} lost so far, {} more every hour.",
            plural(totals.incidents, "open incident"),
            plural(totals.keys, "key"),
            money(totals.cost_so_far_usd),
            dollars(totals.burn_usd_per_hour),
        )
    })
}

fn tiles(vitals: &Vitals, outbox: OutboxCounts, now: Timestamp) -> Vec<Tile> {
    let tone = |bad: bool, tone: &'static str| if bad { tone } else { "calm" };
    let lag = match vitals.lag_records {
        Some(0) => ("0".to_owned(), "nothing left to read".to_owned()),
        Some(lag) => (grouped(lag), "records to read".to_owned()),
        None => ("unknown".to_owned(), "the feed has not said".to_owned()),
    };
    let watermark = match vitals.watermark {
        Some(watermark) => (
            clock_to_the_second(watermark),
            match ago(now, watermark) {
                ago if ago.is_empty() => format!("UTC, {}", day(watermark)),
                ago => format!("UTC, {}, {ago}", day(watermark)),
            },
        ),
        None => ("none yet".to_owned(), "no event has been read".to_owned()),
    };
    let checkpoint = match vitals.last_checkpoint {
        Some(time) => (
            span(now.millis().saturating_sub(time.millis())),
            "since the last".to_owned(),
        ),
        None => ("none yet".to_owned(), "a restart reads again".to_owned()),
    };
    vec![
        Tile {
            label: "Events",
            value: format!("{}/s", number(vitals.events_per_second)),
            note: format!("{} read", grouped(vitals.events)),
            tone: "calm",
        },
        Tile {
            label: "Keys watched",
            value: grouped(vitals.keys_tracked),
            note: format!("{} usage rows", grouped(vitals.rows)),
            tone: "calm",
        },
        Tile {
            label: "Watermark",
            value: watermark.0,
            note: watermark.1,
            tone: "calm",
        },
        Tile {
            label: "Lag",
            value: lag.0,
            note: lag.1,
            tone: tone(!vitals.caught_up, "warn"),
        },
        Tile {
            label: "Dead letters",
            value: grouped(vitals.dead_letters),
            note: plural(vitals.duplicates, "duplicate"),
            tone: tone(vitals.dead_letters > 0, "warn"),
        },
        Tile {
            label: "Messages",
            value: format!("{} sent", grouped(outbox.sent)),
            note: format!(
                "{} waiting, {} given up",
                grouped(outbox.pending),
                grouped(outbox.dead)
            ),
            tone: tone(outbox.dead > 0, "bad"),
        },
        Tile {
            label: "Checkpoint",
            value: checkpoint.0,
            note: checkpoint.1,
            tone: "calm",
        },
    ]
}

fn empty(vitals: &Vitals) -> Empty {
    // After a restart nothing may have been read yet, but the keys are known.
    if vitals.events == 0 && vitals.keys_tracked == 0 {
        return Empty {
            heading: "No usage has arrived yet",
            text: "Send usage events to the topic named in the configuration, or see a whole \
                   incident replayed first."
                .to_owned(),
            commands: &["spikewatch check", "spikewatch demo"],
        };
    }
    if !vitals.caught_up {
        return Empty {
            heading: "Reading the backlog",
            text: "Nobody is paged before everything that was in the log at the start has been \
                   read. Incidents found on the way appear here."
                .to_owned(),
            commands: &["spikewatch top"],
        };
    }
    Empty {
        heading: "No open incident",
        text: format!(
            "{} watched, and none is used beyond what is normal for it. See which keys are \
             judged yet, and test that a message would reach you.",
            match vitals.keys_tracked {
                1 => "1 key is".to_owned(),
                keys => format!("{} keys are", grouped(keys)),
            }
        ),
        commands: &["spikewatch keys", "spikewatch drill"],
    }
}
