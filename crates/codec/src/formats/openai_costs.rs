//! OpenAI's cost report: `GET /v1/organization/costs`, in buckets of a day.
//!
//! `amount.value` is in dollars, as a number or as a text. Credits are negative lines of their own.
//! Source: openai/openai-openapi, `CostsResult`.

use std::borrow::Cow;

use model::{Nanos, TextField};

use super::openai_usage::{self, Bounds};
use super::{Decoder, Format, identity};
use crate::draft::Draft;
use crate::json::{Json, Unit};
use crate::rejection::Rejection;
use crate::rows::Rows;

pub(super) static DECODER: Decoder = Decoder {
    format: Format::OpenaiCosts,
    marks: &["object"],
    signature: |json| openai_usage::signature(json, "organization.costs.result"),
    decode: |rows, json| openai_usage::decode(rows, json, read),
};

const DIMENSIONS: [&str; 5] = [
    "project_id",
    "user_id",
    "api_key_id",
    "line_item",
    "api_source",
];

fn read<'t>(rows: &mut Rows<'_>, bounds: Bounds<'t>, result: Json<'t>) -> Result<(), Rejection> {
    let Bounds { start, end } = bounds;
    let (line_item, amount) = (result.get("line_item"), result.get("amount"));
    let mut draft = Draft::new("cost");
    draft.span(start, end)?;
    draft.set(TextField::Source, "provider");
    draft.set(TextField::Provider, "openai");
    draft.text(TextField::Project, result.get("project_id"));
    draft.text(TextField::User, result.get("user_id"));
    draft.text(TextField::Key, result.get("api_key_id"));
    draft.extra("line_item", line_item);
    draft.extra("api_source", result.get("api_source"));
    // "gpt-6-astra, input_tokens"
    if let Some((model, _)) = line_item.str().and_then(|item| item.split_once(", ")) {
        draft.set(TextField::Model, model);
    }
    openai_usage::set_scope(&mut draft, result);

    let currency = amount.get("currency").str().unwrap_or("usd");
    if currency.eq_ignore_ascii_case("usd") {
        draft.cost(amount.get("value"), Unit::Dollars, "billing")?;
    } else {
        // There are no exchange rates here: an unknown cost is better than a wrong one.
        draft.extra("amount", amount.get("value"));
    }
    draft.set(TextField::Currency, currency.to_ascii_uppercase());
    let credit = draft.row.cost.is_some_and(|cost| cost < Nanos::default());
    draft.set(TextField::Charge, if credit { "Credit" } else { "Usage" });
    let unit = result.get("quantity_unit").str().unwrap_or("quantity");
    if let Some(quantity) = result.get("quantity").number()? {
        draft.row.other_units.push((Cow::Borrowed(unit), quantity));
    }

    let mut parts = Vec::with_capacity(16);
    parts.extend([start.raw(), end.raw(), currency]);
    parts.extend(DIMENSIONS.map(|name| result.get(name).raw()));
    // A credit stands beside the usage that it is for, under the same dimensions.
    parts.push(if credit { "credit" } else { "usage" });
    draft.set(TextField::Id, identity::of_line("openai.costs", parts));
    draft.text(TextField::Account, result.get("organization_id"));
    rows.push(result, draft)
}
