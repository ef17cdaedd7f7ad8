//! OpenTelemetry metrics: counters of tokens and dollars.
//!
//! | metric | what of it is read |
//! |---|---|
//! | `gen_ai.client.inference.usage.*` | sums; cached and reasoning tokens are parts of the others |
//! | `gen_ai.client.token.usage`, before those | sum and count of the histogram, by `gen_ai.token.type` |
//! | `claude_code.token.usage`, `claude_code.cost.usage` | sums, by `type`; cached tokens beside the input |
//!
//! Other histograms (durations, tokens of an operation) are distributions and no totals. The points
//! of one scope that differ in nothing but the class of tokens are one row.
//!
//! A delta is the row of its interval. A cumulative sum is what was counted since its start: the
//! row of a bucket that is still open, which comes again under the same id with a larger number and
//! has to replace what is there. Its rows never feed a key's baseline. After a reset the start is
//! another one, and so is the id.
//! Source: open-telemetry/opentelemetry-proto, `metrics.proto`; the OpenTelemetry data model.

use std::collections::{BTreeSet, HashMap};

use model::{CountField, FlagField, Nanos, Quality, Reason, TextField};

use super::otlp::{self, Around, Attributes, Event, Names, genai};
use super::{Confidence, Decoder, Format, identity};
use crate::draft::Draft;
use crate::json::{Json, MAX_COUNT, Unit};
use crate::meaning::tokens::{Convention, Tokens};
use crate::rejection::Rejection;
use crate::rows::Rows;

pub(super) static DECODER: Decoder = Decoder {
    format: Format::OtlpMetrics,
    marks: &[
        "resourceMetrics",
        "resource_metrics",
        "scopeMetrics",
        "scope_metrics",
        "instrumentationLibraryMetrics",
        "instrumentation_library_metrics",
    ],
    signature,
    decode,
};

static NAMES: Names = Names {
    resources: &["resourceMetrics", "resource_metrics"],
    scopes: &[
        "scopeMetrics",
        "scope_metrics",
        "instrumentationLibraryMetrics",
        "instrumentation_library_metrics",
    ],
    items: &["metrics"],
};

/// What a metric or a point of it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Input,
    Output,
    CacheRead,
    CacheWrite,
    Reasoning,
    Cost,
}

/// Metrics that are read, what they count, and the family whose points make up one row.
const METRICS: [(&str, &str, Option<Class>); 9] = [
    (
        "gen_ai.client.inference.usage.input_tokens",
        USAGE,
        Some(Class::Input),
    ),
    (
        "gen_ai.client.inference.usage.output_tokens",
        USAGE,
        Some(Class::Output),
    ),
    (
        "gen_ai.client.inference.usage.cache_read.input_tokens",
        USAGE,
        Some(Class::CacheRead),
    ),
    (
        "gen_ai.client.inference.usage.cache_write.input_tokens",
        USAGE,
        Some(Class::CacheWrite),
    ),
    (
        "gen_ai.client.inference.usage.cache_creation.input_tokens",
        USAGE,
        Some(Class::CacheWrite),
    ),
    (
        "gen_ai.client.inference.usage.reasoning.output_tokens",
        USAGE,
        Some(Class::Reasoning),
    ),
    (
        "gen_ai.client.token.usage",
        "gen_ai.client.token.usage",
        None,
    ),
    ("claude_code.token.usage", CLAUDE_CODE, None),
    ("claude_code.cost.usage", CLAUDE_CODE, Some(Class::Cost)),
];
const USAGE: &str = "gen_ai.client.inference.usage";
const CLAUDE_CODE: &str = "claude_code";

/// Attributes that say what of a series a point counts, and are no dimension of it.
const CLASSES: [&str; 3] = ["gen_ai.token.type", "type", "gen_ai.token.modality"];

/// The bit of a point's flags that says that there is no value.
const NO_RECORDED_VALUE: u64 = 1;

fn signature(json: Json<'_>) -> Option<Confidence> {
    otlp::signature(json, &NAMES)
}

fn decode(rows: &mut Rows<'_>, json: Json<'_>) -> Result<(), Rejection> {
    otlp::each_scope(rows, json, &NAMES, |rows, around, scope| {
        let mut series = Series::default();
        rows.each(otlp::list(scope.first(NAMES.items))?, |rows, metric| {
            series.add(rows, around, metric)
        });
        for sum in series.sums {
            let json = sum.json;
            if let Err(rejection) = sum.push(rows, around) {
                rows.fail(json.raw().as_bytes(), rejection);
            }
            json.tree().forgive(json);
        }
        Ok(())
    })
}

/// The series of one scope, in the order in which they come.
#[derive(Default)]
struct Series<'t> {
    sums: Vec<Sum<'t>>,
    by_identity: HashMap<String, usize>,
}

