//! A row while a decoder fills it.

use std::borrow::Cow;

use model::{CountField, FlagField, Nanos, Quality, TextField, Timestamp, UsageRow};

use crate::Codec;
use crate::json::{Json, Unit};
use crate::meaning::tokens::Tokens;
use crate::meaning::{caller, http, instant, provider, status};
use crate::rejection::Rejection;

/// How many unknown fields are kept, and how long each may be in bytes.
pub(crate) const MAX_EXTRA: usize = 32;
pub(crate) const MAX_EXTRA_BYTES: usize = 256;

/// A row that is not complete yet: everything that a decoder may say of an event.
///
/// What is absent in the document stays unknown in the row. A method fails only where a value that
/// is there makes no sense, and `?` then ends this element, not its neighbours.
#[derive(Clone)]
pub(crate) struct Draft<'t> {
    /// The row so far, for what has no method here. Its time counts only once [`Self::time`] or
    /// [`Self::span`] found one.
    pub(crate) row: UsageRow<'t>,
    pub(crate) time: Option<Timestamp>,
}

impl<'t> Draft<'t> {
    /// Starts a row of a kind: usage, access, cost, key or audit.
    pub(crate) fn new(kind: &'static str) -> Self {
        let mut row = UsageRow::at(Timestamp::EARLIEST);
        row.set_text(TextField::Kind, kind);
        Self { row, time: None }
    }

    /// Starts the row of a single call: one request.
    pub(crate) fn call() -> Self {
        let mut draft = Self::new("usage");
        draft.row.set_count(CountField::Requests, 1);
        draft
    }

    /// Sets a text field to a text or a number of the document.
    pub(crate) fn text(&mut self, field: TextField, json: Json<'t>) {
        if let Some(text) = json.label() {
            self.row.set_text(field, text);
        }
    }

    /// Sets a text field to a text that is no value of the document.
    pub(crate) fn set(&mut self, field: TextField, text: impl Into<Cow<'t, str>>) {
        self.row.set_text(field, text);
    }

    /// Sets a count.
    pub(crate) fn count(&mut self, field: CountField, json: Json<'_>) -> Result<(), Rejection> {
        if let Some(count) = json.count()? {
            self.row.set_count(field, count);
        }
        Ok(())
    }

    /// Sets a flag.
    pub(crate) fn flag(&mut self, field: FlagField, json: Json<'_>) {
        if let Some(flag) = json.flag() {
            self.row.flags[field as usize] = Some(flag);
        }
    }

    /// Sets when a call happened.
    pub(crate) fn time(&mut self, json: Json<'_>) -> Result<(), Rejection> {
        self.time = instant::read(json)?.or(self.time);
        Ok(())
    }

    /// Sets the half-open span of a bucket; its time is the start.
    pub(crate) fn span(&mut self, start: Json<'_>, end: Json<'_>) -> Result<(), Rejection> {
        self.time(start)?;
        self.row.time_start = self.time;
        self.row.time_end = instant::read(end)?;
        Ok(())
    }

    /// Sets what it cost, by the word of its source: reported, price_table or billing.
    pub(crate) fn cost(
        &mut self,
        json: Json<'_>,
        unit: Unit,
        source: &'static str,
    ) -> Result<(), Rejection> {
        if let Some(cost) = json.money(unit)? {
            self.row.cost = Some(cost);
            self.row.set_text(TextField::CostSource, source);
        }
        Ok(())
    }

    /// Sets what a gateway reckons that a call cost; 0 is how they write that they know no price.
    pub(crate) fn estimate(&mut self, json: Json<'_>, unit: Unit) -> Result<(), Rejection> {
        if let Some(cost) = json.money(unit)?.filter(|cost| *cost != Nanos::default()) {
            self.row.cost = Some(cost);
            self.row.set_text(TextField::CostSource, "reported");
            self.quality(Quality::ESTIMATED_COST);
        }
        Ok(())
    }

    /// Sets the token counts, made inclusive.
    pub(crate) fn tokens(&mut self, tokens: Tokens) -> Result<(), Rejection> {
        tokens.settle(&mut self.row)
    }

