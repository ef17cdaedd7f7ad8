//! The billing export of Google Cloud to BigQuery, a row a line.
//!
//! Credits stand in the line that they lower: each becomes a line of its own, and the cost is what
//! was used before them. The export corrects nothing: what is reported late is another row to be
//! added, so that the time of the export is a part of the id.
//! Source: Google documentation, "Structure of the detailed data export".

use model::TextField;

use super::{Confidence, Decoder, Format, billing};
use crate::draft::Draft;
use crate::json::Json;
use crate::rejection::Rejection;
use crate::rows::Rows;

pub(super) static DECODER: Decoder = Decoder {
    format: Format::GcpBilling,
    marks: &["billing_account_id"],
    signature,
    decode,
};

/// What tells a line from its neighbours.
const DIMENSIONS: [&[&str]; 19] = [
    &["billing_account_id"],
    &["service", "id"],
    &["sku", "id"],
    &["project", "id"],
    &["project", "number"],
    &["resource", "name"],
    &["resource", "global_name"],
    &["location", "region"],
    &["location", "zone"],
    &["labels"],
    &["system_labels"],
    &["tags"],
    &["cost_type"],
    &["currency"],
    &["usage", "unit"],
    &["invoice", "month"],
    &["transaction_type"],
    &["adjustment_info", "id"],
    &["export_time"],
];

fn signature(json: Json<'_>) -> Option<Confidence> {
    let own =
        json.get("billing_account_id").exists() && json.has("usage_start_time") && json.has("cost");
    own.then_some(Confidence::Certain)
}

fn decode(rows: &mut Rows<'_>, json: Json<'_>) -> Result<(), Rejection> {
    let dimensions = DIMENSIONS.map(|place| json.path(place));
    let line = line(json)?;
    let mut draft = line.clone();
    let cost = json.get("cost");
    billing::amount(&mut draft, cost, json.get("currency"), None)?;
    billing::charge(&mut draft, json.get("cost_type"), cost);
    let usage = json.get("usage");
    let unit = usage.first(&["pricing_unit", "unit"]);
    let quantity = match usage.get("amount_in_pricing_units") {
        quantity if quantity.exists() && usage.get("pricing_unit").exists() => quantity,
        _ => usage.get("amount"),
    };
    billing::quantity(&mut draft, quantity, unit)?;
    let id = billing::id("gcp.billing", &draft, dimensions);
    draft.set(TextField::Id, id);
    rows.push(json, draft)?;

    let currency = json.get("currency");
    rows.each(json.get("credits").items(), |rows, credit| {
        let mut draft = line.clone();
        let amount = credit.get("amount");
        billing::amount(&mut draft, amount, currency, None)?;
        draft.set(TextField::Charge, "Credit");
        draft.extra("credit", credit.get("name"));
        draft.extra("credit_type", credit.get("type"));
        let names = ["id", "type", "name", "full_name"];
        let parts = names.map(|name| credit.get(name));
        let parts = dimensions.into_iter().chain(parts);
        let id = billing::id("gcp.billing credit", &draft, parts);
        draft.set(TextField::Id, id);
        rows.push(json, draft)
    });
    Ok(())
}

/// Starts a line with all that it shares with its credits.
fn line(json: Json<'_>) -> Result<Draft<'_>, Rejection> {
    let mut draft = billing::line();
    draft.span(json.get("usage_start_time"), json.get("usage_end_time"))?;
    let (service, sku) = (
        json.path(&["service", "description"]),
        json.path(&["sku", "description"]),
    );
    draft.set(
        TextField::Provider,
        billing::provider("gcp", &[service, sku]),
    );
    draft.text(TextField::Account, json.get("billing_account_id"));
    draft.text(TextField::Project, json.path(&["project", "id"]));
    draft.text(TextField::Region, json.path(&["location", "region"]));
    let resource = json.get("resource").first(&["global_name", "name"]);
    billing::resource(&mut draft, resource.str().unwrap_or_default());
    billing::scope(&mut draft);
    draft.extra("service", service);
    draft.extra("sku", sku);
    draft.extra("invoice_month", json.path(&["invoice", "month"]));
    draft.extra("conversion_rate", json.get("currency_conversion_rate"));
    billing::tags(&mut draft, json.get("labels"));
    Ok(draft)
}
