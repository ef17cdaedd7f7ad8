//! Records to rows and dead letters.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use memchr::memmem::Finder;
use model::{
    CountField, DeadLetter, EventSink, Partition, Position, Quality, Reason, Record, Records,
    Schemas, TextField, Timestamp, UsageRow,
};

use crate::depth;
use crate::envelope;
use crate::formats::{Confidence, DEFAULT_KEY_ATTRIBUTES, Decoder, Format, decoder_of};
use crate::mapping::Mapping;
use crate::native::{self, Order};
use crate::prices::{Price, Prices, Unpriced};
use crate::rows::{Decoded, Rows};
use crate::{FingerprintSecret, Networks, Redactor};

/// The longest payload that is read, in bytes.
pub const MAX_PAYLOAD_BYTES: usize = 1 << 20;

/// How far an event's time may be ahead of its record's, in milliseconds.
const MAX_AHEAD_MILLIS: i64 = 5 * Timestamp::MINUTE;

/// Decodes the records of one installation.
#[derive(Clone, Debug)]
pub struct Codec {
    secret: FingerprintSecret,
    networks: Arc<Networks>,
    topics: Arc<HashMap<String, TopicChoice>>,
    schemas: Option<Arc<dyn Schemas>>,
    /// Where the key is in OpenTelemetry's signals; none are the usual ones.
    key_attributes: Option<Arc<[String]>>,
    prices: Option<Arc<Prices>>,
}

/// What the settings say of the records of one topic.
#[derive(Clone, Debug, Default)]
pub(crate) struct TopicChoice {
    format: Option<Format>,
    mapping: Option<Mapping>,
    account: Option<String>,
    is_counted_elsewhere: bool,
}

impl TopicChoice {
    /// Returns the decoder that the topic's format has, unless it is native or found by itself.
    pub(crate) fn decoder(&self) -> Option<&'static Decoder> {
        decoder_of(self.format?)
    }

    /// Returns the format that the settings give the topic.
    pub(crate) fn format(&self) -> Option<Format> {
        self.format
    }

    /// Says of a row what the settings say of all of its topic.
    fn fill<'r>(&'r self, row: &mut UsageRow<'r>) {
        if let Some(account) = &self.account
            && row.text(TextField::Account).is_none()
        {
            row.set_text(TextField::Account, account.as_str());
        }
        if self.is_counted_elsewhere {
            row.quality.insert(Quality::COUNTED_ELSEWHERE);
        }
    }

    /// Returns where the fields of the topic's own JSON are.
    pub(crate) fn mapping(&self) -> Option<&Mapping> {
        self.mapping.as_ref()
    }
}

/// Where a row comes from.
pub(crate) struct Place<'p, 'c> {
    pub(crate) position: &'p Position,
    /// What the settings say of its topic.
    pub(crate) choice: Option<&'c TopicChoice>,
    pub(crate) record_time: Option<Timestamp>,
    /// The place among what has the same id, counted from 0.
    pub(crate) element: usize,
    /// The id that the envelope gives.
    pub(crate) id: Option<&'p str>,
}

impl Codec {
    /// Makes a codec whose fingerprints are keyed by `secret`.
    pub fn new(secret: FingerprintSecret) -> Self {
        Self {
            secret,
            networks: Arc::default(),
            topics: Arc::default(),
            schemas: None,
            key_attributes: None,
            prices: None,
        }
    }

    /// Keys the fingerprints by another secret.
    pub fn with_secret(mut self, secret: FingerprintSecret) -> Self {
        self.secret = secret;
        self
    }

    /// Returns the secret by which fingerprints are keyed.
    pub fn secret(&self) -> &FingerprintSecret {
        &self.secret
    }

    /// Fills in the network and the country of addresses where an event does not say them.
    pub fn with_networks(mut self, networks: Arc<Networks>) -> Self {
        self.networks = networks;
        self
    }

    /// Says in what format the records of these topics are; that of all others is found by what
    /// they look like.
    pub fn with_formats(mut self, formats: impl IntoIterator<Item = (String, Format)>) -> Self {
        let topics = Arc::make_mut(&mut self.topics);
        for (topic, format) in formats {
            topics.entry(topic).or_default().format = Some(format);
        }
        self
    }

    /// Says where the fields are in the JSON of these topics, whose format is then generic.
    pub fn with_mappings(mut self, mappings: impl IntoIterator<Item = (String, Mapping)>) -> Self {
        let topics = Arc::make_mut(&mut self.topics);
        for (topic, mapping) in mappings {
            let choice = topics.entry(topic).or_default();
            choice.format = Some(Format::Generic);
            choice.mapping = Some(mapping);
        }
        self
    }

    /// Says whose the events of these topics are that do not say it themselves: reports of a
    /// provider are of one organisation, and do not name it.
    pub fn with_accounts(mut self, accounts: impl IntoIterator<Item = (String, String)>) -> Self {
        let topics = Arc::make_mut(&mut self.topics);
        for (topic, account) in accounts {
            topics.entry(topic).or_default().account = Some(account);
        }
        self
    }

