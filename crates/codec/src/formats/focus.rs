//! FOCUS, the FinOps Foundation's common form of bills, 1.0 to 1.4, as a table or in JSON.
//!
//! The cost is `EffectiveCost`, else `BilledCost`. A line of the class `Correction` is one whatever
//! its category says. LiteLLM exports its spend in this form, with the hash of a virtual key as the
//! billing account. Columns are read in small and in capital letters, as databases change them.
//! Source: FinOps-Open-Cost-and-Usage-Spec/FOCUS_Spec; BerriAI/litellm, FOCUS export.

use model::{CountField, TextField};

use super::{Confidence, Decoder, Format, azure, billing};
use crate::draft::Draft;
use crate::json::Json;
use crate::rejection::Rejection;
use crate::rows::Rows;

pub(super) static DECODER: Decoder = Decoder {
    format: Format::Focus,
    marks: &["ChargePeriodStart"],
    signature,
    decode,
};

/// Columns of a key that exporters add.
const KEYS: [&str; 4] = ["x_ApiKeyId", "x_KeyId", "x_ApiKeyHash", "x_api_key_id"];

/// What tells a line from its neighbours.
const DIMENSIONS: [&str; 25] = [
    "BillingAccountId",
    "SubAccountId",
    "ResourceId",
    "ResourceName",
    "ServiceName",
    "ServiceProviderName",
    "ProviderName",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "SkuId",
    "SkuPriceId",
    "SkuMeter",
    "PricingCategory",
    "PricingUnit",
    "ConsumedUnit",
    "BillingCurrency",
    "RegionId",
    "AvailabilityZone",
    "CommitmentDiscountId",
    "CommitmentDiscountStatus",
    "Tags",
    "x_UsageType",
    "x_Operation",
];

/// What is kept beside the fields, by the name it is kept under.
const EXTRA: [(&str, &str); 8] = [
    ("service", "ServiceName"),
    ("description", "ChargeDescription"),
    ("sku", "SkuId"),
    ("sku_meter", "SkuMeter"),
    ("usage_type", "x_UsageType"),
    ("publisher", "PublisherName"),
    ("host_provider", "HostProviderName"),
    ("resource_type", "ResourceType"),
];

fn signature(json: Json<'_>) -> Option<Confidence> {
    let has = |name| json.any_case(name).is_there();
    let own = has("ChargePeriodStart") && (has("EffectiveCost") || has("BilledCost"));
    own.then_some(Confidence::Certain)
}

fn decode(rows: &mut Rows<'_>, json: Json<'_>) -> Result<(), Rejection> {
    let get = |name| json.any_case(name);
    let mut draft = billing::line();
    draft.span(get("ChargePeriodStart"), get("ChargePeriodEnd"))?;
    let vendor = json.first_of_any_case(&["ServiceProviderName", "ProviderName"]);
    let resource = get("ResourceId");
    let words = [
        get("ServiceName"),
        get("ChargeDescription"),
        resource,
        get("x_ServiceCode"),
    ];
    if let Some(vendor) = vendor.str() {
        draft.set(TextField::Provider, billing::provider(vendor, &words));
    }
    let key_is_account = get("BillingAccountType")
        .str()
        .is_some_and(|kind| kind.eq_ignore_ascii_case("API Key"));
    if key_is_account {
        set_litellm(&mut draft, json);
    } else {
        set_cloud(&mut draft, json);
    }
    billing::scope(&mut draft);
    draft.text(TextField::Region, get("RegionId"));
    draft.text(TextField::Operation, get("x_Operation"));

    let cost = json.first_of_any_case(&["EffectiveCost", "BilledCost"]);
    let dollars = json.first_of_any_case(&["x_EffectiveCostInUsd", "x_BilledCostInUsd"]);
    billing::amount(&mut draft, cost, get("BillingCurrency"), Some(dollars))?;
    let category = get("ChargeCategory");
    let class = get("ChargeClass");
    let is_correction = class.label().is_some();
    billing::charge(
        &mut draft,
        if is_correction { class } else { category },
        cost,
    );
    if is_correction {
        draft.extra("charge_category", category);
    }
    let (quantity, unit) = match get("ConsumedQuantity") {
        quantity if quantity.label().is_some() => (quantity, get("ConsumedUnit")),
        _ => (get("PricingQuantity"), get("PricingUnit")),
    };
    if key_is_account && unit.str() == Some("Requests") {
        draft.count(CountField::Requests, quantity)?;
    } else {
        billing::quantity(&mut draft, quantity, unit)?;
    }
    for (kept, name) in EXTRA {
        draft.extra(kept, get(name));
    }
    let key = json.first_of_any_case(&KEYS);
    let parts = DIMENSIONS.map(get).into_iter().chain([key]);
    let id = billing::id("focus", &draft, parts);
    draft.set(TextField::Id, id);
    billing::tags(&mut draft, get("Tags"));
    rows.push(json, draft)
}

/// The account is the hash of a virtual key, the sub-account the team, the resource the model.
fn set_litellm<'t>(draft: &mut Draft<'t>, json: Json<'t>) {
    let get = |name| json.any_case(name);
    let key = get("BillingAccountId");
    draft.set(TextField::Source, "gateway");
    draft.text(TextField::Key, key);
    let is_hash = |key: &str| key.len() == 64 && key.bytes().all(|byte| byte.is_ascii_hexdigit());
    if let Some(key) = key.label() {
        draft.set(
            TextField::KeyKind,
            if is_hash(key) { "sha256" } else { "alias" },
        );
    }
    draft.text(TextField::KeyAlias, get("BillingAccountName"));
    draft.text(TextField::Team, get("SubAccountId"));
    draft.extra("team_alias", get("SubAccountName"));
    draft.text(
        TextField::Model,
        json.first_of_any_case(&["ResourceId", "ResourceName"]),
    );
}

/// A key where a column of the exporter has one, else the resource.
fn set_cloud<'t>(draft: &mut Draft<'t>, json: Json<'t>) {
    let get = |name| json.any_case(name);
    let (account, sub_account) = (get("BillingAccountId"), get("SubAccountId"));
    let resource = get("ResourceId").str().unwrap_or_default();
    let provider = draft
        .row
        .text(TextField::Provider)
        .unwrap_or_default()
        .to_owned();
    if provider.starts_with("azure") {
        azure::set_resource(draft, resource);
        if let Some(subscription) = sub_account.label() {
            let subscription = subscription.rsplit('/').next().unwrap_or(subscription);
            draft.set(TextField::Account, subscription.to_ascii_lowercase());
        }
        draft.extra("billing_account", account);
    } else if provider.starts_with("aws") && sub_account.label().is_some() {
        draft.text(TextField::Account, sub_account);
        draft.extra("billing_account", account);
    } else {
        draft.text(TextField::Account, account);
        draft.text(TextField::Project, sub_account);
    }
    if draft.row.text(TextField::Account).is_none() {
        draft.text(TextField::Account, account);
    }
    let key = json.first_of_any_case(&KEYS);
    if key.label().is_some() {
        draft.text(TextField::Key, key);
        draft.set(TextField::KeyKind, "provider_id");
    }
    billing::resource(draft, resource);
}
