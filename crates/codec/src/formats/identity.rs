//! Ids for rows of reports, which have none of their own.

use sha2::{Digest, Sha256};

/// Returns an id that is the same whenever the same line of a report is read again, also with
/// other amounts.
///
/// A bucket that is still open is reported again with larger numbers: `parts` are its bounds and
/// dimensions and nothing that is measured, so that what comes later replaces what was there.
pub(super) fn of_line(format: &str, parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        // The length keeps ("ab", "c") and ("a", "bc") apart.
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    let digest = hash.finalize();
    format!(
        "{format}:{}",
        hex::encode(digest.get(..16).unwrap_or_default())
    )
}
