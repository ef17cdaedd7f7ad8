//! `spikewatch check`.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use ingest::{KafkaSink, KafkaSource};

use crate::cli::CheckArgs;
use crate::config::{self, CasebookPlace, Config};
use crate::{decoding, files, gateway_process, networks, polling, wiring};

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was looked at, and how that went.
type Check = (String, Result<String, String>);

pub(crate) async fn run(file: Option<&Path>, args: CheckArgs) -> anyhow::Result<ExitCode> {
    let config = config::load(file)?;
    let local = local(&config)?;
    let name = config::find(file).unwrap_or_default();
    println!("ok    {} is understood", name.display());
    let mut failures = 0;
    let mut say = |what: String, outcome: Result<String, String>| match outcome {
        Ok(text) => println!("ok    {what}: {text}"),
        Err(text) => {
            failures += 1;
            println!("fail  {what}: {text}");
        }
    };
    for (what, outcome) in local {
        say(what, outcome);
    }
    if !args.no_environment {
        for channel in notify::channels(config.notify.clone()).unwrap_or_default() {
            let outcome = channel.probe().await;
            say(
                format!("notify.{}", channel.name()),
                outcome
                    .map(|()| "reached".to_owned())
                    .map_err(|err| err.to_string()),
            );
        }
        reach_kafka(&config, &mut say).await;
        reach_history(&config, &mut say).await;
        reach_casebook(&config, &mut say).await?;
        reach_providers(&config, &mut say).await?;
    }
    if failures > 0 {
        eprintln!("error: {failures} of the checks failed");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// Checks all of a configuration that can be checked without another machine.
///
/// # Errors
/// Where a file that it names cannot be used.
pub(crate) fn local(config: &Config) -> anyhow::Result<Vec<Check>> {
    let networks = networks::open(config)?;
    decoding::codec(config)?;
    wiring::schema_registry(config)?;
    let mut checks = Vec::new();
    if let Some(inventory) = &config.inventory.file {
        let outcome = files::inventory(inventory)
            .map(|inventory| format!("{} keys", inventory.keys.len()))
            .map_err(|err| format!("{err:#}"));
        checks.push((format!("inventory {}", inventory.display()), outcome));
    }
    let described = networks::described(&networks);
    checks.extend(described.into_iter().map(|(key, text)| (key, Ok(text))));
    let kafka = KafkaSource::check(&config.kafka);
    let topics: Vec<String> = config
        .kafka
        .topics
        .iter()
        .map(|topic| topic.name().to_owned())
        .collect();
    let topics = format!("topics {}", listed(&topics));
    checks.push((
        "kafka".to_owned(),
        kafka.map(|()| topics).map_err(|err| chain(&err)),
    ));
    if let Some(gateway) = gateway_process::configured(config) {
        let outcome = gateway.check().map_err(|err| chain(&err));
        let addresses = [
            gateway
                .listen
                .map(|address| format!("{address} for PostgreSQL")),
            gateway
                .flight_listen
                .map(|address| format!("{address} for Flight SQL")),
        ];
        let listen: Vec<String> = addresses.into_iter().flatten().collect();
        let listen = format!("will listen on {}", listen.join(", on "));
        checks.push(("sql".to_owned(), outcome.map(|()| listen)));
    }
    let channels = notify::channels(config.notify.clone());
    let channels = channels.map(|channels| listed(&wiring::channel_names(&channels)));
    checks.push(("notify".to_owned(), channels.map_err(|err| chain(&err))));
    let clock: std::sync::Arc<dyn model::Clock> = std::sync::Arc::new(model::SystemClock);
    let connectors = respond::connectors(config.respond.clone(), &clock).map(|connectors| {
        let names = connectors.iter().map(|connector| connector.name());
        listed(&names.map(str::to_owned).collect::<Vec<_>>())
    });
    checks.push(("respond".to_owned(), connectors.map_err(|err| chain(&err))));
    Ok(checks)
}

/// Looks for the lake where it is not on a disk of this machine.
async fn reach_history(config: &Config, say: &mut impl FnMut(String, Result<String, String>)) {
    let Some(url) = config.history.url.as_deref() else {
        return;
    };
    if !url.contains("://") || url.starts_with("file:") {
        return;
    }
    let outcome = match tokio::time::timeout(PATIENCE, history::reach(url)).await {
        Ok(Ok(true)) => Ok("reached".to_owned()),
        Ok(Ok(false)) => Ok("reached; run makes its tables".to_owned()),
        Ok(Err(err)) => Err(chain(&err)),
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    };
    say(format!("history {url}"), outcome);
}

/// Reaches the server of the casebook, if it is on one.
async fn reach_casebook(
    config: &Config,
    say: &mut impl FnMut(String, Result<String, String>),
) -> anyhow::Result<()> {
    let CasebookPlace::Server(url) = config.casebook()? else {
        return Ok(());
    };
    let reached = casebook::Casebook::reach(url.expose());
    let outcome = match tokio::time::timeout(PATIENCE, reached).await {
        Ok(Ok(true)) => Ok("reached".to_owned()),
        Ok(Ok(false)) => Ok("reached; run makes its tables".to_owned()),
        Ok(Err(err)) => Err(err.chain()),
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    };
    say("casebook".to_owned(), outcome);
    Ok(())
}

/// Asks each feed that is polled for its smallest page.
async fn reach_providers(
    config: &Config,
    say: &mut impl FnMut(String, Result<String, String>),
) -> anyhow::Result<()> {
    let mut poll = config.poll.clone();
    poll.openai.limits.max_attempts = 1;
    poll.anthropic.limits.max_attempts = 1;
    if !poll.openai.enabled && !poll.anthropic.enabled {
        return Ok(());
    }
    let sink = std::sync::Arc::new(KafkaSink::open(&config.kafka)?);
    let casebook = casebook::Casebook::in_memory().await?;
    for mut poller in polling::pollers(config, &poll, sink, &casebook)? {
        for (feed, outcome) in poller.probe().await {
            let outcome = outcome.map(|()| "reached".to_owned());
            say(
                format!("poll {feed}"),
                outcome.map_err(|err| err.to_string()),
            );
        }
    }
    Ok(())
}

async fn reach_kafka(config: &Config, say: &mut impl FnMut(String, Result<String, String>)) {
    let kafka = config.kafka.clone();
    let probed = tokio::task::spawn_blocking(move || KafkaSink::probe(&kafka, PATIENCE)).await;
    match probed {
        Ok(Ok(topics)) => {
            for (topic, partitions) in topics {
                let text = match partitions {
                    0 => "does not exist yet; run waits for it".to_owned(),
                    1 => "1 partition".to_owned(),
                    many => format!("{many} partitions"),
                };
                say(format!("kafka topic {topic}"), Ok(text));
            }
        }
        Ok(Err(err)) => say("kafka".to_owned(), Err(err.to_string())),
        Err(err) => say("kafka".to_owned(), Err(err.to_string())),
    }
}

fn listed(names: &[String]) -> String {
    if names.is_empty() {
        "none configured".to_owned()
    } else {
        names.join(", ")
    }
}

fn chain(err: &dyn std::error::Error) -> String {
    let mut text = err.to_string();
    let mut source = err.source();
    while let Some(err) = source {
        text.push_str(&format!(": {err}"));
        source = err.source();
    }
    text
}
