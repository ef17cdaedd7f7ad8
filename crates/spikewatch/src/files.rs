//! Files of events, an inventory, lines of JSON.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use anyhow::{Context, bail};
use columns::Format;
use model::{Inventory, Partition, Records, TextField};
use serde::Serialize;

/// Lines of one batch.
const BATCH_LINES: usize = 8192;

/// The longest line that is read; a longer one is a dead letter by its length.
const MAX_LINE_BYTES: u64 = 8 << 20;

/// Opens a file to write, whole or not at all being the caller's matter.
pub(crate) fn create(path: &Path) -> anyhow::Result<BufWriter<File>> {
    let file = File::create(path).with_context(|| format!("create \"{}\"", path.display()))?;
    Ok(BufWriter::new(file))
}

/// Writes one JSON object a line.
pub(crate) fn write_lines<T: Serialize>(out: &mut dyn Write, items: &[T]) -> anyhow::Result<()> {
    for item in items {
        serde_json::to_writer(&mut *out, item)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// Reads a secret of ours, or makes one of 64 hex digits that only its owner can read; `what` names
/// it where it cannot be used.
pub(crate) fn own_secret(path: &Path, what: &str) -> anyhow::Result<String> {
    use std::os::unix::fs::OpenOptionsExt;
    let failed = || format!("use {what} \"{}\"", path.display());
    if !path.exists() {
        let mut random = [0u8; 32];
        let mut source = File::open("/dev/urandom").with_context(failed)?;
        std::io::Read::read_exact(&mut source, &mut random).with_context(failed)?;
        // Half of a secret would stop every start to come: it is whole, or it is not there.
        let unfinished = path.with_extension("unfinished");
        let mut file = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&unfinished)
            .with_context(failed)?;
        file.write_all(hex::encode(random).as_bytes())
            .with_context(failed)?;
        file.sync_all().with_context(failed)?;
        std::fs::rename(&unfinished, path).with_context(failed)?;
        if let Some(folder) = path.parent().filter(|folder| folder.is_dir()) {
            File::open(folder)
                .and_then(|folder| folder.sync_all())
                .with_context(failed)?;
        }
    }
    let text = std::fs::read_to_string(path).with_context(failed)?;
    let text = text.trim();
    if text.len() < 32 {
        bail!(
            "{what} \"{}\" is shorter than 32 characters",
            path.display()
        );
    }
    Ok(text.to_owned())
}

/// Reads an inventory.
pub(crate) fn inventory(path: &Path) -> anyhow::Result<Inventory> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("read inventory \"{}\"", path.display()))?;
    serde_json::from_str(&text)
        .with_context(|| format!("understand inventory \"{}\"", path.display()))
}

/// Calls `each` with batches of a file's records: a line is a record, its number the offset.
pub(crate) fn read_events(
    path: &Path,
    each: &mut dyn FnMut(Records) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    if path.extension().is_some_and(|ending| ending == "parquet") {
        return read_parquet(path, each);
    }
    let file = File::open(path).with_context(|| format!("open \"{}\"", path.display()))?;
    read_lines(
        &path.display().to_string(),
        &mut BufReader::with_capacity(1 << 20, file),
        each,
    )
}

/// The same for anything that has lines.
pub(crate) fn read_lines(
    name: &str,
    input: &mut dyn BufRead,
    each: &mut dyn FnMut(Records) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let partition = Partition::new(name, 0);
    let mut records = Records::new(partition.clone(), 1);
    let (mut line, mut number) = (Vec::new(), 0i64);
    loop {
        line.clear();
        let read = std::io::Read::take(&mut *input, MAX_LINE_BYTES)
            .read_until(b'\n', &mut line)
            .with_context(|| format!("read \"{name}\""))?;
        if read == 0 {
            break;
        }
        if line.last() != Some(&b'\n') && read as u64 == MAX_LINE_BYTES {
            skip_line(input).with_context(|| format!("read \"{name}\""))?;
        }
        number += 1;
        let payload = line.trim_ascii();
        if payload.is_empty() {
            continue;
        }
        records.push(number, None, payload);
        if records.len() >= BATCH_LINES {
            let next = Records::new(partition.clone(), records.next_offset());
            each(std::mem::replace(&mut records, next))?;
        }
    }
    if records.is_empty() {
        Ok(())
    } else {
        each(records)
    }
}

fn skip_line(input: &mut dyn BufRead) -> std::io::Result<()> {
    loop {
        let buffer = input.fill_buf()?;
        let (used, done) = match buffer.iter().position(|&byte| byte == b'\n') {
            Some(at) => (at + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        input.consume(used);
        if done {
            return Ok(());
        }
    }
}

/// A Parquet row becomes the JSON of a native event, under the names of the wire.
fn read_parquet(
    path: &Path,
    each: &mut dyn FnMut(Records) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let partition = Partition::new(path.display().to_string(), 0);
    let mut number = 0i64;
    for batch in history::read_parquet(path)? {
        let batch = batch?;
        let schema = batch.schema();
        let names: Vec<String> = schema
            .fields()
            .iter()
            .map(|field| wire_name(field.name()).to_owned())
            .collect();
        if !names.iter().any(|name| name == "time") {
            bail!("\"{}\" has no column time or event_time", path.display());
        }
        let batch = columns::renamed(&batch, &names)?;
        let mut lines = Vec::new();
        columns::write_batches(&mut lines, Format::Json, &batch.schema(), &[batch])?;
        let mut records = Records::new(partition.clone(), number + 1);
        for line in lines
            .split(|&byte| byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            number += 1;
            records.push(number, None, line);
        }
        each(records)?;
    }
    Ok(())
}

/// Returns the wire's name of an SQL column.
fn wire_name(column: &str) -> &str {
    match column {
        "event_time" => "time",
        "event_time_start" => "time_start",
        "event_time_end" => "time_end",
        _ => TextField::ALL
            .iter()
            .find(|field| field.sql_name() == column)
            .map_or(column, |field| field.name()),
    }
}
