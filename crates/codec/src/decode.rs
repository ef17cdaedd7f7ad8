//! Records to rows and dead letters.

use std::borrow::Cow;
use std::sync::Arc;

use model::{
    DeadLetter, EventSink, Partition, Position, Quality, Reason, Record, Records, TextField,
    Timestamp, UsageRow,
};

use crate::dead_letter::{cut, kept_payload};
use crate::native::{self, Rejection};
use crate::{FingerprintSecret, Networks, Redactor};

/// The longest payload that is read, in bytes.
pub const MAX_PAYLOAD_BYTES: usize = 1 << 20;

/// How far an event's time may be ahead of its record's, in milliseconds.
const MAX_AHEAD_MILLIS: i64 = 5 * Timestamp::MINUTE;

/// The longest text that is kept of a field, in bytes.
const MAX_TEXT_BYTES: usize = 4096;

/// Decodes the records of one installation.
#[derive(Clone, Debug)]
pub struct Codec {
    secret: FingerprintSecret,
    networks: Arc<Networks>,
}

impl Codec {
    /// Makes a codec whose fingerprints are keyed by `secret`.
    pub fn new(secret: FingerprintSecret) -> Self {
        Self {
            secret,
            networks: Arc::default(),
        }
    }

    /// Fills in the network and the country of addresses where an event does not say them.
    pub fn with_networks(mut self, networks: Arc<Networks>) -> Self {
        self.networks = networks;
        self
    }

    /// Decodes every record, in order, into one row or one dead letter.
    pub fn decode(&self, records: &Records, sink: &mut dyn EventSink) {
        for record in records.iter() {
            self.decode_record(records.partition(), &record, sink);
        }
    }

    /// Decodes one record into one row or one dead letter.
    pub fn decode_record(
        &self,
        partition: &Partition,
        record: &Record<'_>,
        sink: &mut dyn EventSink,
    ) {
        let position = Position {
            topic: partition.topic.clone(),
            partition: partition.number,
            offset: record.offset,
        };
        match self.read(record) {
            Ok(mut row) => {
                self.protect(&mut row, record);
                self.networks.fill(&mut row);
                if row.text(TextField::Id).is_none() {
                    row.set_text(TextField::Id, position.to_string());
                    row.quality.insert(Quality::POSITION_ID);
                }
                settle_time(&mut row, record.time);
                sink.row(&row, &position);
            }
            Err(rejection) => sink.dead_letter(dead_letter(rejection, position, record)),
        }
    }

    fn read<'a>(&self, record: &Record<'a>) -> Result<UsageRow<'a>, Rejection> {
        let payload = record
            .payload
            .strip_prefix(b"\xef\xbb\xbf")
            .unwrap_or(record.payload);
        if payload.is_empty() {
            return Err(Rejection::new(Reason::Empty, "the record has no value"));
        }
        if payload.len() > MAX_PAYLOAD_BYTES {
            let detail = format!("the payload is longer than {MAX_PAYLOAD_BYTES} bytes");
            return Err(Rejection::new(Reason::TooLarge, detail));
        }
        let text = std::str::from_utf8(payload).map_err(|err| {
            Rejection::new(
                Reason::Encoding,
                format!("not UTF-8 at byte {}", err.valid_up_to()),
            )
        })?;
        native::read(text)
    }

    /// Takes secrets out of every text, fingerprints the key, and cuts what is too long.
    fn protect(&self, row: &mut UsageRow<'_>, record: &Record<'_>) {
        if let Some(key) = row.text[TextField::Key as usize].take() {
            let fingerprint = self.secret.identify(key);
            if let Some(hint) = fingerprint.hint {
                row.set_text(TextField::KeyHint, hint);
                row.set_text(TextField::KeyKind, "fingerprint");
                row.quality.insert(Quality::REDACTED);
            }
            row.text[TextField::Key as usize] = Some(fingerprint.key);
        }
        let look = Redactor::needs_look(record.payload);
        if look {
            self.keep_apart(row);
        }
        let quality = &mut row.quality;
        let mut protect_text = |text: &mut Cow<'_, str>, strict: bool| {
            let redacted = match (strict, look) {
                (true, _) => Redactor::redact_strictly(text),
                (false, true) => Redactor::redact(text),
                (false, false) => Cow::Borrowed(&**text),
            };
            if let Cow::Owned(redacted) = redacted {
                *text = Cow::Owned(redacted);
                quality.insert(Quality::REDACTED);
            }
            if text.len() > MAX_TEXT_BYTES {
                *text = Cow::Owned(cut(text, MAX_TEXT_BYTES).to_owned());
                quality.insert(Quality::TRUNCATED);
            }
        };
        for text in row.text.iter_mut().flatten() {
            protect_text(text, false);
        }
        for (name, value) in &mut row.extra {
            protect_text(value, names_a_secret(name));
            protect_text(name, false);
        }
        for (name, _) in &mut row.other_units {
            protect_text(name, false);
        }
    }

    /// Fingerprints a secret in what tells events and tenants apart: with a word in its place,
    /// events would be taken for repeats of each other, and tenants for one.
    fn keep_apart(&self, row: &mut UsageRow<'_>) {
        for field in [TextField::Id, TextField::Account] {
            let secret = row.text(field).filter(|text| Redactor::holds_secret(text));
            if let Some(fingerprint) = secret.map(|text| self.secret.fingerprint(text)) {
                row.set_text(field, fingerprint);
                row.quality.insert(Quality::REDACTED);
            }
        }
    }
}

/// Returns whether an unknown field says by its name that it holds a secret.
fn names_a_secret(name: &str) -> bool {
    const WORDS: [&str; 6] = ["key", "token", "secret", "auth", "passw", "credential"];
    let name = name.to_ascii_lowercase();
    WORDS.iter().any(|word| name.contains(word))
}

/// Sets a time that is ahead of its record's back to it: the future moves no watermark.
fn settle_time(row: &mut UsageRow<'_>, record_time: Option<Timestamp>) {
    let Some(record_time) = record_time else {
        return;
    };
    let latest = record_time.plus(MAX_AHEAD_MILLIS);
    if row.time > latest || row.time_end.is_some_and(|end| end > latest) {
        row.time = row.time.min(record_time);
        row.time_start = row.time_start.map(|start| start.min(record_time));
        row.time_end = row.time_end.map(|end| end.min(record_time));
        row.quality.insert(Quality::CLOCK_SKEW);
    }
}

fn dead_letter(rejection: Rejection, position: Position, record: &Record<'_>) -> DeadLetter {
    DeadLetter {
        reason: rejection.reason,
        detail: Redactor::redact_strictly(&rejection.detail).into_owned(),
        position,
        record_time: record.time,
        payload: kept_payload(record.payload),
        payload_bytes: record.payload.len() as u64,
    }
}
