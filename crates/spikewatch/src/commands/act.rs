//! `spikewatch act` and `spikewatch undo`.

use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use casebook::Casebook;
use model::{Action, ActionState, ActionStore, Clock, Entity, SystemClock};
use respond::Responder;

use crate::cli::{ActArgs, UndoArgs};
use crate::config::{self, Config};
use crate::exit::{Usage, WRONG_USE};
use crate::{process, wiring};

pub(crate) async fn act(file: Option<&Path>, args: ActArgs) -> anyhow::Result<ExitCode> {
    let config = config::load(file)?;
    let casebook = wiring::open_casebook(&config).await?;
    let responder = responder(&config, &casebook)?;
    let entity = find(&casebook, &args).await?;
    let connector = responder.connector(&entity, args.rung)?;
    let reversible = if connector.reversible(args.rung) {
        "can be undone"
    } else {
        "is final"
    };
    let question = format!(
        "{} key {} of account \"{}\" at {} through {} ({reversible})?",
        args.rung,
        entity.key,
        entity.account,
        entity.provider,
        connector.name(),
    );
    if let Some(code) = unconfirmed(&question, args.yes)? {
        return Ok(code);
    }
    let action = responder.request(args.rung, entity, &process::actor(), &args.reason);
    let action = responder.act(action).await?;
    tell(&action, args.json)
}

pub(crate) async fn undo(file: Option<&Path>, args: UndoArgs) -> anyhow::Result<ExitCode> {
    let config = config::load(file)?;
    let casebook = wiring::existing_casebook(&config).await?;
    let responder = responder(&config, &casebook)?;
    let Some(action) = casebook.find_action(&args.action).await? else {
        bail!("there is no action \"{}\"", args.action);
    };
    let question = format!(
        "undo {} of key {} of account \"{}\" at {}?",
        action.rung, action.entity.key, action.entity.account, action.entity.provider
    );
    if let Some(code) = unconfirmed(&question, args.yes)? {
        return Ok(code);
    }
    let action = responder
        .undo(&action.action_id, &process::actor(), &args.reason)
        .await?;
    tell(&action, args.json)
}

fn responder(config: &Config, casebook: &Casebook) -> anyhow::Result<Responder> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let connectors =
        respond::connectors(config.respond.clone(), &clock).context("set up [respond]")?;
    let store: Arc<dyn ActionStore> = Arc::new(casebook.clone());
    Ok(Responder::new(connectors, store, clock))
}

/// Finds the key meant: as typed, or by the inventory or the alerts where the id is not ambiguous.
async fn find(casebook: &Casebook, args: &ActArgs) -> anyhow::Result<Entity> {
    let fits = |given: &Option<String>, seen: &str| given.as_deref().is_none_or(|g| g == seen);
    let keys = casebook.keys().await?;
    let mut found: Vec<Entity> = keys
        .iter()
        .map(model::KeyEntry::entity)
        .filter(|entity| entity.key == args.key)
        .collect();
    let filter = casebook::AlertFilter {
        key: Some(args.key.clone()),
        ..Default::default()
    };
    found.extend(
        casebook
            .alerts(filter)
            .await?
            .iter()
            .map(model::Alert::entity),
    );
    found.retain(|e| fits(&args.provider, &e.provider) && fits(&args.account, &e.account));
    found.sort();
    found.dedup();
    match (found.as_slice(), &args.provider, &args.account) {
        ([only], _, _) => Ok(only.clone()),
        ([], Some(provider), Some(account)) => Ok(Entity {
            provider: provider.clone(),
            account: account.clone(),
            key: args.key.clone(),
        }),
        ([], _, _) => Err(Usage(format!(
            "key \"{}\" is neither in the inventory nor in an alert; name --provider and --account",
            args.key
        ))
        .into()),
        (several, _, _) => {
            let names: Vec<String> = several.iter().map(Entity::to_string).collect();
            let message = format!("key \"{}\" is ambiguous: {}", args.key, names.join(", "));
            Err(Usage(message).into())
        }
    }
}

/// Asks; returns the code to end with where the answer is not yes.
pub(crate) fn unconfirmed(question: &str, yes: bool) -> anyhow::Result<Option<ExitCode>> {
    if yes {
        return Ok(None);
    }
    if !std::io::stdin().is_terminal() {
        eprintln!(
            "error: not asked, because there is no terminal; say --yes to confirm\n{question}"
        );
        return Ok(Some(ExitCode::from(WRONG_USE)));
    }
    eprint!("{question} [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    if matches!(answer.trim().to_lowercase().as_str(), "y" | "yes") {
        return Ok(None);
    }
    eprintln!("nothing was done");
    Ok(Some(ExitCode::from(WRONG_USE)))
}

fn tell(action: &Action, json: bool) -> anyhow::Result<ExitCode> {
    if json {
        println!("{}", serde_json::to_string(action)?);
    } else {
        println!(
            "{} {} {}: {}",
            action.action_id,
            action.rung,
            action.entity,
            action.state.as_str()
        );
        if let Some(error) = &action.last_error {
            println!("{error}");
        }
        if matches!(action.state, ActionState::Verified | ActionState::Applied) {
            println!("to undo: spikewatch undo {}", action.action_id);
        }
    }
    let done = [
        ActionState::Verified,
        ActionState::Applied,
        ActionState::AlreadyGone,
        ActionState::Undone,
    ];
    Ok(if done.contains(&action.state) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
