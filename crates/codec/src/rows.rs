//! What one record becomes: its rows, and one dead letter for all that is no row.

use model::{DeadLetter, EventSink, Nanos, Position, Quality, Reason, Record, TextField, UsageRow};

use crate::Redactor;
use crate::dead_letter::{cut, kept_payload};
use crate::decode::{Codec, Place, TopicChoice};
use crate::draft::Draft;
use crate::envelope::Context;
use crate::formats::{Confidence, Decoder, Format};
use crate::json::Json;
use crate::rejection::Rejection;

/// How many elements a dead letter lists after the first.
const MAX_LISTED: usize = 8;

/// How many bytes gzip and base64 may become, all those of one record together.
pub(crate) const MAX_UNPACKED_BYTES: usize = 8 << 20;

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
            failures: Failures::default(),
        }
    }

    /// Takes an event that was read from `json`.
    ///
    /// # Errors
    /// [`Reason::DuplicateField`] where a member that was read is given twice,
    /// [`Reason::MissingField`] without any time, [`Reason::Time`] for a span that ends before it
    /// starts, [`Reason::Number`] for a negative cost outside of billing lines.
    pub(crate) fn push(&mut self, json: Json<'_>, draft: Draft<'_>) -> Result<(), Rejection> {
        json.tree().unambiguous()?;
        let Draft { mut row, time } = draft;
        row.time = match time.or(self.context.time) {
            Some(time) => time,
            None => {
                row.quality.insert(Quality::TIME_FALLBACK);
                let missing = || Rejection::new(Reason::MissingField, "there is no time");
                self.record.time.ok_or_else(missing)?
            }
        };
        let start = row.time_start.unwrap_or(row.time);
        if row.time_end.is_some_and(|end| end < start) {
            let detail = "the span ends before it starts";
            return Err(Rejection::new(Reason::Time, detail));
        }
        // A bucket that is still open holds what was counted so far.
        if let (Some(end), Some(now)) = (row.time_end, self.record.time) {
            row.time_end = Some(if start <= now { end.min(now) } else { end });
        }
        let negative = row.cost.is_some_and(|cost| cost < Nanos::default());
        if negative && row.text(TextField::Kind) != Some("cost") {
            let detail = "the cost is negative in a usage event";
            return Err(Rejection::new(Reason::Number, detail));
        }
        self.push_row(row);
        Ok(())
    }

    /// Takes a row that is complete.
    pub(crate) fn push_row(&mut self, row: UsageRow<'_>) {
        let place = Place {
            position: &self.position,
            record_time: self.record.time,
            element: match &self.context.id {
                Some(_) => self.elements - self.context.first_element,
                None => self.elements,
            },
            id: self.context.id.as_deref(),
        };
        self.elements += 1;
        self.codec.finish(row, self.look, &place, self.sink);
    }

    /// Reads each element by itself, so that a bad one leaves its neighbours alone.
    pub(crate) fn each<'t>(
        &mut self,
        elements: impl Iterator<Item = Json<'t>>,
        mut read: impl FnMut(&mut Self, Json<'t>) -> Result<(), Rejection>,
    ) {
        for element in elements {
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
                position: self.position,
                record_time: self.record.time,
                payload: first.kept,
                payload_bytes: self.record.payload.len() as u64,
            });
        }
        self.decoded
    }
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
