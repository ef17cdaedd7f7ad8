//! `spikewatch erase`: what is to be forgotten, in old versions of history too.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use casebook::AuditEvent;
use columns::HistoryReader;
use history::{Erasure, Lake, Upkeep};
use model::Entity;
use serde_json::json;

use crate::cli::EraseArgs;
use crate::commands::act;
use crate::{config, lake, process, wiring};

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
    if let Erasure::Key { key_id, account } = &erasure {
        // Who forgets needs the whole name: provider and account too.
        let lake = lake::open(&config, &casebook)?;
        let keys = callers(&lake, key_id, account.as_deref()).await?;
        casebook.put_erased(&keys, process::now()).await?;
    }
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

/// Returns who used a key, as history knows it.
async fn callers(lake: &Lake, key_id: &str, account: Option<&str>) -> anyhow::Result<Vec<Entity>> {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let of_account = account.map(|account| format!(" AND account = {}", quoted(account)));
    let statement = format!(
        "SELECT DISTINCT coalesce(provider, ''), coalesce(account, '') FROM (\
           SELECT provider, account, key_id FROM usage_events \
           UNION ALL SELECT provider, account, key_id FROM calls_1h \
           UNION ALL SELECT provider, account, key_id FROM cost_events \
           UNION ALL SELECT provider, account, key_id FROM key_events \
           UNION ALL SELECT provider, account, key_id FROM keys\
         ) WHERE key_id = {}{}",
        quoted(key_id),
        of_account.unwrap_or_default(),
    );
    let found = lake.query(&statement).await;
    let mut entities = Vec::new();
    for batch in found.context("look for the key in history")? {
        for row in 0..batch.num_rows() {
            let names = columns::texts(&batch.slice(row, 1))?;
            let mut names = names.into_iter().map(Option::unwrap_or_default);
            entities.push(Entity {
                provider: names.next().unwrap_or_default(),
                account: names.next().unwrap_or_default(),
                key: key_id.to_owned(),
            });
        }
    }
    Ok(entities)
}
