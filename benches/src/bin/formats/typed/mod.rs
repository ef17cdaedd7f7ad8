//! What a program that knows one format and nothing else would read.
//!
//! Each struct of [`shapes`] has the fields that the decoder of its format reads and the wrappers
//! that the records have. Texts borrow where they can, counts and amounts become numbers also where
//! they stand in texts, and whatever is not read is skipped. Times stay what they are, JSON in a
//! text stays closed, and nothing is checked, redacted, hashed or put into a row.

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
        |bytes: &[u8]| match bytes.first() {
            Some(b'[') => read::<Vec<shapes::$kind<'_>>>(bytes),
            _ => read::<shapes::$kind<'_>>(bytes),
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
        _ => return None,
    })
}