/// What the points of one series and interval come to.
struct Sum<'t> {
    json: Json<'t>,
    identity: String,
    family: &'static str,
    cumulative: bool,
    start: Json<'t>,
    end: Json<'t>,
    tokens: Tokens,
    cost: Option<Nanos>,
    /// The number of calls that counted anything.
    requests: Option<u64>,
    classes: BTreeSet<Class>,
}

impl<'t> Series<'t> {
    fn add(
        &mut self,
        rows: &mut Rows<'_>,
        around: &Around<'_, 't>,
        metric: Json<'t>,
    ) -> Result<(), Rejection> {
        let name = metric.get("name").str().unwrap_or_default();
        let Some((_, family, class)) = METRICS.iter().find(|(known, _, _)| *known == name) else {
            return Ok(());
        };
        let data = metric.first(&[
            "sum",
            "histogram",
            "exponentialHistogram",
            "exponential_histogram",
        ]);
        let temporality = data.first(&["aggregationTemporality", "aggregation_temporality"]);
        let cumulative = match temporality.label() {
            _ if !data.exists() => return Ok(()),
            Some("1" | "AGGREGATION_TEMPORALITY_DELTA" | "DELTA") => false,
            Some("2" | "AGGREGATION_TEMPORALITY_CUMULATIVE" | "CUMULATIVE") => true,
            _ => {
                let detail = "the metric does not say whether it is a delta or cumulative";
                return Err(Rejection::new(Reason::MissingField, detail));
            }
        };
        let points = otlp::list(data.first(&["dataPoints", "data_points"]))?;
        rows.each(points, |_, point| {
            self.add_point(around, point, family, *class, cumulative)
        });
        Ok(())
    }

    fn add_point(
        &mut self,
        around: &Around<'_, 't>,
        point: Json<'t>,
        family: &'static str,
        class: Option<Class>,
        cumulative: bool,
    ) -> Result<(), Rejection> {
        let own = Attributes::of(point);
        let class = class.or_else(|| {
            let class = CLASSES[..2].iter().find_map(|name| own.get(name));
            class_of(class?.str()?)
        });
        let flags = point.get("flags").count()?.unwrap_or(0);
        let Some(class) = class.filter(|_| flags & NO_RECORDED_VALUE == 0) else {
            return Ok(());
        };
        let value = point.first(&["asInt", "as_int", "asDouble", "as_double", "sum"]);
        let (start, end) = (
            point.first(&["startTimeUnixNano", "start_time_unix_nano"]),
            point.first(&["timeUnixNano", "time_unix_nano"]),
        );
        let known = |time: Json<'_>| time.label().is_some_and(|time| time != "0");
        if !known(end) || (cumulative && !known(start)) {
            let detail = "the point does not say which time it covers";
            return Err(Rejection::new(Reason::MissingField, detail));
        }
        // What is read here is refused here: the row comes later.
        let (tokens, cost) = match class {
            Class::Cost => (None, value.money(Unit::Dollars)?),
            _ => (value.count()?, None),
        };
        let requests = match class {
            Class::Input | Class::Output => point.get("count").count()?,
            _ => None,
        };
        if let Some(twice) = point.tree().ambiguous() {
            return Err(twice.fault(Reason::DuplicateField, format_args!("given twice")));
        }
        if tokens.is_none() && cost.is_none() {
            return Ok(());
        }
        let identity = identity_of(around, &own, family, start, (!cumulative).then_some(end));
        let sums = &mut self.sums;
        let at = *self
            .by_identity
            .entry(identity)
            .or_insert_with_key(|identity| {
                sums.push(Sum {
                    json: point,
                    identity: identity.clone(),
                    family,
                    cumulative,
                    start,
                    end,
                    tokens: Tokens {
                        convention: match family {
                            CLAUDE_CODE => Convention::Exclusive,
                            _ => Convention::Inclusive,
                        },
                        ..Tokens::default()
                    },
                    cost: None,
                    requests: None,
                    classes: BTreeSet::new(),
                });
                sums.len() - 1
            });
        match self.sums.get_mut(at) {
            Some(sum) => sum.add(class, tokens, cost, requests),
            None => Ok(()),
        }
    }
}

/// Reads the class of a point, in every spelling of `gen_ai.token.type` and Claude Code's `type`.
fn class_of(word: &str) -> Option<Class> {
    Some(match word {
        "input" | "prompt" => Class::Input,
        "output" | "completion" => Class::Output,
        "cacheRead" | "cache_read" | "input_cached" | "cached" => Class::CacheRead,
        "cacheCreation" | "cache_creation" | "cache_write" => Class::CacheWrite,
        "reasoning" => Class::Reasoning,
        _ => return None,
    })
}

