//! `spikewatch erase`: what is to be forgotten, in old versions of history too.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use casebook::AuditEvent;
use history::{Erasure, Upkeep};
use serde_json::json;

use crate::cli::EraseArgs;
use crate::commands::act;
use crate::{config, process, wiring};

pub(crate) async fn run(file: Option<&Path>, args: EraseArgs) -> anyhow::Result<ExitCode> {
    let config = config::load(file)?;
    let casebook = wiring::existing_casebook(&config).await?;
    let (erasure, subject) = match (args.key, args.user) {
        (Some(key_id), _) => {
            let subject = format!("key {key_id}");
            let account = args.account;
            (Erasure::Key { key_id, account }, subject)
        }
        (None, user) => {
            let user = user.context("say whose rows: --key or --user")?;
            // The audit is kept for ever: it says that a person was erased, and not who.
            (Erasure::User(user), "a person".to_owned())
        }
    };
    let question = format!("erase all usage history of {subject}, old versions too?");
    if let Some(code) = act::unconfirmed(&question, args.yes)? {
        return Ok(code);
    }
    let upkeep = Upkeep::new(
        &config.history_url(),
        config.history.clone(),
        &config.spill_dir(),
    )?;
    let actor = process::actor();
    let note = async |event: &str, details: serde_json::Value| {
        let event = AuditEvent {
            time: process::now(),
            actor: &actor,
            event,
            subject: &subject,
            details: &details,
        };
        casebook.note(&event).await.context("write the audit")
    };
    note("history.erase", json!({ "reason": args.reason })).await?;
    let report = upkeep.erase(&erasure).await.context("erase history")?;
    note("history.erased", json!({ "rows": report.rows_erased })).await?;
    println!(
        "{} rows erased from {} files; {} files deleted",
        report.rows_erased, report.files_removed, report.files_deleted
    );
    eprintln!(
        "what Kafka still has of it, and alerts that were raised, are not touched; see docs/sql.md"
    );
    Ok(ExitCode::SUCCESS)
}
