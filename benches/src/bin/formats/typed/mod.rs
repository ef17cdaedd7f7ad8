//! What a program that knows one format and nothing else would read.
//!
//! Each struct of [`shapes`] and its siblings has the fields that the decoder of its format reads
//! and the wrappers that the records have. Texts borrow where they can, counts and amounts become
//! numbers also where they stand in texts, and whatever is not read is skipped. Times stay what they
//! are, JSON in a text stays closed, and nothing is checked, redacted, hashed or put into a row.

mod accounts;
mod bills;
mod gateways;
mod shapes;
mod value;

use std::hint::black_box;

use codec::Format;
use serde::Deserialize;

pub(crate) type Reader = fn(&[u8]) -> Result<(), serde_json::Error>;

pub(crate) fn skip(bytes: &[u8]) -> Result<(), serde_json::Error> {
    read::<serde::de::IgnoredAny>(bytes)
}

fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<(), serde_json::Error> {
    serde_json::from_slice::<T>(bytes).map(|value| drop(black_box(value)))
}

macro_rules! reader {
    ($kind:ident) => {
        reader!(shapes::$kind)
    };
    ($family:ident::$kind:ident) => {
        |bytes: &[u8]| match bytes.first() {
            Some(b'[') => read::<Vec<$family::$kind<'_>>>(bytes),
            _ => read::<$family::$kind<'_>>(bytes),
        }
    };
    // Of reports that come as pages, buckets or results.
    ($page:ident, $bucket:ident, $result:ident) => {
        |bytes: &[u8]| match bytes.get(..16).unwrap_or_default() {
            [b'{', b'"', b'd', ..] | [.., b'p', b'a', b'g', b'e', b'"'] => {
                read::<shapes::$page<'_>>(bytes)
            }
            [b'{', b'"', b's', ..] | [.., b'u', b'c', b'k', b'e'] => {
                read::<shapes::$bucket<'_>>(bytes)
            }
            _ => read::<shapes::$result<'_>>(bytes),
        }
    };
}

/// Returns what reads a format, if it is one of those that are here.
pub(crate) fn reader_of(format: Format) -> Option<Reader> {
    Some(match format {
        Format::OpenaiUsage | Format::OpenaiCosts => {
            reader!(OpenaiPage, OpenaiBucket, OpenaiResult)
        }
        Format::AnthropicUsage | Format::AnthropicCosts => {
            reader!(AnthropicPage, AnthropicBucket, AnthropicResult)
        }
        Format::Litellm => reader!(Litellm),
        Format::Kong => reader!(Kong),
        Format::Bedrock => reader!(Bedrock),
        Format::Cloudtrail => reader!(Cloudtrail),
        Format::Langfuse => reader!(Langfuse),
        Format::Cloudflare => |bytes| match bytes.starts_with(b"{\"success\"") {
            true => read::<shapes::CloudflareAnswer<'_>>(bytes),
            false => reader!(Cloudflare)(bytes),
        },
        Format::Portkey => reader!(Portkey),
        Format::Lago => reader!(Lago),
        Format::Envoy => reader!(Envoy),
        Format::GcpAudit => reader!(GcpAudit),
        Format::Generic => reader!(Generic),
        Format::OtlpTraces | Format::OtlpLogs => reader!(Otlp),
        Format::OtlpMetrics => reader!(OtlpMetrics),
        Format::OpenaiKeys => reader!(accounts::OpenaiKeys),
        Format::OpenaiAudit => reader!(accounts::OpenaiAudit),
        Format::AnthropicKeys => reader!(accounts::AnthropicKeys),
        Format::AnthropicClaudeCode => reader!(accounts::ClaudeCode),
        Format::AnthropicActivities => reader!(accounts::Activities),
        Format::LitellmAudit => reader!(accounts::LitellmAudit),
        Format::LitellmSpend => reader!(gateways::Spend),
        Format::Openrouter => reader!(gateways::Openrouter),
        Format::Openmeter => reader!(gateways::Openmeter),
        Format::Helicone => |bytes| match bytes.starts_with(b"{\"data\"") {
            true => read::<gateways::HeliconePage<'_>>(bytes),
            false => reader!(gateways::Helicone)(bytes),
        },
        Format::Higress => reader!(gateways::Higress),
        Format::Apisix => reader!(gateways::Apisix),
        Format::AzureApim => reader!(gateways::Apim),
        Format::AzureDiagnostics => reader!(gateways::Diagnostics),
        Format::AzureCost => reader!(bills::AzureCost),
        Format::Cur => reader!(bills::Cur),
        Format::Focus => reader!(bills::Focus),
        Format::GcpBilling => reader!(bills::GcpBilling),
        _ => return None,
    })
}
