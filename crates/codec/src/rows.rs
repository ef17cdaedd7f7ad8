//! What one record becomes: its rows, and one dead letter for all that is no row.

use model::{
    CountField, DeadLetter, EventSink, FlagField, Nanos, Position, Quality, Reason, Record,
    TextField, Timestamp, UsageRow,
};

use crate::Redactor;
use crate::dead_letter::{cut, kept_payload};
use crate::decode::{Codec, Place, TopicChoice};
use crate::draft::Draft;
use crate::envelope::Context;
use crate::formats::{Confidence, Decoder, Format};
use crate::json::{COST_LIMIT, Json, MAX_COUNT};
use crate::rejection::Rejection;

/// How many elements a dead letter lists after the first.
const MAX_LISTED: usize = 8;

/// How many bytes gzip and base64 may become, all those of one record together.
pub(crate) const MAX_UNPACKED_BYTES: usize = 8 << 20;

/// How many elements of one record are looked at. A record of a megabyte that is not packed has a
/// tenth of it; what unpacks to a list of nothings must not keep a worker for minutes.
const MAX_ELEMENTS: usize = 1 << 17;

/// How long the texts of all rows of one record may be together, in bytes: what stands once around
/// a list, as a resource does around its spans, comes into every row.
const MAX_ROWS_BYTES: usize = 32 << 20;

/// What an event may be.
const KINDS: [&str; 5] = ["usage", "access", "cost", "key", "audit"];

/// In what format a record was read, and how sure that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// The format of the record, or of its first element.
    pub format: Format,
    /// How sure that is.
    pub confidence: Confidence,
}

/// Takes the rows of one record, in order.
///
/// A decoder calls [`Self::push`] for each event, and [`Self::each`] around what may go wrong
/// alone: a rejection inside of it ends one element, one outside of it ends the whole document.
pub(crate) struct Rows<'w> {
    pub(crate) codec: &'w Codec,
    pub(crate) record: &'w Record<'w>,
    /// What the settings say of the topic.
    pub(crate) choice: Option<&'w TopicChoice>,
    /// What the envelope says of the event.
    pub(crate) context: Context,
    /// Whether the document may hold a secret.
    pub(crate) look: bool,
    /// How much may still be unpacked.
    pub(crate) budget_bytes: usize,
    /// The format of the element before, which is likely that of the next.
    pub(crate) last: Option<(&'static Decoder, Confidence)>,
    decoded: Option<Decoded>,
    sink: &'w mut dyn EventSink,
    position: Position,
    /// How many elements there were, good and bad.
    elements: usize,
    /// How many elements were looked at, also those that are no event.
    looked_at: usize,
    /// How long the texts of the rows were.
    rows_bytes: usize,
    failures: Failures,
}

/// The elements that are no row.
#[derive(Default)]
struct Failures {
    first: Option<Failure>,
    count: usize,
    listed: Vec<(usize, Reason)>,
}

struct Failure {
    element: usize,
    rejection: Rejection,
    kept: String,
}

impl<'w> Rows<'w> {
    pub(crate) fn new(
        codec: &'w Codec,
        choice: Option<&'w TopicChoice>,
        record: &'w Record<'w>,
        position: Position,
        sink: &'w mut dyn EventSink,
    ) -> Self {
        Self {
            codec,
            record,
            choice,
            context: Context::default(),
            look: true,
            budget_bytes: MAX_UNPACKED_BYTES,
            last: None,
            decoded: None,
            sink,
            position,
            elements: 0,
            looked_at: 0,
            rows_bytes: 0,
            failures: Failures::default(),
        }
    }

