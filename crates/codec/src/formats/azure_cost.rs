//! The cost details of Azure, a line a day, as a table or in JSON.
//!
//! Agreements differ in letter case (`SubscriptionId`, `subscriptionId`) and write the day as
//! `05/04/2026` or `2026-05-04`. Newer ones have the amount in dollars beside that in the currency
//! of the bill.
//! Source: Azure documentation, "Understand usage details fields".

use model::TextField;

use super::{Confidence, Decoder, Format, azure, billing};
use crate::json::Json;
use crate::rejection::Rejection;
use crate::rows::Rows;

pub(super) static DECODER: Decoder = Decoder {
    format: Format::AzureCost,
    marks: &["MeterCategory"],
    signature,
    decode,
};

const COSTS: [&str; 3] = ["CostInBillingCurrency", "PreTaxCost", "Cost"];
const CURRENCIES: [&str; 5] = [
    "BillingCurrencyCode",
    "BillingCurrency",
    "Currency",
    "CurrencyCode",
    "BillingCurrencySymbol",
];
const DAYS: [&str; 3] = ["Date", "UsageDateTime", "UsageDate"];
const RESOURCES: [&str; 2] = ["ResourceId", "InstanceId"];

/// What tells a line from its neighbours.
const DIMENSIONS: [&str; 20] = [
    "SubscriptionId",
    "SubscriptionGuid",
    "ResourceId",
    "InstanceId",
    "MeterId",
    "MeterCategory",
    "MeterSubCategory",
    "MeterName",
    "UnitOfMeasure",
    "ChargeType",
    "PricingModel",
    "ProductName",
    "ServiceFamily",
    "Term",
    "ReservationId",
    "BenefitId",
    "CostCenter",
    "AdditionalInfo",
    "Tags",
    "InvoiceSectionId",
];

/// What is kept beside the fields, by the name it is kept under.
const EXTRA: [(&str, &str); 6] = [
    ("meter", "MeterName"),
    ("meter_category", "MeterCategory"),
    ("meter_subcategory", "MeterSubCategory"),
    ("product", "ProductName"),
    ("cost_center", "CostCenter"),
    ("billing_account", "BillingAccountId"),
];

fn signature(json: Json<'_>) -> Option<Confidence> {
    let has = |names: &[&str]| names.iter().any(|name| json.any_case(name).is_there());
    let own = json.any_case("MeterCategory").is_there() && has(&COSTS) && has(&DAYS);
    own.then_some(Confidence::Certain)
}

fn decode(rows: &mut Rows<'_>, json: Json<'_>) -> Result<(), Rejection> {
    let get = |name| json.any_case(name);
    let mut draft = billing::line();
    billing::day(&mut draft, json.first_of_any_case(&DAYS))?;
    let resource = json.first_of_any_case(&RESOURCES).str().unwrap_or_default();
    let words = [
        get("MeterCategory"),
        get("MeterSubCategory"),
        get("MeterName"),
        get("ProductName"),
        json.first_of_any_case(&RESOURCES),
    ];
    draft.set(TextField::Provider, billing::provider("azure", &words));
    azure::set_resource(&mut draft, resource);
    let subscription = json.first_of_any_case(&["SubscriptionId", "SubscriptionGuid"]);
    if let Some(subscription) = subscription.label() {
        draft.set(TextField::Account, subscription.to_ascii_lowercase());
    }
    if draft.row.text(TextField::Project).is_none()
        && let Some(group) = json
            .first_of_any_case(&["ResourceGroup", "ResourceGroupName"])
            .label()
    {
        draft.set(TextField::Project, group.to_ascii_lowercase());
    }
    draft.text(
        TextField::Region,
        json.first_of_any_case(&["ResourceLocation", "Location"]),
    );
    billing::resource(&mut draft, resource);
    billing::scope(&mut draft);
    let cost = json.first_of_any_case(&COSTS);
    let currency = json.first_of_any_case(&CURRENCIES);
    billing::amount(&mut draft, cost, currency, Some(get("CostInUsd")))?;
    billing::charge(&mut draft, get("ChargeType"), cost);
    let quantity = json.first_of_any_case(&["Quantity", "UsageQuantity"]);
    billing::quantity(&mut draft, quantity, get("UnitOfMeasure"))?;
    for (kept, name) in EXTRA {
        draft.extra(kept, get(name));
    }
    let parts = DIMENSIONS.map(get).into_iter().chain([currency]);
    let id = billing::id("azure.cost", &draft, parts);
    draft.set(TextField::Id, id);
    billing::tags(&mut draft, get("Tags"));
    rows.push(json, draft)
}
