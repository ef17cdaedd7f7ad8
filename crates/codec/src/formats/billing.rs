//! What the billing lines of all clouds have in common.
//!
//! Only dollars become a cost, for there are no exchange rates here and an unknown cost is better
//! than a wrong one. Only the charge `Usage` is consumption; what lowers or corrects a bill is a
//! line of its own under another word, so that no credit hides what was used.

use std::borrow::Cow;

use model::{Nanos, TextField, Timestamp};

use super::{aws, identity};
use crate::draft::Draft;
use crate::json::{Json, Tree, Unit};
use crate::rejection::Rejection;
use crate::words::Words;

/// Starts a billing line.
pub(super) fn line<'t>() -> Draft<'t> {
    let mut draft = Draft::new("cost");
    draft.row.extra.reserve(16);
    draft.set(TextField::Source, "provider");
    draft
}

/// Sets an amount in the currency that is given, or in dollars where the bill says it in them too.
pub(super) fn amount<'t>(
    draft: &mut Draft<'t>,
    amount: Json<'t>,
    currency: Json<'t>,
    in_dollars: Option<Json<'t>>,
) -> Result<(), Rejection> {
    let currency = currency.str().map(str::trim);
    let dollars = currency.is_some_and(|currency| currency.eq_ignore_ascii_case("usd"));
    if dollars {
        draft.cost(amount, Unit::Dollars, "billing")?;
    } else {
        if let Some(in_dollars) = in_dollars {
            draft.cost(in_dollars, Unit::Dollars, "billing")?;
        }
        draft.extra("amount", amount);
    }
    // The currency is that of the cost, where there is one.
    let known = draft.row.cost.is_some();
    if let Some(currency) = currency {
        if known && !dollars {
            draft.set(TextField::Currency, "USD");
            draft.extra_text("billing_currency", currency);
        } else {
            draft.set(TextField::Currency, currency.to_ascii_uppercase());
        }
    }
    Ok(())
}

/// Sets the word for what a line is: what it says of itself, or what the sign of its amount says.
///
/// The word of the source is kept as `charge_type` where ours is another.
pub(super) fn charge<'t>(draft: &mut Draft<'t>, said: Json<'t>, amount: Json<'t>) {
    // Reports write -0.0 too. What is no number was refused before, as the cost.
    let below_zero = |amount: Json<'_>| amount.numeric().number().ok()?.map(|sum| sum < 0.0);
    let negative = below_zero(amount).unwrap_or(false)
        || draft.row.cost.is_some_and(|cost| cost < Nanos::default());
    let word = match said.label().map(str::to_ascii_lowercase).as_deref() {
        None if negative => "Credit",
        // A negative use was never made: it takes back one that was billed before.
        Some("usage" | "regular" | "discountedusage" | "savingsplancoveredusage") if negative => {
            "Correction"
        }
        None | Some("usage" | "regular" | "discountedusage" | "savingsplancoveredusage") => "Usage",
        Some("credit") => "Credit",
        Some("tax") => "Tax",
        Some("correction" | "refund") => "Correction",
        Some(_) => "Adjustment",
    };
    draft.set(TextField::Charge, word);
    if word != "Usage"
        && said
            .label()
            .is_some_and(|said| !said.eq_ignore_ascii_case(word))
    {
        draft.extra("charge_type", said);
    }
}

/// Sets how much of what was used.
pub(super) fn quantity<'t>(
    draft: &mut Draft<'t>,
    quantity: Json<'t>,
    unit: Json<'t>,
) -> Result<(), Rejection> {
    if let Some(number) = quantity.number()? {
        let unit = unit.str().unwrap_or("quantity");
        draft.row.other_units.push((Cow::Borrowed(unit), number));
    }
    Ok(())
}

/// Sets the day of a line that has no other time.
pub(super) fn day<'t>(draft: &mut Draft<'t>, day: Json<'t>) -> Result<(), Rejection> {
    draft.time(day)?;
    draft.row.time_start = draft.time;
    draft.row.time_end = draft.time.map(|day| day.plus(Timestamp::DAY));
    Ok(())
}

/// Sets the resource that was billed, after the provider. One of an AI service stands for its keys
/// where the line names none.
pub(super) fn resource(draft: &mut Draft<'_>, resource: &str) {
    let resource = resource.trim();
    if resource.is_empty() {
        return;
    }
    if let Some(model) = aws::model_in(resource) {
        // A model is everybody's.
        if draft.row.text(TextField::Model).is_none() {
            draft.set(TextField::Model, model.to_owned());
        }
        return;
    }
    // Azure writes the same id in small and in capital letters.
    let small = resource.to_ascii_lowercase();
    let resource = if small.starts_with("/subscriptions/") {
        small
    } else {
        resource.to_owned()
    };
    // A bucket or a machine is nobody's key.
    if matches!(
        draft.row.text(TextField::Provider),
        Some("aws" | "azure" | "gcp")
    ) {
        draft.extra_text("resource", resource);
        return;
    }
    draft.set(TextField::Deployment, resource.clone());
    if draft.row.text(TextField::Key).is_none() {
        draft.set(TextField::Key, resource);
        draft.set(TextField::KeyKind, "resource");
    }
}

/// Says what the line covers: its key, or else its project or account.
pub(super) fn scope(draft: &mut Draft<'_>) {
    let has = |field| draft.row.text(field).is_some();
    let scope = if has(TextField::Key) {
        "key"
    } else if has(TextField::Project) {
        "project"
    } else {
        "org"
    };
    draft.scope(scope);
}

