//! Every format that is read, in the order in which they are looked for.
//!
//! A format is a file of this folder with one [`Decoder`], and two lines here: the `mod` and the
//! line of the table.

mod anthropic_activities;
mod anthropic_claude_code;
mod anthropic_costs;
mod anthropic_keys;
mod anthropic_usage;
mod apisix;
mod aws;
mod azure;
mod azure_apim;
mod azure_cost;
mod azure_diagnostics;
mod bedrock;
mod billing;
mod cloudflare;
mod cloudtrail;
mod cur;
mod envoy;
mod focus;
mod gcp_audit;
mod gcp_billing;
mod generic;
mod google;
mod helicone;
mod higress;
mod identity;
mod inventory;
mod kong;
mod lago;
mod langfuse;
mod litellm;
mod litellm_audit;
mod litellm_spend;
mod marks;
mod openai_audit;
mod openai_costs;
mod openai_keys;
mod openai_usage;
mod openmeter;
mod openrouter;
pub(crate) mod otlp;
mod otlp_logs;
mod otlp_metrics;
mod otlp_traces;
mod portkey;

pub use otlp::DEFAULT_KEY_ATTRIBUTES;

use std::fmt;
use std::str::FromStr;

pub(crate) use apisix::refuse_origin;
pub(crate) use generic::KEYS;

use crate::json::Json;
use crate::rejection::Rejection;
use crate::rows::Rows;

macro_rules! formats {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $module:ident;)*) => {
        /// What the records of a topic are.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Format {
            /// Spikewatch's own event, `schemas/usage.v1.schema.json`: one JSON object a record.
            Native,
            $($(#[$doc])* $variant,)*
        }

        impl Format {
            /// Every format, in the order in which they are looked for.
            pub const ALL: &'static [Format] = &[Format::Native, $(Format::$variant,)*];

            /// Returns the stable name, as the settings have it.
            pub const fn name(self) -> &'static str {
                match self {
                    Format::Native => "native",
                    $(Format::$variant => $name,)*
                }
            }
        }

        static DECODERS: &[&Decoder] = &[$(&$module::DECODER,)*];
    };
}

// The order is that of detection: what is told by more particular names comes first, and
// `generic`, which is told by a provider's usage object anywhere, last.
formats! {
    /// OpenTelemetry traces: a batch of spans, in protobuf or JSON.
    OtlpTraces = "otlp.traces", otlp_traces;
    /// OpenTelemetry metrics: a batch of counters, in protobuf or JSON.
    OtlpMetrics = "otlp.metrics", otlp_metrics;
    /// OpenTelemetry logs: a batch of log records, in protobuf or JSON.
    OtlpLogs = "otlp.logs", otlp_logs;
    /// Pages, buckets and results of OpenAI's `/v1/organization/usage/…`.
    OpenaiUsage = "openai.usage", openai_usage;
    /// Pages, buckets and results of OpenAI's `/v1/organization/costs`.
    OpenaiCosts = "openai.costs", openai_costs;
    /// Pages, buckets and results of Anthropic's `/v1/organizations/usage_report/messages`.
    AnthropicUsage = "anthropic.usage", anthropic_usage;
    /// Keys of OpenAI's projects and organisations, from its lists and answers.
    OpenaiKeys = "openai.keys", openai_keys;
    /// OpenAI's audit log, `/v1/organization/audit_logs`.
    OpenaiAudit = "openai.audit", openai_audit;
    /// Pages, buckets and results of Anthropic's `/v1/organizations/cost_report`.
    AnthropicCosts = "anthropic.costs", anthropic_costs;
    /// Keys of Anthropic's `/v1/organizations/api_keys`.
    AnthropicKeys = "anthropic.keys", anthropic_keys;
    /// Anthropic's report of Claude Code, `/v1/organizations/usage_report/claude_code`.
    AnthropicClaudeCode = "anthropic.claude_code", anthropic_claude_code;
    /// Anthropic's compliance feed, `/v1/compliance/activities`.
    AnthropicActivities = "anthropic.activities", anthropic_activities;
    /// Model invocation logs of AWS Bedrock.
    Bedrock = "bedrock", bedrock;
    /// Langfuse's observations, whose metadata may be that of LiteLLM.
    Langfuse = "langfuse", langfuse;
    /// Rows of LiteLLM's table of spend logs.
    LitellmSpend = "litellm.spend", litellm_spend;
    /// LiteLLM's audit log.
    LitellmAudit = "litellm.audit", litellm_audit;
    /// LiteLLM's standard logging payload.
    Litellm = "litellm", litellm;
    /// Kong's log of a request.
    Kong = "kong", kong;
    /// APISIX's log of a request.
    Apisix = "apisix", apisix;
    /// Access logs of Higress.
    Higress = "higress", higress;
    /// Access logs of Envoy AI Gateway and Envoy Gateway.
    Envoy = "envoy", envoy;
    /// Messages of Helicone's proxy, and requests of its API.
    Helicone = "helicone", helicone;
    /// Portkey's export of logs.
    Portkey = "portkey", portkey;
    /// OpenRouter's generations, activity and keys.
    Openrouter = "openrouter", openrouter;
    /// Logs of Cloudflare AI Gateway.
    Cloudflare = "cloudflare", cloudflare;
    /// Events of OpenMeter.
    Openmeter = "openmeter", openmeter;
    /// Events of Lago.
    Lago = "lago", lago;
    /// Events of AWS CloudTrail about Bedrock and about keys.
    Cloudtrail = "cloudtrail", cloudtrail;
    /// Lines of AWS' Cost and Usage Report 2.0.
    Cur = "cur", cur;
    /// Logs of AI gateways in Azure API Management.
    AzureApim = "azure.apim", azure_apim;
    /// Diagnostic logs of Azure OpenAI and the other AI services of Azure.
    AzureDiagnostics = "azure.diagnostics", azure_diagnostics;
    /// Lines of Azure's cost details.
    AzureCost = "azure.cost", azure_cost;
    /// Entries of Google Cloud's audit log about Vertex AI, Gemini and keys.
    GcpAudit = "gcp.audit", gcp_audit;
    /// Rows of Google Cloud's billing export.
    GcpBilling = "gcp.billing", gcp_billing;
    /// Lines of bills in the form of FOCUS 1.0 to 1.4.
    Focus = "focus", focus;
    /// Anybody's own JSON: around a provider's usage object, or with a mapping in the settings.
    Generic = "generic", generic;
}

