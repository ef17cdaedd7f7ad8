//! Anthropic's cost report: `GET /v1/organizations/cost_report`, in buckets of a day.
//!
//! `amount` is a decimal number of **cents** in a text. No line names a key, and what a priority
//! tier costs is in none of them.
//! Source: Anthropic's Admin API reference.

use model::{FlagField, Nanos, TextField};

use super::{Decoder, Format, anthropic_usage, identity};
use crate::draft::Draft;
use crate::json::{Json, Unit};
use crate::rejection::Rejection;
use crate::rows::Rows;

pub(super) static DECODER: Decoder = Decoder {
    format: Format::AnthropicCosts,
    marks: &["cost_type", "data", "starting_at"],
    signature: |json| anthropic_usage::signature(json, "cost_type").filter(|_| has_costs(json)),
    decode: |rows, json| anthropic_usage::decode(rows, json, read),
};

/// The dimensions of a line and the fields they are.
const DIMENSIONS: [(&str, TextField); 4] = [
    ("workspace_id", TextField::Workspace),
    ("model", TextField::Model),
    ("service_tier", TextField::ServiceTier),
    ("inference_geo", TextField::Region),
];

/// Dimensions that are no field of the event.
const OTHER_DIMENSIONS: [&str; 4] = ["cost_type", "description", "token_type", "context_window"];

/// A result by itself needs its amount and a dimension of Anthropic's too: others have a
/// `cost_type`, and an amount that is none of cents.
fn has_costs(json: Json<'_>) -> bool {
    const OWN: [&str; 5] = [
        "starting_at",
        "workspace_id",
        "token_type",
        "context_window",
        "inference_geo",
    ];
    let own = || OWN.iter().any(|name| json.has(name));
    !json.has("cost_type") || (json.get("amount").label().is_some() && own())
}

fn read<'t>(
    rows: &mut Rows<'_>,
    [start, end]: [Json<'t>; 2],
    result: Json<'t>,
) -> Result<(), Rejection> {
    let mut draft = Draft::new("cost");
    draft.span(start, end)?;
    draft.set(TextField::Source, "provider");
    draft.set(TextField::Provider, "anthropic");
    let currency = result.get("currency").str().unwrap_or("USD");
    let mut parts = Vec::with_capacity(16);
    parts.extend([start.raw(), end.raw(), currency]);
    for (name, field) in DIMENSIONS {
        let value = result.get(name);
        draft.text(field, value);
        parts.push(value.raw());
    }
    for name in OTHER_DIMENSIONS {
        let value = result.get(name);
        draft.extra(name, value);
        parts.push(value.raw());
    }
    if let Some(tier) = result.get("service_tier").str() {
        draft.row.flags[FlagField::Batch as usize] = Some(tier == "batch");
    }
    let workspace = result.get("workspace_id").label().is_some();
    draft.scope(if workspace { "project" } else { "org" });
    set_cost(&mut draft, result.get("amount"), currency, "billing")?;
    let credit = draft.row.cost.is_some_and(|cost| cost < Nanos::default());
    draft.set(TextField::Charge, if credit { "Credit" } else { "Usage" });
    // A credit stands beside the usage that it is for, under the same dimensions.
    parts.push(if credit { "credit" } else { "usage" });
    draft.set(TextField::Id, identity::of_line("anthropic.costs", parts));
    draft.text(TextField::Account, result.get("organization_id"));
    rows.push(result, draft)
}

/// Sets a cost in cents, and keeps the number of one in another currency beside it.
pub(super) fn set_cost<'t>(
    draft: &mut Draft<'t>,
    amount: Json<'t>,
    currency: &'t str,
    source: &'static str,
) -> Result<(), Rejection> {
    if !amount.exists() {
        return Ok(());
    }
    if currency.eq_ignore_ascii_case("usd") {
        draft.cost(amount, Unit::Cents, source)?;
    } else {
        // There are no exchange rates here: an unknown cost is better than a wrong one.
        draft.extra("amount", amount);
    }
    if currency.bytes().any(|byte| byte.is_ascii_lowercase()) {
        draft.set(TextField::Currency, currency.to_ascii_uppercase());
    } else {
        draft.set(TextField::Currency, currency);
    }
    Ok(())
}