    /// Sets the token counts of a call that was seen; one without any, and without a cost that was
    /// set before, is access and no usage.
    pub(crate) fn seen_tokens(&mut self, tokens: Tokens) -> Result<(), Rejection> {
        if !tokens.exist() && self.row.cost.is_none() {
            self.set(TextField::Kind, "access");
        }
        self.tokens(tokens)
    }

    /// Sets how long it took, in milliseconds with or without a fraction; what makes no sense is
    /// left out.
    pub(crate) fn latency_millis(&mut self, json: Json<'_>) -> Result<(), Rejection> {
        if let Some(millis) = json.number()?.filter(|millis| (0.0..1e12).contains(millis)) {
            self.row
                .set_count(CountField::LatencyMs, millis.round() as u64);
        }
        Ok(())
    }

    /// Sets how long it took from its time to its end, unless that is known already.
    pub(crate) fn latency_until(&mut self, end: Json<'_>) -> Result<(), Rejection> {
        let end = instant::read(end)?;
        let millis = self
            .time
            .zip(end)
            .and_then(|(start, end)| u64::try_from(end.millis() - start.millis()).ok());
        if self.row.count(CountField::LatencyMs).is_none()
            && let Some(millis) = millis
        {
            self.row.set_count(CountField::LatencyMs, millis);
        }
        Ok(())
    }

    /// Sets the operation to the path of a target or an address, without its query.
    pub(crate) fn path(&mut self, json: Json<'t>) {
        if let Some(target) = json.str() {
            self.set(TextField::Operation, http::path(target));
        }
    }

    /// Names the key by a credential that was sent: always by its fingerprint, also where it has
    /// no shape of a secret.
    pub(crate) fn credential(&mut self, codec: &Codec, credential: &'t str) {
        match codec.fingerprint_unless_known(credential) {
            // The secret goes where every key does, and gets its hint there.
            None => self.set(TextField::Key, credential),
            Some(fingerprint) => {
                self.set(TextField::Key, fingerprint);
                self.set(TextField::KeyKind, "fingerprint");
                self.quality(Quality::REDACTED);
            }
        }
    }

    /// Sets another unit, such as images or seconds.
    pub(crate) fn unit(&mut self, name: &'static str, json: Json<'_>) -> Result<(), Rejection> {
        if let Some(number) = json.number()? {
            self.row.other_units.push((Cow::Borrowed(name), number));
        }
        Ok(())
    }

    /// Sets the provider, in OpenTelemetry's spelling.
    pub(crate) fn provider(&mut self, json: Json<'t>) {
        if let Some(name) = json.label() {
            self.row.set_text(TextField::Provider, provider::name(name));
        }
    }

    /// Sets where the call came from: an address, whole or masked, with or without a port.
    pub(crate) fn caller(&mut self, json: Json<'t>) {
        caller::fill(&mut self.row, json.label());
    }

    /// Sets the HTTP status and its outcome.
    pub(crate) fn status(&mut self, json: Json<'_>) -> Result<(), Rejection> {
        status::fill(&mut self.row, json.count()?);
        Ok(())
    }

    /// Says whether the row is a sum over more than one key, and what it covers.
    pub(crate) fn scope(&mut self, scope: &'static str) {
        self.row.set_text(TextField::Scope, scope);
        self.row.flags[FlagField::Aggregate as usize] = Some(scope != "key");
    }

    /// Keeps a scalar that has no field of its own, within the bounds.
    pub(crate) fn extra(&mut self, name: impl Into<Cow<'t, str>>, json: Json<'t>) {
        if !json.exists() || json.is_object() || json.is_array() || json.raw() == "-" {
            return;
        }
        self.extra_text(name, json.raw());
    }

    /// Keeps a text that has no field of its own, within the bounds.
    pub(crate) fn extra_text(
        &mut self,
        name: impl Into<Cow<'t, str>>,
        value: impl Into<Cow<'t, str>>,
    ) {
        let (name, value) = (name.into(), value.into());
        let fits = !value.is_empty()
            && self.row.extra.len() < MAX_EXTRA
            && name.len() <= MAX_EXTRA_BYTES
            && value.len() <= MAX_EXTRA_BYTES;
        if fits {
            self.row.extra.push((name, value));
        }
    }

    /// Adds a word about the row's trustworthiness.
    pub(crate) fn quality(&mut self, word: Quality) {
        self.row.quality.insert(word);
    }
}
