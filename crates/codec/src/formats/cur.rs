//! The Cost and Usage Report 2.0 of AWS, a row a line, in JSON or as a table.
//!
//! `identity_line_item_id` is another one in each version of a report, so that a line is known by
//! its bounds and dimensions. Discounts, credits and taxes are lines of their own.
//! Source: AWS documentation, "Cost and Usage Report (CUR) 2.0".

use model::TextField;

use super::{Confidence, Decoder, Format, billing};
use crate::json::{Json, Tree};
use crate::rejection::Rejection;
use crate::rows::Rows;

pub(super) static DECODER: Decoder = Decoder {
    format: Format::Cur,
    marks: &["line_item_usage_start_date"],
    signature,
    decode,
};

/// What tells a line from its neighbours.
const DIMENSIONS: [&str; 17] = [
    "bill_payer_account_id",
    "bill_bill_type",
    "line_item_usage_account_id",
    "line_item_line_item_type",
    "line_item_product_code",
    "line_item_usage_type",
    "line_item_operation",
    "line_item_resource_id",
    "line_item_availability_zone",
    "line_item_legal_entity",
    "line_item_line_item_description",
    "line_item_currency_code",
    "line_item_iam_principal",
    "line_item_user_identifier",
    "pricing_rate_code",
    "pricing_rate_id",
    "resource_tags",
];

/// What is kept beside the fields, by the name it is kept under.
const EXTRA: [(&str, &str); 7] = [
    ("line_item_id", "identity_line_item_id"),
    ("payer_account", "bill_payer_account_id"),
    ("product", "line_item_product_code"),
    ("usage_type", "line_item_usage_type"),
    ("description", "line_item_line_item_description"),
    ("user_identifier", "line_item_user_identifier"),
    ("invoice", "bill_invoice_id"),
];

fn signature(json: Json<'_>) -> Option<Confidence> {
    let own = json.has("line_item_usage_start_date") && json.has("line_item_unblended_cost");
    own.then_some(Confidence::Certain)
}

fn decode(rows: &mut Rows<'_>, json: Json<'_>) -> Result<(), Rejection> {
    let get = |name| json.get(name);
    // A column of maps is the text of one in a table.
    let product_text = get("product").str().map(Tree::parse);
    let product_tree = product_text.and_then(Result::ok);
    let product = match &product_tree {
        Some(tree) => tree.root(),
        None => get("product"),
    };
    let mut draft = billing::line();
    draft.span(
        get("line_item_usage_start_date"),
        get("line_item_usage_end_date"),
    )?;
    let words = [
        get("line_item_product_code"),
        get("line_item_resource_id"),
        get("line_item_usage_type"),
        get("line_item_line_item_description"),
        product.first(&["servicecode", "product_name", "servicename"]),
    ];
    draft.set(TextField::Provider, billing::provider("aws", &words));
    draft.text(TextField::Account, get("line_item_usage_account_id"));
    draft.text(TextField::Operation, get("line_item_operation"));
    draft.text(
        TextField::Region,
        json.first(&["product_region_code", "product_region"]),
    );
    if draft.row.text(TextField::Region).is_none() {
        draft.text(TextField::Region, product.first(&["region_code", "region"]));
    }
    draft.text(TextField::Model, product.get("model"));
    if let Some(principal) = get("line_item_iam_principal").str() {
        draft.set(TextField::Principal, principal);
        draft.set(TextField::Key, super::aws::without_session(principal));
        draft.set(TextField::KeyKind, "arn");
    }
    billing::resource(
        &mut draft,
        get("line_item_resource_id").str().unwrap_or_default(),
    );
    billing::scope(&mut draft);
    let cost = get("line_item_unblended_cost");
    let currency = get("line_item_currency_code");
    billing::amount(&mut draft, cost, currency, None)?;
    billing::charge(&mut draft, get("line_item_line_item_type"), cost);
    let unit = get("pricing_unit");
    billing::quantity(&mut draft, get("line_item_usage_amount"), unit)?;
    for (kept, name) in EXTRA {
        draft.extra(kept, get(name));
    }
    let id = billing::id("cur", &draft, DIMENSIONS.map(get));
    draft.set(TextField::Id, id);
    billing::tags(&mut draft, get("resource_tags"));
    product.tree().unambiguous()?;
    rows.push(json, draft)
}
