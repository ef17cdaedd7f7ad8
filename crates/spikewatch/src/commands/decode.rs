//! `spikewatch decode`.

use std::io::{Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use codec::{Codec, FingerprintSecret};
use model::{DeadLetter, EventSink, Partition, Position, Records, Timestamp, UsageRow};

use crate::cli::DecodeArgs;
use crate::exit::Usage;
use crate::{config, files, networks, wiring};

pub(crate) fn run(file: Option<&Path>, args: DecodeArgs) -> anyhow::Result<ExitCode> {
    if args.format != "native" {
        let message = format!("unknown format \"{}\"; known: native", args.format);
        return Err(Usage(message).into());
    }
    if let Some(header) = args.header.iter().find(|header| !header.contains('=')) {
        return Err(Usage(format!("header \"{header}\" is not of the form K=V")).into());
    }
    let (networks, secret) = match config::load_or_default(file)? {
        Some(config) => (
            networks::open(&config)?,
            wiring::fingerprint_secret(&config.fingerprint_secret_file())?,
        ),
        None => {
            eprintln!("note: without --config keys are fingerprinted with the public test secret");
            (Arc::default(), FingerprintSecret::public_test_secret())
        }
    };
    // `--now` bounds times from above as a record's own time does.
    let record_time = args.kafka_time.as_deref().or(args.now.as_deref());
    let record_time = record_time.map(time).transpose()?;
    let codec = Codec::new(secret).with_networks(networks);
    let rejects: Box<dyn Write> = match &args.rejects {
        Some(path) => Box::new(files::create(path)?),
        None => Box::new(std::io::stderr()),
    };
    let mut sink = Lines {
        events: Box::new(std::io::stdout().lock()),
        rejects,
        failed: None,
    };
    for path in &args.files {
        let payload = read(path)?;
        let name = path.display().to_string();
        for record in records(&name, &payload, record_time) {
            codec.decode(&record, &mut sink);
        }
    }
    if let Some(err) = sink.failed.take() {
        return Err(err).context("write the result");
    }
    sink.events.flush()?;
    sink.rejects.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn time(text: &str) -> anyhow::Result<Timestamp> {
    Timestamp::parse(text).map_err(|err| Usage(format!("\"{text}\" is {err}")).into())
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    if path == Path::new("-") {
        let mut payload = Vec::new();
        std::io::stdin()
            .read_to_end(&mut payload)
            .context("read stdin")?;
        return Ok(payload);
    }
    std::fs::read(path).with_context(|| format!("read \"{}\"", path.display()))
}

/// One document is one record; otherwise each line is one.
fn records(name: &str, payload: &[u8], time: Option<Timestamp>) -> Vec<Records> {
    let mut records = Records::new(Partition::new(name, 0), 1);
    let whole = serde_json::from_slice::<serde::de::IgnoredAny>(payload).is_ok();
    let lines = payload
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.trim_ascii().is_empty());
    if whole || lines.clone().nth(1).is_none() {
        records.push(1, time, payload.trim_ascii());
    } else {
        for (number, line) in (1..).zip(payload.split(|&byte| byte == b'\n')) {
            if !line.trim_ascii().is_empty() {
                records.push(number, time, line.trim_ascii());
            }
        }
    }
    vec![records]
}

/// Writes rows and dead letters as they come.
struct Lines {
    events: Box<dyn Write>,
    rejects: Box<dyn Write>,
    failed: Option<anyhow::Error>,
}

impl EventSink for Lines {
    fn row(&mut self, row: &UsageRow<'_>, _position: &Position) {
        let outcome = files::write_lines(&mut self.events, std::slice::from_ref(row));
        self.failed = self.failed.take().or(outcome.err());
    }

    fn dead_letter(&mut self, dead_letter: DeadLetter) {
        let outcome = files::write_lines(&mut self.rejects, &[dead_letter]);
        self.failed = self.failed.take().or(outcome.err());
    }
}
