//! The columns of a batch that are read, found once for all its rows.

use columns::arrow::array::{Array, BooleanArray, Decimal128Array, Int64Array, StringArray};
use columns::{UsageBatch, decimal_cost};
use model::{CountField, FlagField, TextField, Timestamp};

use crate::tally::Call;
use crate::windows::Amounts;

/// The rows of a batch.
pub(crate) struct Rows<'b> {
    usage_batch: &'b UsageBatch,
    provider: Texts<'b>,
    account: Texts<'b>,
    key: Texts<'b>,
    kind: Texts<'b>,
    operation: Texts<'b>,
    model: Texts<'b>,
    client: Texts<'b>,
    address: Texts<'b>,
    prefix: Texts<'b>,
    labels: [Texts<'b>; 2],
    aggregate: Option<&'b BooleanArray>,
    requests: Counts<'b>,
    input_tokens: Counts<'b>,
    output_tokens: Counts<'b>,
    status: Counts<'b>,
    asn: Counts<'b>,
    costs: &'b Decimal128Array,
    has_spans: bool,
}

impl<'b> Rows<'b> {
    pub(crate) fn new(usage_batch: &'b UsageBatch) -> Self {
        let texts = |field| Texts::new(usage_batch.text(field));
        let counts = |field| Counts::new(usage_batch.count(field));
        let aggregate = usage_batch.flag(FlagField::Aggregate);
        let columns = usage_batch.columns();
        let has_any = |at: usize| columns.column(at).null_count() < usage_batch.rows();
        Self {
            usage_batch,
            provider: texts(TextField::Provider),
            account: texts(TextField::Account),
            key: texts(TextField::Key),
            kind: texts(TextField::Kind),
            operation: texts(TextField::Operation),
            model: texts(TextField::Model),
            client: texts(TextField::UserAgent),
            address: texts(TextField::SourceIp),
            prefix: texts(TextField::SourceIpPrefix),
            labels: [texts(TextField::KeyHint), texts(TextField::Project)],
            aggregate: (aggregate.null_count() < aggregate.len()).then_some(aggregate),
            requests: counts(CountField::Requests),
            input_tokens: counts(CountField::InputTokens),
            output_tokens: counts(CountField::OutputTokens),
            status: counts(CountField::Status),
            asn: counts(CountField::Asn),
            costs: usage_batch.costs(),
            // Start and end of a roll-up stand beside the time of the event.
            has_spans: has_any(1) || has_any(2),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.usage_batch.rows()
    }

    /// Returns the time of a row's event in milliseconds.
    pub(crate) fn time(&self, row: usize) -> i64 {
        self.usage_batch.event_time(row).millis()
    }

    /// Returns start and end of the roll-up that a row is, as far as it says so.
    pub(crate) fn span(&self, row: usize) -> (Option<i64>, Option<i64>) {
        if !self.has_spans {
            return (None, None);
        }
        let start = self.usage_batch.span_start(row);
        let end = self.usage_batch.span_end(row);
        (start.map(Timestamp::millis), end.map(Timestamp::millis))
    }

    /// Returns provider, account and key, if the row is the usage of one key.
    pub(crate) fn names(&self, row: usize) -> Option<(&'b str, &'b str, &'b str)> {
        let key = self.key.get(row)?;
        let over_many = self
            .aggregate
            .is_some_and(|aggregate| !aggregate.is_null(row) && aggregate.value(row));
        let kind = self.kind.get(row).unwrap_or("usage");
        if over_many || !matches!(kind, "usage" | "access") {
            return None;
        }
        let provider = self.provider.get(row).unwrap_or_default();
        Some((provider, self.account.get(row).unwrap_or_default(), key))
    }

    /// Returns the requests of a row: one where it does not say.
    pub(crate) fn requests(&self, row: usize) -> u64 {
        self.requests.get(row).unwrap_or(1)
    }

    pub(crate) fn amounts(&self, row: usize) -> Amounts {
        let tokens = |counts: &Counts<'_>| counts.get(row).unwrap_or(0);
        let cost = if self.costs.is_null(row) {
            0
        } else {
            decimal_cost(self.costs.value(row)).get().max(0)
        };
        Amounts {
            requests: self.requests(row),
            tokens: tokens(&self.input_tokens).saturating_add(tokens(&self.output_tokens)),
            cost_nanos: cost.unsigned_abs(),
        }
    }

    /// Returns what a row says of the caller and of what is called.
    pub(crate) fn call(&self, row: usize, amounts: Amounts) -> Call<'b> {
        let status = self.status.get(row).unwrap_or(0);
        Call {
            address: self.prefix.get(row).or_else(|| self.address.get(row)),
            asn: self.asn.get(row).filter(|&asn| asn > 0),
            client: self.client.get(row),
            model: self.model.get(row),
            requests: amounts.requests,
            cost_nanos: amounts.cost_nanos,
            probes: (400..500).contains(&status) || self.operation.get(row).is_some_and(lists),
        }
    }

    /// Returns the key's hint and project, as far as the row says them.
    pub(crate) fn labels(&self, row: usize) -> [Option<&'b str>; 2] {
        [self.labels[0].get(row), self.labels[1].get(row)]
    }
}

/// A column of texts; `None` where no row of the batch has one.
struct Texts<'b>(Option<&'b StringArray>);

impl<'b> Texts<'b> {
    fn new(column: &'b StringArray) -> Self {
        Self((column.null_count() < column.len()).then_some(column))
    }

    fn get(&self, row: usize) -> Option<&'b str> {
        let column = self.0?;
        (!column.is_null(row)).then(|| column.value(row))
    }
}

/// A column of counts, as [`Texts`]; a negative one counts as none.
struct Counts<'b>(Option<&'b Int64Array>);

impl<'b> Counts<'b> {
    fn new(column: &'b Int64Array) -> Self {
        Self((column.null_count() < column.len()).then_some(column))
    }

    fn get(&self, row: usize) -> Option<u64> {
        let column = self.0?;
        (!column.is_null(row)).then(|| column.value(row).max(0).unsigned_abs())
    }
}

/// Returns whether an operation only lists what there is: `models.list`, `list_models`,
/// `ListFoundationModels`.
fn lists(operation: &str) -> bool {
    operation.starts_with("List")
        || operation
            .split(['.', '_', '/', ':', ' '])
            .any(|word| word == "list")
}
