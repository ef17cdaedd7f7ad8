//! `spikewatch alerts`, `incidents`, `keys`, `audit`: the casebook from the terminal.

use std::path::Path;
use std::process::ExitCode;

use casebook::{AlertFilter, Casebook};
use columns::{Format, Table, TableSource};
use serde::Serialize;

use crate::casebook_tables::CasebookTable;
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
            alert.key_id,
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
    if args.json {
        return lines(&casebook.keys().await?);
    }
    let table = CasebookTable {
        casebook,
        table: Table::Keys,
    };
    let batches = table.batches().await?;
    let mut out = std::io::stdout().lock();
    columns::write_batches(&mut out, Format::Table, &table.schema(), &batches)?;
    Ok(ExitCode::SUCCESS)
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