    /// Says which topics report what another one reports too: their rows are kept, with the
    /// quality `counted_elsewhere`, and are not counted.
    pub fn with_counted_elsewhere(mut self, topics: impl IntoIterator<Item = String>) -> Self {
        let choices = Arc::make_mut(&mut self.topics);
        for topic in topics {
            choices.entry(topic).or_default().is_counted_elsewhere = true;
        }
        self
    }

    /// Gives the schemas by which Avro and Protobuf are read.
    pub fn with_schemas(mut self, schemas: Arc<dyn Schemas>) -> Self {
        self.schemas = Some(schemas);
        self
    }

    /// Says which attributes of OpenTelemetry's signals name the key, the first that is there, in
    /// place of [`DEFAULT_KEY_ATTRIBUTES`].
    pub fn with_key_attributes(mut self, names: impl IntoIterator<Item = String>) -> Self {
        self.key_attributes = Some(names.into_iter().collect());
        self
    }

    pub(crate) fn key_attributes(&self) -> impl Iterator<Item = &str> {
        let own = self.key_attributes.iter().flat_map(|names| names.iter());
        let usual = match self.key_attributes {
            Some(_) => &[],
            None => DEFAULT_KEY_ATTRIBUTES,
        };
        own.map(String::as_str).chain(usual.iter().copied())
    }

    /// Fills in what tokens cost where their source does not say.
    pub fn with_prices(mut self, prices: Arc<Prices>) -> Self {
        self.prices = Some(prices);
        self
    }

    /// Returns the prices of what has been used since the start.
    pub fn prices(&self) -> Vec<Price> {
        let prices = self.prices.as_ref();
        prices.map(|prices| prices.list()).unwrap_or_default()
    }

    /// Returns what had tokens and neither a cost nor a price since the prices were read, most
    /// tokens first; there are about five hundred entries at most.
    pub fn unpriced(&self) -> Vec<Unpriced> {
        let prices = self.prices.as_ref();
        prices.map(|prices| prices.unpriced()).unwrap_or_default()
    }

    pub(crate) fn schemas(&self) -> Option<&dyn Schemas> {
        self.schemas.as_deref()
    }

    /// Returns the fingerprint of a credential that does not show what it is; one that does is
    /// found wherever it stands, and fingerprinted there.
    pub(crate) fn fingerprint_unless_known(&self, credential: &str) -> Option<String> {
        let known = FingerprintSecret::is_credential(credential);
        (!known).then(|| self.fingerprint(credential))
    }

    /// Returns the fingerprint of a credential.
    pub(crate) fn fingerprint(&self, credential: &str) -> String {
        self.secret.fingerprint(credential)
    }

    /// Decodes every record, in order, into rows and at most one dead letter each.
    pub fn decode(&self, records: &Records, sink: &mut dyn EventSink) {
        let mut reader = self.reader(records.partition());
        for record in records.iter() {
            reader.read(&record, sink);
        }
    }

    /// Returns a reader of the records of one partition, one by one.
    pub fn reader(&self, partition: &Partition) -> RecordReader<'_> {
        RecordReader {
            codec: self,
            choice: self.topics.get(&*partition.topic),
            position: Position {
                topic: partition.topic.clone(),
                partition: partition.number,
                offset: 0,
            },
            order: Order::default(),
        }
    }

    /// Decodes one record into rows and at most one dead letter, and says what format it had,
    /// if that was found.
    fn read(
        &self,
        position: &Position,
        choice: Option<&TopicChoice>,
        record: &Record<'_>,
        order: &mut Order,
        sink: &mut dyn EventSink,
    ) -> Option<Decoded> {
        let format = choice.and_then(|choice| choice.format);
        let confidence = match format {
            Some(Format::Native) => Confidence::Set,
            _ => Confidence::Certain,
        };
        // Nearly every record is native, and read without a tree.
        let mut row = UsageRow::at(Timestamp::EARLIEST);
        let look = match format {
            None | Some(Format::Native) => native_row(record, format.is_some(), order, &mut row),
            Some(_) => None,
        };
        if let Some(look) = look {
            let place = Place {
                position,
                choice,
                record_time: record.time.and_then(|time| time.in_range().ok()),
                element: 0,
                id: None,
            };
            self.finish(&mut row, look, &place, sink);
            let format = Format::Native;
            return Some(Decoded { format, confidence });
        }
        let mut rows = Rows::new(self, choice, record, position.clone(), sink);
        if format == Some(Format::Native) {
            envelope::native(&mut rows);
        } else {
            envelope::record(&mut rows);
        }
        rows.finish()
    }

    /// Makes a row what may leave: free of secrets, with its networks, an id and a settled time.
    ///
    /// Every row of every format comes through here.
    pub(crate) fn finish<'r>(
        &'r self,
        row: &mut UsageRow<'r>,
        look: bool,
        place: &Place<'_, 'r>,
        sink: &mut dyn EventSink,
    ) {
        if let Some(choice) = place.choice {
            choice.fill(row);
        }
        if row.text(TextField::Id).is_none() {
            let id = place.id.map(str::to_owned);
            if id.is_none() {
                row.quality.insert(Quality::POSITION_ID);
            }
            let mut id = id.unwrap_or_else(|| place.position.to_string());
            if place.element > 0 {
                id.push_str(&format!("#{}", place.element));
            }
            row.set_text(TextField::Id, id);
        }
        self.protect(row, look);
        self.networks.fill(row);
        settle_time(row, place.record_time);
        if let Some(prices) = &self.prices {
            prices.fill(row);
        }
        sink.row(row, place.position);
    }
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

