//! Under what names a model and its provider are looked for.

use model::{TextField, UsageRow};

/// The ids of `genai-prices` by OpenTelemetry's names of providers, where they differ.
const TABLE_IDS: &[(&str, &str)] = &[
    ("aws.bedrock", "aws"),
    ("azure.ai.inference", "azure"),
    ("azure.ai.openai", "azure"),
    ("fireworks_ai", "fireworks"),
    ("gcp.gemini", "google"),
    ("gcp.gen_ai", "google"),
    ("gcp.vertex_ai", "google"),
    ("mistral_ai", "mistral"),
    ("moonshot_ai", "moonshotai"),
    ("together_ai", "together"),
    ("x_ai", "x-ai"),
];

/// What Bedrock writes before a model to say where it may run.
const REGIONS: [&str; 8] = ["us", "eu", "apac", "global", "us-gov", "jp", "au", "ca"];

/// Returns the id that the table has for a provider.
pub(super) fn table_id(provider: &str) -> &str {
    let known = TABLE_IDS.iter().find(|(name, _)| *name == provider);
    known.map_or(provider, |(_, id)| id)
}

/// Returns the names of a row's models, the one that answered first, each whole and then as the
/// last part of a path or an ARN.
pub(super) fn models<'r>(row: &'r UsageRow<'_>) -> impl Iterator<Item = &'r str> {
    let models = [TextField::Model, TextField::ModelRequested];
    models
        .into_iter()
        .filter_map(|field| row.text(field))
        .flat_map(|name| {
            let last = name.rsplit_once('/').map(|(_, last)| last);
            std::iter::once(name).chain(last.filter(|last| !last.is_empty()))
        })
}

/// Returns the providers whose price counts: who is called, and behind a router that no list knows
/// the one behind it.
pub(super) fn providers<'r>(row: &'r UsageRow<'_>) -> impl Iterator<Item = Option<&'r str>> {
    let provider = row.text(TextField::Provider);
    let upstream = row.text(TextField::UpstreamProvider);
    // Without any provider, the name of the model has to say whose it is.
    std::iter::once(provider.or(upstream)).chain(upstream.filter(|_| provider.is_some()).map(Some))
}

/// Returns a Bedrock model without the region before it.
pub(super) fn without_region(model: &str) -> Option<&str> {
    let (region, rest) = model.split_once('.')?;
    REGIONS.contains(&region).then_some(rest)
}