/// How sure it is that a document is of a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    /// It has names that others have too.
    Likely,
    /// It has names or values that only this format has.
    Certain,
    /// The settings say so.
    Set,
}

impl Confidence {
    /// Returns the stable word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Likely => "likely",
            Self::Certain => "certain",
            Self::Set => "set",
        }
    }
}

/// How one format is told and read.
pub(crate) struct Decoder {
    pub(crate) format: Format,
    /// Names of which each document of the format has one, in capital or small letters.
    marks: &'static [&'static str],
    /// Says from a few names whether a document is of the format.
    pub(crate) signature: fn(Json<'_>) -> Option<Confidence>,
    /// Reads a document into rows. A rejection ends the whole document: what may go wrong alone
    /// stands inside of [`Rows::each`].
    pub(crate) decode: for<'t> fn(&mut Rows<'_>, Json<'t>) -> Result<(), Rejection>,
}

/// Returns the decoder of a format; the native one needs none of this shape.
pub(crate) fn decoder_of(format: Format) -> Option<&'static Decoder> {
    let mut decoders = DECODERS.iter().copied();
    decoders.find(|decoder| decoder.format == format)
}

/// Returns the first format whose signature a document has; `last` is looked at before all others,
/// because the elements of a record are mostly of one kind.
pub(crate) fn detect(
    json: Json<'_>,
    last: Option<(&'static Decoder, Confidence)>,
) -> Option<(&'static Decoder, Confidence)> {
    if !json.is_object() {
        return None;
    }
    // Only what is particular to one format may go ahead of the order.
    let last = last.filter(|(_, confidence)| *confidence == Confidence::Certain);
    let last = last.into_iter().map(|(decoder, _)| decoder);
    let found = last
        .chain(marks::candidates(json))
        .find_map(|decoder| Some((decoder, (decoder.signature)(json)?)));
    // What only signatures looked at is not read.
    json.tree().forgive(json);
    found
}

/// A name that no format has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no format has the name \"{name}\"; {}", suggestion(.nearest))]
pub struct UnknownFormat {
    /// The name that was asked for.
    pub name: String,
    /// The nearest names there are, best first.
    pub nearest: Vec<&'static str>,
}

fn suggestion(nearest: &[&'static str]) -> String {
    if nearest.is_empty() {
        let names: Vec<_> = Format::ALL.iter().map(|format| format.name()).collect();
        return format!("there are {}", names.join(", "));
    }
    format!("did you mean {}?", nearest.join(" or "))
}

impl Format {
    /// Returns the format of that name.
    ///
    /// # Errors
    /// [`UnknownFormat`], with the nearest names.
    pub fn from_name(name: &str) -> Result<Self, UnknownFormat> {
        if let Some(format) = Self::ALL.iter().find(|format| format.name() == name) {
            return Ok(*format);
        }
        let mut near: Vec<(f64, &'static str)> = Self::ALL
            .iter()
            .map(|format| (strsim::jaro_winkler(name, format.name()), format.name()))
            .filter(|(likeness, _)| *likeness > 0.75)
            .collect();
        near.sort_by(|(one, _), (other, _)| other.total_cmp(one));
        Err(UnknownFormat {
            name: name.to_owned(),
            nearest: near.into_iter().take(3).map(|(_, name)| name).collect(),
        })
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        Self::from_name(name)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_formats_and_near_ones_are_suggested() {
        for format in Format::ALL {
            assert_eq!(Format::from_name(format.name()), Ok(*format));
        }
        let near = |name| Format::from_name(name).unwrap_err().nearest;
        assert_eq!(near("openai.usages").first(), Some(&"openai.usage"));
        assert_eq!(near("LiteLLM"), Vec::<&str>::new());
        assert_eq!(near("lite_llm").first(), Some(&"litellm"));
    }

    #[test]
    fn every_format_but_the_native_one_has_a_decoder_of_its_own() {
        for format in &Format::ALL[1..] {
            assert_eq!(decoder_of(*format).unwrap().format, *format);
        }
        assert!(decoder_of(Format::Native).is_none());
    }
}