/// Names a series and, of deltas, the interval: everything but the class and the amount.
fn identity_of<'t>(
    around: &Around<'_, 't>,
    own: &Attributes<'t>,
    family: &str,
    start: Json<'_>,
    end: Option<Json<'_>>,
) -> String {
    let mut parts = vec![family, start.raw(), end.map_or("", Json::raw)];
    parts.extend(around.identity());
    for (name, value) in own.pairs().filter(|(name, _)| !CLASSES.contains(name)) {
        parts.extend([name, value]);
    }
    identity::of_line("otlp.metrics", parts)
}

impl<'t> Sum<'t> {
    fn add(
        &mut self,
        class: Class,
        tokens: Option<u64>,
        cost: Option<Nanos>,
        requests: Option<u64>,
    ) -> Result<(), Rejection> {
        let too_much = || {
            let detail = format!("the points of a series are more than {MAX_COUNT} together");
            Rejection::new(Reason::Number, detail)
        };
        let place = match class {
            Class::Input => Some(&mut self.tokens.input),
            Class::Output => Some(&mut self.tokens.output),
            Class::CacheRead => Some(&mut self.tokens.cache_read),
            Class::CacheWrite => Some(&mut self.tokens.cache_write),
            Class::Reasoning => Some(&mut self.tokens.reasoning),
            Class::Cost => None,
        };
        if let Some((place, tokens)) = place.zip(tokens) {
            let sum = place.unwrap_or(0) + tokens;
            *place = Some(sum);
            if sum > MAX_COUNT {
                return Err(too_much());
            }
        }
        if let Some(cost) = cost {
            let sum = self.cost.unwrap_or_default().get().checked_add(cost.get());
            self.cost = Some(Nanos::new(sum.ok_or_else(too_much)?));
        }
        // Input and output are of the same calls.
        self.requests = self.requests.max(requests);
        self.classes.insert(class);
        Ok(())
    }

    fn push(self, rows: &mut Rows<'_>, around: &Around<'_, 't>) -> Result<(), Rejection> {
        let event = Event {
            own: Attributes::of(self.json),
            around,
        };
        let mut draft = Draft::new("usage");
        if self.start.label().is_some_and(|start| start != "0") {
            draft.span(self.start, self.end)?;
        } else {
            draft.time(self.end)?;
        }
        draft.set(TextField::Source, "app");
        if self.family == CLAUDE_CODE {
            draft.set(TextField::Provider, "anthropic");
        }
        genai::identify(rows, &event, &mut draft);
        if let Some(operation) = event.own(&["gen_ai.operation.name"]) {
            draft.text(TextField::Operation, operation);
        }
        if let Some(session) = event.own(&["session.id"]) {
            draft.extra("session_id", session);
        }
        let temporality = if self.cumulative {
            "cumulative"
        } else {
            "delta"
        };
        for (name, value) in [("metric", self.family), ("temporality", temporality)] {
            draft.row.extra.push((name.into(), value.into()));
        }
        let by_key = draft.row.text(TextField::Key).is_some();
        draft.scope(if by_key { "key" } else { "org" });
        if self.cumulative {
            draft.row.flags[FlagField::Aggregate as usize] = Some(true);
        }
        // Deltas of one interval may come in many records, a part of the classes in each, and are
        // added; an open bucket is replaced as a whole.
        let id = if self.cumulative {
            self.identity.clone()
        } else {
            let classes: Vec<String> = self
                .classes
                .iter()
                .map(|class| format!("{class:?}"))
                .collect();
            let parts = [self.identity.as_str()];
            let parts = parts.into_iter().chain(classes.iter().map(String::as_str));
            identity::of_line("otlp.metrics", parts)
        };
        draft.set(TextField::Id, id);
        if let Some(requests) = self.requests {
            draft.row.set_count(CountField::Requests, requests);
        }
        if let Some(cost) = self.cost {
            draft.row.cost = Some(cost);
            draft.set(TextField::CostSource, "reported");
            draft.quality(Quality::ESTIMATED_COST);
        }
        if self.tokens.convention == Convention::Inclusive && self.tokens.input.is_none() {
            // A part alone must not become a whole: its input is counted in another record.
            for (field, count) in [
                (CountField::CacheReadTokens, self.tokens.cache_read),
                (CountField::CacheWriteTokens, self.tokens.cache_write),
                (CountField::OutputTokens, self.tokens.output),
                (CountField::ReasoningTokens, self.tokens.reasoning),
            ] {
                draft.row.counts[field as usize] = count;
            }
        } else {
            draft.tokens(self.tokens)?;
        }
        event.check()?;
        rows.push(self.json, draft)
    }
}
