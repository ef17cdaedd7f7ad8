//! The canonical usage event as one borrowed row.
//!
//! The fields are grouped by type ([`TextField`], [`CountField`], [`FlagField`]) so that
//! whatever fills, stores or prints a row walks three short tables instead of naming fifty
//! fields again. The names are those of the wire; SQL renames four of them, see
//! [`TextField::sql_name`].

use std::borrow::Cow;

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::{Nanos, Texts, Timestamp};

macro_rules! fields {
    ($(#[$doc:meta])* $kind:ident { $($(#[$field_doc:meta])* $name:ident => $wire:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(usize)]
        pub enum $kind { $($(#[$field_doc])* $name,)* }

        impl $kind {
            /// Every field, in the order of the wire.
            pub const ALL: &'static [$kind] = &[$($kind::$name,)*];

            /// Returns the name on the wire.
            pub const fn name(self) -> &'static str {
                match self { $($kind::$name => $wire,)* }
            }

            /// Returns the field of that name on the wire.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($wire => Some($kind::$name),)* _ => None }
            }
        }
    };
}

fields!(
    /// The fields of an event that hold text.
    TextField {
        /// What the row is: usage, access, cost, key or audit.
        Kind => "kind",
        /// The event's id, the key of deduplication.
        Id => "id",
        /// Who observed it: provider, gateway or app.
        Source => "source",
        /// Whose API was called, in OpenTelemetry's spelling.
        Provider => "provider",
        /// The provider behind a router.
        UpstreamProvider => "upstream_provider",
        /// The tenant or organisation.
        Account => "account",
        /// The provider's project.
        Project => "project",
        /// The provider's workspace.
        Workspace => "workspace",
        /// The team.
        Team => "team",
        /// The key's id or fingerprint; null is unattributed usage.
        Key => "key",
        /// What sort of id `key` is.
        KeyKind => "key_kind",
        /// A masked form of the key.
        KeyHint => "key_hint",
        /// The key's name.
        KeyAlias => "key_alias",
        /// The principal that called: ARN, service account, address.
        Principal => "principal",
        /// The provider's user.
        User => "user",
        /// The caller's own user.
        EndUser => "end_user",
        /// The service that called.
        Service => "service",
        /// The model that answered.
        Model => "model",
        /// The model that was asked for.
        ModelRequested => "model_requested",
        /// The deployment.
        Deployment => "deployment",
        /// The operation, such as chat or embeddings.
        Operation => "operation",
        /// ISO 4217 currency of the cost.
        Currency => "currency",
        /// Where the cost is from: reported, price_table or billing.
        CostSource => "cost_source",
        /// The kind of a billing line.
        Charge => "charge",
        /// ok, error, cached or blocked.
        Outcome => "outcome",
        /// The error's code.
        Error => "error",
        /// The caller's address.
        SourceIp => "source_ip",
        /// The caller's network, where the address is masked.
        SourceIpPrefix => "source_ip_prefix",
        /// ISO 3166 country of the caller.
        Country => "country",
        /// The caller's client.
        UserAgent => "user_agent",
        /// The TLS client fingerprint JA3.
        Ja3 => "ja3",
        /// The TLS client fingerprint JA4.
        Ja4 => "ja4",
        /// The provider's region.
        Region => "region",
        /// The provider's service tier.
        ServiceTier => "service_tier",
        /// What an aggregate covers: key, project or org.
        Scope => "scope",
    }
);

fields!(
    /// The fields of an event that count something.
    CountField {
        /// Requests; a single call is 1, a roll-up more, unknown is null.
        Requests => "requests",
        /// Input tokens, cached ones included.
        InputTokens => "input_tokens",
        /// Input tokens read from a cache, a subset of the input.
        CacheReadTokens => "cache_read_tokens",
        /// Input tokens written to a cache, a subset of the input.
        CacheWriteTokens => "cache_write_tokens",
        /// Of those, the ones kept for an hour.
        CacheWrite1hTokens => "cache_write_1h_tokens",
        /// Output tokens.
        OutputTokens => "output_tokens",
        /// Output tokens of reasoning, a subset of the output.
        ReasoningTokens => "reasoning_tokens",
        /// HTTP status.
        Status => "status",
        /// Time the call took, in milliseconds.
        LatencyMs => "latency_ms",
        /// Autonomous system number of the caller.
        Asn => "asn",
    }
);

fields!(
    /// The fields of an event that are true or false.
    FlagField {
        /// A call of the provider's batch API.
        Batch => "batch",
        /// A streamed answer.
        Stream => "stream",
        /// A sum over more than one key; never feeds a key's baseline.
        Aggregate => "aggregate",
    }
);

impl TextField {
    /// Returns the name of the column in SQL.
    pub const fn sql_name(self) -> &'static str {
        match self {
            Self::Id => "event_id",
            Self::Key => "key_id",
            Self::User => "user_id",
            _ => self.name(),
        }
    }
}

/// What is known about the trustworthiness of a row, as a set of words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quality(u16);

impl Quality {
    /// The event claimed a time ahead of its record's and was set back to it.
    pub const CLOCK_SKEW: Quality = Quality(1);
    /// A text was longer than the limit and was cut.
    pub const TRUNCATED: Quality = Quality(2);
    /// A secret was found in a field and taken out.
    pub const REDACTED: Quality = Quality(4);
    /// The event had no id; its position stands for it.
    pub const POSITION_ID: Quality = Quality(8);
    /// The cost is the source's own estimate, no bill.
    pub const ESTIMATED_COST: Quality = Quality(16);
    /// Whether input tokens include cached ones was concluded from the numbers.
    pub const INFERRED_CONVENTION: Quality = Quality(32);
    /// The source's own total is not the sum of its parts.
    pub const TOTAL_MISMATCH: Quality = Quality(64);
    /// The event came later than windows wait.
    pub const LATE: Quality = Quality(128);
    /// The event had no time; that of its envelope or record stands for it.
    pub const TIME_FALLBACK: Quality = Quality(256);
    /// Another topic reports the same usage; it feeds no baseline and no sum.
    pub const COUNTED_ELSEWHERE: Quality = Quality(512);

    const WORDS: [(Quality, &'static str); 10] = [
        (Self::CLOCK_SKEW, "clock_skew"),
        (Self::TRUNCATED, "truncated"),
        (Self::REDACTED, "redacted"),
        (Self::POSITION_ID, "position_id"),
        (Self::ESTIMATED_COST, "estimated_cost"),
        (Self::INFERRED_CONVENTION, "inferred_convention"),
        (Self::TOTAL_MISMATCH, "total_mismatch"),
        (Self::LATE, "late"),
        (Self::TIME_FALLBACK, "time_fallback"),
        (Self::COUNTED_ELSEWHERE, "counted_elsewhere"),
    ];

    /// Adds a word to the set.
    pub fn insert(&mut self, other: Quality) {
        self.0 |= other.0;
    }

    /// Returns whether the set has the word.
    pub fn contains(self, other: Quality) -> bool {
        self.0 & other.0 == other.0
    }

    /// Iterates over the words in a fixed order.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        Self::WORDS
            .into_iter()
            .filter(move |(bit, _)| self.contains(*bit))
            .map(|(_, word)| word)
    }
}

/// One usage event, borrowed from the payload it was read from.
#[derive(Clone, Debug)]
pub struct UsageRow<'a> {
    /// When it happened; the end of a roll-up unless a span is given.
    pub time: Timestamp,
    /// The start of a roll-up.
    pub time_start: Option<Timestamp>,
    /// The end of a roll-up.
    pub time_end: Option<Timestamp>,
    /// Text by field.
    pub text: Texts<'a>,
    /// Counts by field.
    pub counts: [Option<u64>; CountField::ALL.len()],
    /// Flags by field.
    pub flags: [Option<bool>; FlagField::ALL.len()],
    /// What it cost.
    pub cost: Option<Nanos>,
    /// Other units by name: images, seconds, characters.
    pub other_units: Vec<(Cow<'a, str>, f64)>,
    /// Unknown fields, bounded and redacted.
    pub extra: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// What is known about the row's trustworthiness.
    pub quality: Quality,
}

impl<'a> UsageRow<'a> {
    /// Returns a row of which nothing but its time is known.
    #[inline]
    pub fn at(time: Timestamp) -> Self {
        Self {
            time,
            time_start: None,
            time_end: None,
            text: Texts::default(),
            counts: [None; CountField::ALL.len()],
            flags: [None; FlagField::ALL.len()],
            cost: None,
            other_units: Vec::new(),
            extra: Vec::new(),
            quality: Quality::default(),
        }
    }

    /// Returns a text field.
    #[inline]
    pub fn text(&self, field: TextField) -> Option<&str> {
        self.text.get(field).map(|text| &**text)
    }

    /// Sets a text field.
    #[inline]
    pub fn set_text(&mut self, field: TextField, value: impl Into<Cow<'a, str>>) {
        self.text.set(field, value.into());
    }

    /// Returns a count.
    #[inline]
    pub fn count(&self, field: CountField) -> Option<u64> {
        self.counts[field as usize]
    }

    /// Sets a count.
    #[inline]
    pub fn set_count(&mut self, field: CountField, value: u64) {
        self.counts[field as usize] = Some(value);
    }

    /// Sets a flag.
    #[inline]
    pub fn set_flag(&mut self, field: FlagField, value: bool) {
        self.flags[field as usize] = Some(value);
    }

    /// Returns a flag.
    pub fn flag(&self, field: FlagField) -> Option<bool> {
        self.flags[field as usize]
    }
}

/// A row with its place writes itself as canonical JSON, nulls left out.
impl Serialize for UsageRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("time", &self.time)?;
        if let Some(start) = self.time_start {
            map.serialize_entry("time_start", &start)?;
        }
        if let Some(end) = self.time_end {
            map.serialize_entry("time_end", &end)?;
        }
        for (field, text) in self.text.iter() {
            map.serialize_entry(field.name(), text)?;
        }
        for field in CountField::ALL {
            if let Some(count) = self.count(*field) {
                map.serialize_entry(field.name(), &count)?;
            }
        }
        if let Some(cost) = self.cost {
            map.serialize_entry("cost_usd", &cost)?;
        }
        for field in FlagField::ALL {
            if let Some(flag) = self.flag(*field) {
                map.serialize_entry(field.name(), &flag)?;
            }
        }
        if !self.other_units.is_empty() {
            let units: std::collections::BTreeMap<_, _> = self
                .other_units
                .iter()
                .map(|(name, value)| (name, value))
                .collect();
            map.serialize_entry("other_units", &units)?;
        }
        let quality: Vec<_> = self.quality.words().collect();
        if !quality.is_empty() {
            map.serialize_entry("quality", &quality)?;
        }
        if !self.extra.is_empty() {
            let extra: std::collections::BTreeMap<_, _> = self
                .extra
                .iter()
                .map(|(name, value)| (name, value))
                .collect();
            map.serialize_entry("extra", &extra)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_fields() {
        for field in TextField::ALL {
            assert_eq!(TextField::from_name(field.name()), Some(*field));
        }
        for field in CountField::ALL {
            assert_eq!(CountField::from_name(field.name()), Some(*field));
        }
        assert_eq!(TextField::from_name("nonsense"), None);
    }

    #[test]
    fn a_row_prints_what_it_has_and_nothing_else() {
        let mut row = UsageRow::at(Timestamp::from_millis(1_777_896_000_000));
        row.set_text(TextField::Key, "key_1");
        row.set_count(CountField::Requests, 2);
        row.cost = Some(Nanos::new(1_830_000));
        row.quality.insert(Quality::CLOCK_SKEW);
        assert_eq!(
            serde_json::to_string(&row).unwrap(),
            r#"{"time":"2026-05-04T12:00:00.000Z","key":"key_1","requests":2,"cost_usd":0.00183,"quality":["clock_skew"]}"#
        );
    }
}
