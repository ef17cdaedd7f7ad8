//! `spikewatch decode`.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use codec::{Decoded, Format};
use model::{DeadLetter, EventSink, Partition, Position, Records, Timestamp, UsageRow};

use crate::cli::DecodeArgs;
use crate::exit::Usage;
use crate::{decoding, files};

pub(crate) fn run(file: Option<&Path>, args: DecodeArgs) -> anyhow::Result<ExitCode> {
    let format: Option<Format> = args
        .format
        .as_deref()
        .map(str::parse)
        .transpose()
        .map_err(|err: codec::UnknownFormat| Usage(err.to_string()))?;
    let headers = headers(&args.header)?;
    let (_, mut codec) = decoding::codec_for_files(file)?;
    if let Some(format) = format {
        let names = args.files.iter().map(|path| path.display().to_string());
        codec = codec.with_formats(names.map(|name| (name, format)));
    }
    // `--now` bounds times from above as a record's own time does.
    let record_time = args.kafka_time.as_deref().or(args.now.as_deref());
    let record_time = record_time.map(time).transpose()?;
    let rejects: Box<dyn Write> = match &args.rejects {
        Some(path) => Box::new(files::create(path)?),
        None => Box::new(std::io::stderr()),
    };
    let mut sink = Lines {
        events: Box::new(std::io::stdout().lock()),
        rejects,
        rows: 0,
        rejected: 0,
        failed: None,
    };
    for path in &args.files {
        let payload = read(path)?;
        let name = path.display().to_string();
        let records = records(&name, &payload, record_time, &headers);
        let mut found = Found::default();
        for record in records.iter() {
            let decoded = codec.reader(records.partition()).read(&record, &mut sink);
            found.note(decoded, &mut sink);
        }
        eprintln!("{name}: {found}");
    }
    for unpriced in codec.unpriced() {
        eprintln!(
            "note: no price is known for {} of {}: {} tokens",
            unpriced.model, unpriced.provider, unpriced.tokens
        );
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

fn headers(typed: &[String]) -> anyhow::Result<Vec<(&str, &[u8])>> {
    typed
        .iter()
        .map(|header| {
            let (name, value) = header
                .split_once('=')
                .ok_or_else(|| Usage(format!("header \"{header}\" is not of the form K=V")))?;
            Ok((name, value.as_bytes()))
        })
        .collect()
}

/// A file of JSON documents, one a line, is one record a line; any other is one record.
fn records(
    name: &str,
    payload: &[u8],
    time: Option<Timestamp>,
    headers: &[(&str, &[u8])],
) -> Records {
    let mut records = Records::new(Partition::new(name, 0), 1);
    let mut push = |number, payload: &[u8]| {
        records.push_with_headers(number, time, payload, headers.iter().copied());
    };
    let is_json = |text: &[u8]| serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok();
    let begins_json = |line: &[u8]| matches!(line.first(), Some(b'{' | b'['));
    let lines = || {
        (1..)
            .zip(payload.split(|&byte| byte == b'\n'))
            .map(|(number, line)| (number, line.trim_ascii()))
            .filter(|(_, line)| !line.is_empty())
    };
    let many =
        lines().nth(1).is_some() && lines().next().is_some_and(|(_, line)| begins_json(line));
    if many && !is_json(payload) {
        lines().for_each(|(number, line)| push(number, line));
    } else if is_json(payload) {
        push(1, payload.trim_ascii());
    } else {
        push(1, payload);
    }
    records
}

/// What a file held.
#[derive(Default)]
struct Found {
    formats: BTreeMap<(&'static str, &'static str), u64>,
    rows: u64,
    rejected: u64,
}

impl Found {
    fn note(&mut self, decoded: Option<Decoded>, lines: &mut Lines) {
        if let Some(decoded) = decoded {
            let how = (decoded.format.name(), decoded.confidence.name());
            *self.formats.entry(how).or_default() += 1;
        }
        self.rows += std::mem::take(&mut lines.rows);
        self.rejected += std::mem::take(&mut lines.rejected);
    }
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let formats: Vec<String> = self
            .formats
            .iter()
            .map(|((format, confidence), _)| format!("{format} ({confidence})"))
            .collect();
        let formats = match formats.as_slice() {
            [] => "no known format".to_owned(),
            known => known.join(", "),
        };
        write!(
            f,
            "{formats}: {} events, {} rejected",
            self.rows, self.rejected
        )
    }
}

/// Writes rows and dead letters as they come.
struct Lines {
    events: Box<dyn Write>,
    rejects: Box<dyn Write>,
    rows: u64,
    rejected: u64,
    failed: Option<anyhow::Error>,
}

impl EventSink for Lines {
    fn row(&mut self, row: &UsageRow<'_>, _position: &Position) {
        self.rows += 1;
        let outcome = files::write_lines(&mut self.events, std::slice::from_ref(row));
        self.failed = self.failed.take().or(outcome.err());
    }

    fn dead_letter(&mut self, dead_letter: DeadLetter) {
        self.rejected += 1;
        let outcome = files::write_lines(&mut self.rejects, &[dead_letter]);
        self.failed = self.failed.take().or(outcome.err());
    }
}