    /// Takes an event that was read from `json`.
    ///
    /// # Errors
    /// [`Reason::DuplicateField`] where a member that was read is given twice,
    /// [`Reason::MissingField`] without any time, [`Reason::Time`] for a span that ends before it
    /// starts, [`Reason::Number`] for a negative cost outside of billing lines and for sums beyond
    /// the limits, [`Reason::WrongType`] for a kind that none has, [`Reason::TooLarge`] once the
    /// rows of the record are.
    pub(crate) fn push<'r>(
        &'r mut self,
        json: Json<'_>,
        mut draft: Draft<'r>,
    ) -> Result<(), Rejection> {
        json.tree().unambiguous()?;
        // A row is a kilobyte: it stays where it is.
        let (row, time) = (&mut draft.row, draft.time);
        row.time = match time.or(self.context.time) {
            Some(time) => time,
            None => {
                row.quality.insert(Quality::TIME_FALLBACK);
                let missing = || Rejection::new(Reason::MissingField, "there is no time");
                self.record_time().ok_or_else(missing)?
            }
        };
        settle_span(row, self.record_time())?;
        check_numbers(row)?;
        let kind = row.text(TextField::Kind).unwrap_or_default();
        if !KINDS.contains(&kind) {
            let detail = format!("the kind is none of {}", KINDS.join(", "));
            return Err(Rejection::new(Reason::WrongType, detail));
        }
        forget_no_key(row);
        self.push_row(row)
    }

    /// Takes a row that is complete.
    ///
    /// # Errors
    /// [`Reason::TooLarge`] once the rows of the record are.
    pub(crate) fn push_row<'r>(&mut self, row: &mut UsageRow<'r>) -> Result<(), Rejection>
    where
        'w: 'r,
    {
        self.rows_bytes = self.rows_bytes.saturating_add(text_bytes(row));
        if self.rows_bytes > MAX_ROWS_BYTES {
            let detail = format!("the rows of the record are longer than {MAX_ROWS_BYTES} bytes");
            return Err(Rejection::new(Reason::TooLarge, detail));
        }
        let place = Place {
            position: &self.position,
            choice: self.choice,
            record_time: self.record_time(),
            element: match &self.context.id {
                Some(_) => self.elements - self.context.first_element,
                None => self.elements,
            },
            id: self.context.id.as_deref(),
        };
        self.elements += 1;
        self.codec.finish(row, self.look, &place, self.sink);
        Ok(())
    }

    /// Returns the time of the record, if an event may claim it: producers write it too.
    pub(crate) fn record_time(&self) -> Option<Timestamp> {
        self.record.time.and_then(|time| time.in_range().ok())
    }

    /// Returns whether another element may be looked at, and notes the first that may not.
    pub(crate) fn goes_on(&mut self) -> bool {
        self.looked_at += 1;
        if self.looked_at == MAX_ELEMENTS + 1 {
            let detail = format!("the record has more than {MAX_ELEMENTS} elements");
            self.fail(b"", Rejection::new(Reason::TooLarge, detail));
        }
        self.looked_at <= MAX_ELEMENTS && self.rows_bytes <= MAX_ROWS_BYTES
    }

    /// Reads each element by itself, so that a bad one leaves its neighbours alone.
    pub(crate) fn each<'t>(
        &mut self,
        elements: impl Iterator<Item = Json<'t>>,
        mut read: impl FnMut(&mut Self, Json<'t>) -> Result<(), Rejection>,
    ) {
        for element in elements {
            if !self.goes_on() {
                break;
            }
            if let Err(rejection) = read(self, element) {
                self.fail(element.raw().as_bytes(), rejection);
            }
            element.tree().forgive(element);
        }
    }

    /// Notes that an element is no event; `bytes` are what it said.
    pub(crate) fn fail(&mut self, bytes: &[u8], rejection: Rejection) {
        let element = self.elements;
        self.elements += 1;
        self.failures.count += 1;
        if self.failures.first.is_some() {
            if self.failures.listed.len() < MAX_LISTED {
                self.failures.listed.push((element, rejection.reason));
            }
            return;
        }
        self.failures.first = Some(Failure {
            element,
            rejection,
            kept: kept_payload(bytes),
        });
    }

    /// Goes into an envelope, and returns what was known outside of it.
    pub(crate) fn enter(&mut self, mut context: Context) -> Context {
        context.first_element = self.elements;
        std::mem::replace(&mut self.context, context)
    }

    /// Notes the format of what comes next.
    pub(crate) fn is(&mut self, format: Format, confidence: Confidence) {
        self.decoded.get_or_insert(Decoded { format, confidence });
    }

    /// Sends the dead letter, if anything was wrong, and says what the record was.
    pub(crate) fn finish(mut self) -> Option<Decoded> {
        if self.elements == 0 && self.decoded.is_none() {
            let rejection = Rejection::new(Reason::Shape, "the record holds no event");
            self.fail(self.record.payload, rejection);
        }
        if let Some(first) = self.failures.first.take() {
            let detail = self.failures.describe(&first, self.elements);
            let detail = Redactor::redact_strictly(&detail);
            self.sink.dead_letter(DeadLetter {
                reason: first.rejection.reason,
                detail: cut(&detail, MAX_DETAIL_BYTES).to_owned(),
                record_time: self.record_time(),
                position: self.position,
                payload: first.kept,
                payload_bytes: self.record.payload.len() as u64,
            });
        }
        self.decoded
    }
}

