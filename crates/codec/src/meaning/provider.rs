//! The names of providers, in OpenTelemetry's spelling.

use std::borrow::Cow;

/// Spellings that are seen, and the one that is kept.
const NAMES: &[(&str, &str)] = &[
    ("amazon", "aws.bedrock"),
    ("amazon_bedrock", "aws.bedrock"),
    ("aws", "aws.bedrock"),
    ("aws-bedrock", "aws.bedrock"),
    ("bedrock", "aws.bedrock"),
    ("bedrock_converse", "aws.bedrock"),
    ("az.ai.inference", "azure.ai.inference"),
    ("azure_ai", "azure.ai.inference"),
    ("az.ai.openai", "azure.ai.openai"),
    ("azure", "azure.ai.openai"),
    ("azure-openai", "azure.ai.openai"),
    ("azure_openai", "azure.ai.openai"),
    ("azureopenai", "azure.ai.openai"),
    ("gemini", "gcp.gemini"),
    ("google", "gcp.gemini"),
    ("google-ai-studio", "gcp.gemini"),
    ("google-vertex-ai", "gcp.vertex_ai"),
    ("vertex", "gcp.vertex_ai"),
    ("vertex-ai", "gcp.vertex_ai"),
    ("vertex_ai", "gcp.vertex_ai"),
    ("vertex_ai_beta", "gcp.vertex_ai"),
    ("text-completion-openai", "openai"),
    ("grok", "x_ai"),
    ("xai", "x_ai"),
    ("x-ai", "x_ai"),
    ("mistral", "mistral_ai"),
    ("mistralai", "mistral_ai"),
    ("moonshot", "moonshot_ai"),
    ("moonshotai", "moonshot_ai"),
    ("watsonx", "ibm.watsonx.ai"),
    ("perplexity-ai", "perplexity"),
];

/// Returns a provider's name as OpenTelemetry spells it; a name that is new stays as it is, in
/// small letters.
pub(crate) fn name(name: &str) -> Cow<'_, str> {
    let small = if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    };
    let known = NAMES.iter().find(|(seen, _)| *seen == small);
    known.map_or(small, |(_, kept)| Cow::Borrowed(kept))
}

/// Returns the name of a provider that is known, and nothing for the name that somebody gave a
/// backend.
pub(crate) fn known(text: &str) -> Option<Cow<'_, str>> {
    const OWN: [&str; 7] = [
        "openai",
        "anthropic",
        "cohere",
        "deepseek",
        "groq",
        "openrouter",
        "perplexity",
    ];
    let name = name(text);
    let mut kept = NAMES.iter().map(|(_, kept)| *kept).chain(OWN);
    kept.any(|kept| kept == name).then_some(name)
}

/// Returns every spelling of a provider that is seen, the kept one first.
pub(crate) fn spellings(kept: &str) -> impl Iterator<Item = &str> {
    let seen = NAMES.iter().filter(move |(_, other)| *other == kept);
    std::iter::once(kept).chain(seen.map(|(seen, _)| *seen))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_spelling() {
        for (seen, kept) in [
            ("OpenAI", "openai"),
            ("Azure", "azure.ai.openai"),
            ("bedrock", "aws.bedrock"),
            ("aws.bedrock", "aws.bedrock"),
            ("New-Provider", "new-provider"),
        ] {
            assert_eq!(name(seen), kept);
        }
        for (_, kept) in NAMES {
            assert_eq!(name(kept), *kept, "a kept name is final");
        }
    }
}
