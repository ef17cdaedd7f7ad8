//! Ids for rows of reports, which have none of their own.

use sha2::{Digest, Sha256};

/// How much of each end of a part is looked at, in bytes; the longest names are ARNs of 2 KiB.
const MAX_END_BYTES: usize = 4096;

/// Returns an id that is the same whenever the same line of a report is read again, also with
/// other amounts.
///
/// A bucket that is still open is reported again with larger numbers: `parts` are its bounds and
/// dimensions and nothing that is measured, so that what comes later replaces what was there.
///
/// Of a part that is longer than any name is, both ends and the length count: what stands once
/// around a list is a part of each of its lines.
pub(super) fn of_line<'p>(format: &str, parts: impl IntoIterator<Item = &'p str>) -> String {
    // In one piece: the hash takes blocks, and most parts are shorter than half of one.
    let mut line = Vec::with_capacity(1024);
    for part in parts {
        // The length keeps ("ab", "c") and ("a", "bc") apart.
        line.extend((part.len() as u64).to_le_bytes());
        let part = part.as_bytes();
        let ends = part
            .first_chunk::<MAX_END_BYTES>()
            .zip(part.last_chunk::<MAX_END_BYTES>());
        match ends.filter(|_| part.len() > 2 * MAX_END_BYTES) {
            Some((start, end)) => {
                line.extend_from_slice(start);
                line.extend_from_slice(end);
            }
            None => line.extend_from_slice(part),
        }
    }
    let digest = Sha256::digest(&line);
    let mut digits = [0; 32];
    let digest = digest.first_chunk::<16>().unwrap_or(&[0; 16]);
    hex::encode_to_slice(digest, &mut digits).expect("two digits for each byte");
    [format, ":", &String::from_utf8_lossy(&digits)].concat()
}
