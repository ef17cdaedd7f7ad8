//! The columns of a batch that are read, found once for all its rows.

use columns::arrow::array::{Array, BooleanArray, Decimal128Array, Int64Array, StringArray};
use columns::{UsageBatch, decimal_cost};
use model::{CountField, FlagField, TextField, Timestamp};

use crate::scope::Scope;
use crate::tally::Call;
use crate::windows::Amounts;

/// The word of quality of what another topic reports too.
const COUNTED_ELSEWHERE: &str = "counted_elsewhere";

/// What a row's usage is counted for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subject<'a> {
    /// One key.
    Key(&'a str),
    /// What a project, or an account, uses without a key.
    Scope(String),
    /// An inventory entry or a change: no usage.
    Nothing,
}

/// Returns a cell of a batch that is read row by row.
pub(crate) fn text(usage_batch: &UsageBatch, field: TextField, row: usize) -> Option<&str> {
    let column = usage_batch.text(field);
    (!column.is_null(row)).then(|| column.value(row))
}

/// The rows of a batch.
pub(crate) struct Rows<'b> {
    usage_batch: &'b UsageBatch,
    provider: Texts<'b>,
    account: Texts<'b>,
    key: Texts<'b>,
    kind: Texts<'b>,
    id: Texts<'b>,
    project: Texts<'b>,
    workspace: Texts<'b>,
    hint: Texts<'b>,
    operation: Texts<'b>,
    model: Texts<'b>,
    client: Texts<'b>,
    address: Texts<'b>,
    prefix: Texts<'b>,
    aggregate: Option<&'b BooleanArray>,
    requests: Counts<'b>,
    input_tokens: Counts<'b>,
    output_tokens: Counts<'b>,
    status: Counts<'b>,
    asn: Counts<'b>,
    costs: &'b Decimal128Array,
    quality: Option<&'b StringArray>,
    has_spans: bool,
}

impl<'b> Rows<'b> {
    pub(crate) fn new(usage_batch: &'b UsageBatch) -> Self {
        let texts = |field| Texts::new(usage_batch.text(field));
        let counts = |field| Counts::new(usage_batch.count(field));
        let aggregate = usage_batch.flag(FlagField::Aggregate);
        let quality = usage_batch.quality();
        let columns = usage_batch.columns();
        let has_any = |at: usize| columns.column(at).null_count() < usage_batch.rows();
        Self {
            usage_batch,
            provider: texts(TextField::Provider),
            account: texts(TextField::Account),
            key: texts(TextField::Key),
            kind: texts(TextField::Kind),
            id: texts(TextField::Id),
            project: texts(TextField::Project),
            workspace: texts(TextField::Workspace),
            hint: texts(TextField::KeyHint),
            operation: texts(TextField::Operation),
            model: texts(TextField::Model),
            client: texts(TextField::UserAgent),
            address: texts(TextField::SourceIp),
            prefix: texts(TextField::SourceIpPrefix),
            aggregate: (aggregate.null_count() < aggregate.len()).then_some(aggregate),
            requests: counts(CountField::Requests),
            input_tokens: counts(CountField::InputTokens),
            output_tokens: counts(CountField::OutputTokens),
            status: counts(CountField::Status),
            asn: counts(CountField::Asn),
            costs: usage_batch.costs(),
            quality: (quality.null_count() < quality.len()).then_some(quality),
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

    /// Returns whether another topic reports what a row says: it is counted there.
    pub(crate) fn is_counted_elsewhere(&self, row: usize) -> bool {
        let quality = self.quality.filter(|quality| !quality.is_null(row));
        quality.is_some_and(|quality| {
            let mut words = quality.value(row).split(',');
            words.any(|word| word == COUNTED_ELSEWHERE)
        })
    }

    /// Returns whether a row is a billing line.
    pub(crate) fn is_bill(&self, row: usize) -> bool {
        self.kind.get(row) == Some("cost")
    }

    /// Returns whether a row is an entry of a list of keys, or something that was done to one.
    pub(crate) fn is_record(&self, row: usize) -> bool {
        matches!(self.kind.get(row), Some("key" | "audit"))
    }

    /// Returns whose usage a row is.
    pub(crate) fn subject(&self, row: usize) -> Subject<'b> {
        if !matches!(self.kind.get(row), None | Some("usage" | "access")) {
            return Subject::Nothing;
        }
        let is_sum = self
            .aggregate
            .is_some_and(|aggregate| !aggregate.is_null(row) && aggregate.value(row));
        match self.key.get(row) {
            Some(key) if !is_sum => Subject::Key(key),
            _ => {
                let project = self.project.get(row).or_else(|| self.workspace.get(row));
                Subject::Scope(Scope::write(is_sum, project))
            }
        }
    }

    /// Returns provider and account of a row.
    pub(crate) fn account(&self, row: usize) -> (&'b str, &'b str) {
        let provider = self.provider.get(row).unwrap_or_default();
        (provider, self.account.get(row).unwrap_or_default())
    }

    /// Returns the id of a row that may be sent again with larger amounts: of a roll-up.
    pub(crate) fn restatable_id(&self, row: usize) -> Option<&'b str> {
        match self.span(row) {
            (None, None) => None,
            _ => self.id.get(row),
        }
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
            probes: is_refusal(status) || self.operation.get(row).is_some_and(lists),
        }
    }

    /// Returns the key's hint and project, as far as the row says them.
    pub(crate) fn labels(&self, row: usize) -> [Option<&'b str>; 2] {
        [self.hint.get(row), self.project.get(row)]
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

/// Returns whether a status says that the caller asked for what it may not have. Too many
/// requests (429) are no probing: they come with any rise, and volume speaks of those.
fn is_refusal(status: u64) -> bool {
    (400..500).contains(&status) && status != 429
}

/// Returns whether an operation only lists what there is: `models.list`, `list_models`,
/// `ListFoundationModels`.
fn lists(operation: &str) -> bool {
    operation.starts_with("List")
        || operation
            .split(['.', '_', '/', ':', ' '])
            .any(|word| word == "list")
}