/// Brings the span of a row within the bounds of time.
///
/// # Errors
/// [`Reason::Time`] where it ends before it starts.
fn settle_span(row: &mut UsageRow<'_>, now: Option<Timestamp>) -> Result<(), Rejection> {
    let start = row.time_start.unwrap_or(row.time);
    let Some(end) = row.time_end else {
        return Ok(());
    };
    if end < start {
        let detail = "the span ends before it starts";
        return Err(Rejection::new(Reason::Time, detail));
    }
    // A bucket that is still open holds what was counted so far.
    let open = now.filter(|now| start <= *now && *now < end);
    row.time_end = Some(open.unwrap_or(end).min(Timestamp::LATEST));
    Ok(())
}

/// Checks what was added up: each part was within its limit.
fn check_numbers(row: &UsageRow<'_>) -> Result<(), Rejection> {
    let refuse = |detail: String| Err(Rejection::new(Reason::Number, detail));
    let mut counts = CountField::ALL.iter();
    if let Some(field) = counts.find(|field| row.count(**field) > Some(MAX_COUNT)) {
        let name = field.name();
        return refuse(format!("`{name}` is more than {MAX_COUNT} together"));
    }
    let Some(cost) = row.cost else {
        return Ok(());
    };
    if cost < Nanos::default() && row.text(TextField::Kind) != Some("cost") {
        return refuse("the cost is negative in a usage event".to_owned());
    }
    if cost.get().unsigned_abs() >= COST_LIMIT.unsigned_abs() {
        return refuse("the cost is not below 1000000000 dollars together".to_owned());
    }
    Ok(())
}

/// Takes back what was said of a key that has no id: a sum that covers no key covers all of them.
fn forget_no_key(row: &mut UsageRow<'_>) {
    if row.text(TextField::Key).is_some() {
        return;
    }
    row.text.take(TextField::KeyKind);
    if row.text(TextField::Scope) == Some("key") {
        row.set_text(TextField::Scope, "org");
        row.flags[FlagField::Aggregate as usize] = Some(true);
    }
}

/// Returns how long the texts of a row are, as they were read.
fn text_bytes(row: &UsageRow<'_>) -> usize {
    let texts = row.text.values().map(|text| text.len());
    let extra = row.extra.iter();
    let extra = extra.map(|(name, value)| name.len() + value.len());
    let units = row.other_units.iter().map(|(name, _)| name.len());
    texts.chain(extra).chain(units).sum()
}

/// The longest detail of a dead letter: the path of a value may be as long as its document.
const MAX_DETAIL_BYTES: usize = 1024;

impl Failures {
    /// Says what is wrong with the first element and how many more there are; elements count
    /// from 0, as they do in the ids of rows.
    fn describe(&self, first: &Failure, elements: usize) -> String {
        let detail = &first.rejection.detail;
        if elements == 1 {
            return detail.clone();
        }
        let mut text = format!("element {} of {elements}: {detail}", first.element);
        let others = self.count - 1;
        if others > 0 {
            text.push_str(&format!("; {others} more:"));
            for (element, reason) in &self.listed {
                text.push_str(&format!(" {element} {}", reason.as_str()));
            }
            if others > self.listed.len() {
                text.push_str(" …");
            }
        }
        text
    }
}
