//! gzip and base64, with a bound on what they become.

use std::io::Read;

use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use flate2::read::MultiGzDecoder;
use model::Reason;

use crate::rejection::Rejection;
use crate::rows::MAX_UNPACKED_BYTES;

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD_BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, LENIENT);
const URL_BASE64: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, LENIENT);

/// Unpacks gzip, and takes from the budget what that cost, also where it comes to nothing.
///
/// # Errors
/// [`Reason::TooLarge`] beyond the budget, which is spent then; [`Reason::Compressed`] for what is
/// cut or broken.
pub(super) fn gzip(packed: &[u8], budget_bytes: &mut usize) -> Result<Vec<u8>, Rejection> {
    let mut unpacked = Vec::new();
    let mut reader = MultiGzDecoder::new(packed).take(*budget_bytes as u64 + 1);
    let read = reader.read_to_end(&mut unpacked);
    let rest = budget_bytes.checked_sub(unpacked.len());
    *budget_bytes = rest.unwrap_or(0);
    if rest.is_none() {
        return Err(too_large());
    }
    if read.is_err() {
        let detail = "the gzip stream is cut or broken";
        return Err(Rejection::new(Reason::Compressed, detail));
    }
    Ok(unpacked)
}

/// Unpacks base64 of either alphabet, with or without padding, and takes it from the budget.
///
/// # Errors
/// [`Reason::TooLarge`] beyond the budget, [`Reason::Compressed`] for what is no base64.
pub(super) fn base64(packed: &str, budget_bytes: &mut usize) -> Result<Vec<u8>, Rejection> {
    let rest = budget_bytes.checked_sub(packed.len() / 4 * 3);
    *budget_bytes = rest.ok_or_else(too_large)?;
    let packed = packed.trim();
    let unpacked = STANDARD_BASE64.decode(packed);
    unpacked
        .or_else(|_| URL_BASE64.decode(packed))
        .map_err(|_| Rejection::new(Reason::Compressed, "the data is not base64"))
}

pub(super) fn too_large() -> Rejection {
    let detail = format!("the record unpacks to more than {MAX_UNPACKED_BYTES} bytes");
    Rejection::new(Reason::TooLarge, detail)
}