/// What is looked for in every record, prepared once.
static TIME: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"time\""));
static USAGE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"usage"));
/// One of them is in every native event.
static MEASURES: LazyLock<[Finder<'static>; 4]> = LazyLock::new(|| {
    let names = [
        "\"input_tokens\"",
        "\"requests\"",
        "\"output_tokens\"",
        "\"cost_usd\"",
    ];
    names.map(Finder::new)
});
static CLOUD_EVENT: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"specversion\""));

/// Reads the row of a record that is one native event and nothing else, if it is, and returns
/// whether its texts need a look for secrets.
///
/// A record of another format gets no further than a look for the name of the one field that
/// every native event has, at the place where it has it. `alone` says that the topic has native
/// events only.
fn native_row<'a>(
    record: &Record<'a>,
    alone: bool,
    order: &mut Order,
    row: &mut UsageRow<'a>,
) -> Option<bool> {
    let payload = record.payload;
    let payload = payload.strip_prefix(b"\xef\xbb\xbf").unwrap_or(payload);
    let fits =
        payload.len() <= MAX_PAYLOAD_BYTES && (alone || !envelope::is_in_headers(record.headers));
    if !fits {
        return None;
    }
    let mut text = None;
    if order.is_native() {
        text = simdutf8::basic::from_utf8(payload).ok();
        let is_read = text.is_some_and(|text| native::read_ordered(text, order, row));
        if is_read {
            return is_complete(payload, alone, row).then(|| order.needs_look());
        }
    }
    order.set_native(false);
    // A CloudEvent has its time on top too.
    let measured = || MEASURES.iter().any(|name| name.find(payload).is_some());
    let may_be_native = TIME.find(payload).is_some()
        && (alone || measured())
        && depth::begins_on_top(payload, &TIME)
        && (alone || !depth::begins_on_top(payload, &CLOUD_EVENT));
    if !may_be_native {
        return None;
    }
    let text = text.or_else(|| simdutf8::basic::from_utf8(payload).ok());
    match text.map(native::read) {
        Some(Ok(read)) => *row = read,
        _ => return None,
    }
    order.set_native(true);
    is_complete(payload, alone, row).then(|| Redactor::needs_look(payload))
}

/// Returns whether what was read of an event is all that it says.
fn is_complete(payload: &[u8], alone: bool, row: &mut UsageRow<'_>) -> bool {
    if alone {
        return true;
    }
    // A CloudEvent that happens to say all that a native event must.
    if row.extra.iter().any(|(name, _)| name == "specversion") {
        return false;
    }
    native::adopt_key(row);
    // An event of somebody's own that has its tokens in a provider's usage object would lose them.
    let counted = [CountField::InputTokens, CountField::OutputTokens];
    let counted = counted.iter().any(|field| row.count(*field).is_some());
    counted || USAGE.find(payload).is_none()
}

/// Reads the records of one partition, one by one, and remembers what they look like.
#[derive(Debug)]
pub struct RecordReader<'c> {
    codec: &'c Codec,
    choice: Option<&'c TopicChoice>,
    /// The place of the last record.
    position: Position,
    order: Order,
}

impl RecordReader<'_> {
    /// Decodes one record into rows and at most one dead letter, and says what format it had,
    /// if that was found.
    pub fn read(&mut self, record: &Record<'_>, sink: &mut dyn EventSink) -> Option<Decoded> {
        let Self {
            codec,
            choice,
            position,
            order,
        } = self;
        position.offset = record.offset;
        codec.read(position, *choice, record, order, sink)
    }

    /// Makes a dead letter of a record that the program does not survive. Nothing of its bytes is
    /// looked at, and so none of them are kept.
    pub fn pass_over(&mut self, record: &Record<'_>, sink: &mut dyn EventSink) {
        self.position.offset = record.offset;
        sink.dead_letter(DeadLetter {
            reason: Reason::Crash,
            detail: "the program crashed when it read this record, a defect of the program; its \
                     bytes are in the log at this place"
                .to_owned(),
            position: self.position.clone(),
            record_time: record.time.and_then(|time| time.in_range().ok()),
            payload: String::new(),
            payload_bytes: record.payload.len() as u64,
        });
    }
}