/// Keeps tags: an object, the text of one, or a list of `key` and `value`.
pub(super) fn tags(draft: &mut Draft<'_>, tags: Json<'_>) {
    let mut keep = |name: &str, value: Json<'_>| {
        if let Some(value) = value.label() {
            draft.extra_text(format!("tag.{name}"), value.to_owned());
        }
    };
    for (name, value) in tags.members() {
        keep(name, value);
    }
    for tag in tags.items() {
        if let Some(name) = tag.get("key").label() {
            keep(name, tag.get("value"));
        }
    }
    let Some(text) = tags.str().map(str::trim).filter(|text| !text.is_empty()) else {
        return;
    };
    // Azure leaves the braces out.
    let whole: Cow<'_, str> = if text.starts_with('"') {
        Cow::Owned(format!("{{{text}}}"))
    } else {
        Cow::Borrowed(text)
    };
    if let Ok(tree) = Tree::parse(&whole)
        && !tree.root().is_text()
    {
        self::tags(draft, tree.root());
    }
}

/// Returns an id of the bounds of a line, its charge and what tells it from its neighbours; amounts are no
/// part of it, so that a line that is corrected later replaces what was there.
pub(super) fn id<'t>(
    format: &str,
    draft: &Draft<'_>,
    parts: impl IntoIterator<Item = Json<'t>>,
) -> String {
    let bound = |time: Option<Timestamp>| time.map(|time| time.to_string()).unwrap_or_default();
    let (start, end) = (bound(draft.row.time_start), bound(draft.row.time_end));
    // A line that takes back another one stands beside it under the same dimensions.
    let charge = draft.row.text(TextField::Charge).unwrap_or_default();
    let parts = parts.into_iter();
    let parts = parts.map(|part| if part.exists() { part.raw() } else { "" });
    identity::of_line(format, [&*start, &*end, charge].into_iter().chain(parts))
}

/// Returns a provider's name in OpenTelemetry's spelling, from the vendor of a cloud and words of
/// the line that tell its AI services from all others.
pub(super) fn provider<'t>(vendor: &'t str, words: &[Json<'_>]) -> Cow<'t, str> {
    const AWS: Words = Words::new(&["aws", "amazon"]);
    const BEDROCK: Words = Words::new(&["bedrock"]);
    const AZURE: Words = Words::new(&["microsoft", "azure"]);
    const OPENAI: Words = Words::new(&["openai", "cognitive", "foundry", "ai services"]);
    const GOOGLE: Words = Words::new(&["google", "gcp"]);
    const VERTEX: Words = Words::new(&["vertex", "agent platform"]);
    const GEMINI: Words = Words::new(&["gemini", "generative language"]);
    let says = |wanted: Words| {
        let mut words = words.iter().filter_map(|word| word.str());
        words.any(|word| wanted.are_in(word))
    };
    Cow::Borrowed(if AWS.are_in(vendor) {
        if says(BEDROCK) { "aws.bedrock" } else { "aws" }
    } else if AZURE.are_in(vendor) {
        if says(OPENAI) {
            "azure.ai.openai"
        } else {
            "azure"
        }
    } else if GOOGLE.are_in(vendor) {
        // Gemini is sold by Vertex AI too.
        if says(VERTEX) {
            "gcp.vertex_ai"
        } else if says(GEMINI) {
            "gcp.gemini"
        } else {
            "gcp"
        }
    } else {
        return crate::meaning::provider::name(vendor);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(said: &str, amount: &str, word: &str, kept: Option<&str>) {
        let text = format!(r#"{{"said":{said},"amount":{amount}}}"#);
        let tree = Tree::parse(&text).unwrap();
        let mut draft = line();
        charge(
            &mut draft,
            tree.root().get("said"),
            tree.root().get("amount"),
        );
        assert_eq!(draft.row.text(TextField::Charge), Some(word), "{text}");
        let extra = draft.row.extra.first().map(|(_, value)| &**value);
        assert_eq!(extra, kept, "{text}");
    }

    #[test]
    fn only_use_is_usage() {
        for usage in [
            "\"Usage\"",
            "\"regular\"",
            "\"SavingsPlanCoveredUsage\"",
            "null",
            "\"\"",
        ] {
            check(usage, "1", "Usage", None);
        }
        check("\"Usage\"", "\"-0.0\"", "Usage", None);
        check("null", "-1", "Credit", None);
        check("\"Usage\"", "\"-0.5\"", "Correction", Some("Usage"));
        check("\"credit\"", "-1", "Credit", None);
        check("\"Credit\"", "1", "Credit", None);
        check("\"tax\"", "1", "Tax", None);
        check("\"Refund\"", "-1", "Correction", Some("Refund"));
        check("\"EdpDiscount\"", "-1", "Adjustment", Some("EdpDiscount"));
        check("\"Purchase\"", "100", "Adjustment", Some("Purchase"));
    }

    #[test]
    fn a_cloud_is_told_from_its_ai() {
        let tree = Tree::parse(r#"["AmazonBedrock","Vertex AI","Gemini API","Azure OpenAI","S3"]"#);
        let tree = tree.unwrap();
        let words: Vec<_> = tree.root().items().collect();
        for (vendor, word, expected) in [
            ("AWS", 0, "aws.bedrock"),
            ("Amazon Web Services, Inc.", 4, "aws"),
            ("Google Cloud", 1, "gcp.vertex_ai"),
            ("Google Cloud", 2, "gcp.gemini"),
            ("Google Cloud", 4, "gcp"),
            ("Microsoft", 3, "azure.ai.openai"),
            ("Microsoft", 4, "azure"),
            ("OpenAI", 4, "openai"),
        ] {
            assert_eq!(provider(vendor, &words[word..=word]), expected, "{vendor}");
        }
    }
}
