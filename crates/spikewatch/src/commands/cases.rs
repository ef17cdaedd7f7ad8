//! `spikewatch alerts`, `incidents`, `keys`, `audit`: the casebook from the terminal.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use casebook::{AlertFilter, Casebook};
use model::{Entity, KeyEntry, Timestamp};
use serde::{Deserialize, Serialize};

use crate::cli::{AuditArgs, AuditCommand, ListArgs};
use crate::{config, files, wiring};

async fn open(file: Option<&Path>) -> anyhow::Result<Casebook> {
    wiring::existing_casebook(&config::load(file)?).await
}

pub(crate) async fn alerts(file: Option<&Path>, args: ListArgs) -> anyhow::Result<ExitCode> {
    let casebook = open(file).await?;
    let filter = AlertFilter {
        limit: args.limit,
        ..AlertFilter::default()
    };
    let alerts = casebook.alerts(filter).await?;
    if args.json {
        return lines(&alerts);
    }
    for alert in &alerts {
        println!(
            "{}  {:8}  {:20}  {:24}  {:>12} {} for {:.2} expected  ${:.2} lost  since {}{}",
            alert.alert_id,
            alert.severity.as_str(),
            alert.account,
            alert.name(),
            format!("{:.2}", alert.observed),
            alert.metric.unit(),
            alert.expected,
            alert.cost_so_far_usd.to_usd(),
            alert.first_seen,
            if alert.ended { ", over" } else { "" },
        );
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn incidents(file: Option<&Path>, args: ListArgs) -> anyhow::Result<ExitCode> {
    let incidents = open(file).await?.incidents(args.limit).await?;
    if args.json {
        return lines(&incidents);
    }
    for incident in &incidents {
        println!(
            "{}  {:8}  {:20}  {} keys  ${:.2} lost  ${:.2}/h  since {}",
            incident.incident_id,
            incident.severity.as_str(),
            incident.account,
            incident.keys,
            incident.cost_so_far_usd.to_usd(),
            incident.burn_usd_per_hour,
            incident.first_seen,
        );
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn keys(file: Option<&Path>, args: ListArgs) -> anyhow::Result<ExitCode> {
    let casebook = open(file).await?;
    let keys = keys_and_standings(&casebook, args.limit).await?;
    if args.json {
        return lines(&keys);
    }
    if keys.is_empty() {
        eprintln!("no key is in the inventory, and the service has not written down any yet");
    }
    for key in &keys {
        println!("{}", key.line());
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the keys of the inventory and those that the service has seen, each once.
async fn keys_and_standings(casebook: &Casebook, limit: u32) -> anyhow::Result<Vec<KeyLine>> {
    let mut keys: BTreeMap<Entity, KeyLine> = BTreeMap::new();
    for (entity, standing) in casebook.standings(limit).await? {
        keys.entry(entity.clone())
            .or_insert_with(|| KeyLine::of(entity))
            .standing = Some(standing);
    }
    for entry in casebook.keys().await? {
        let entity = entry.entity();
        keys.entry(entity.clone())
            .or_insert_with(|| KeyLine::of(entity))
            .entry = Some(entry);
    }
    Ok(keys.into_values().take(limit as usize).collect())
}

/// What is known of one key.
#[derive(Debug, Serialize)]
struct KeyLine {
    #[serde(flatten)]
    entity: Entity,
    /// What the inventory says of it.
    #[serde(rename = "inventory")]
    entry: Option<KeyEntry>,
    /// How it stood when the service last wrote it down.
    standing: Option<Standing>,
}

/// As the service wrote it down; see `detector::Standing`.
#[derive(Debug, Serialize, Deserialize)]
struct Standing {
    known_since: Timestamp,
    class: String,
    feed_minutes: i64,
    families: Vec<FamilyStanding>,
}

#[derive(Debug, Serialize, Deserialize)]
struct FamilyStanding {
    family: String,
    judged: bool,
    because: String,
}

impl KeyLine {
    fn of(entity: Entity) -> Self {
        Self {
            entity,
            entry: None,
            standing: None,
        }
    }

    fn line(&self) -> String {
        let owner = self.entry.as_ref().and_then(|entry| entry.owner.as_deref());
        let standing = match &self.standing {
            None => "not seen by the service yet".to_owned(),
            Some(standing) => standing.words(),
        };
        format!(
            "{:20}  {:28}  {:12}  {:24}  {standing}",
            self.entity.account,
            self.entity.key,
            self.entity.provider,
            owner.unwrap_or("-"),
        )
    }
}

impl Standing {
    fn words(&self) -> String {
        let judged: Vec<&str> = self
            .families
            .iter()
            .filter(|family| family.judged)
            .map(|family| family.family.as_str())
            .collect();
        let waiting: Vec<String> = self
            .families
            .iter()
            .filter(|family| !family.judged)
            .map(|family| format!("{} ({})", family.family, family.because))
            .collect();
        format!(
            "{}, known since {}; judged by {}{}{}",
            self.class,
            self.known_since,
            if judged.is_empty() {
                "nothing".to_owned()
            } else {
                judged.join(", ")
            },
            if waiting.is_empty() { "" } else { "; not by " },
            waiting.join(", "),
        )
    }
}

pub(crate) async fn audit(file: Option<&Path>, args: AuditArgs) -> anyhow::Result<ExitCode> {
    let casebook = open(file).await?;
    if let Some(AuditCommand::Verify) = args.command {
        let count = casebook.verify_audit().await?;
        println!("{count} lines, the chain is whole");
        return Ok(ExitCode::SUCCESS);
    }
    let entries = casebook.audit(args.limit).await?;
    if args.json {
        return lines(&entries);
    }
    for entry in &entries {
        println!(
            "{:>6}  {}  {:16}  {:24}  {}  {}",
            entry.sequence, entry.time, entry.actor, entry.event, entry.subject, entry.details
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn lines<T: Serialize>(items: &[T]) -> anyhow::Result<ExitCode> {
    files::write_lines(&mut std::io::stdout().lock(), items)?;
    Ok(ExitCode::SUCCESS)
}
