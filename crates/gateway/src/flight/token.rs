//! Tokens: who signed in, and until when, under the seal of this process.

use chrono::{DateTime, Utc};
use hmac::Mac;

use crate::seal::Seal;

/// Writes a token for `name`.
pub(crate) fn issue(seal: &Seal, name: &str, until: DateTime<Utc>) -> String {
    let claim = format!("{}.{}", hex::encode(name), until.timestamp());
    let mac = seal.of(&claim).finalize().into_bytes();
    format!("{claim}.{}", hex::encode(mac))
}

/// Returns whose token this is, unless its time is over or nobody here wrote it.
pub(crate) fn holder(seal: &Seal, token: &str, now: DateTime<Utc>) -> Option<String> {
    let (claim, mac) = token.rsplit_once('.')?;
    seal.of(claim).verify_slice(&hex::decode(mac).ok()?).ok()?;
    let (name, until) = claim.split_once('.')?;
    let is_over = now.timestamp() >= until.parse().ok()?;
    let name = String::from_utf8(hex::decode(name).ok()?).ok()?;
    (!is_over).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_who_got_it_for_its_time_and_here() {
        let (seal, other) = (Seal::random(), Seal::random());
        let until = DateTime::from_timestamp(2_000, 0).unwrap();
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        let token = issue(&seal, "ana.lyst", until);
        let name = Some("ana.lyst".to_owned());
        assert_eq!(holder(&seal, &token, at(1_999)), name);
        assert_eq!(holder(&seal, &token, at(2_000)), None);
        assert_eq!(holder(&other, &token, at(1_999)), None);
        let forged = token.replacen(&hex::encode("ana.lyst"), &hex::encode("root"), 1);
        assert_ne!(forged, token);
        for not_good in [&forged, "", ".", "..", &token[..token.len() - 2]] {
            assert_eq!(holder(&seal, not_good, at(0)), None, "{not_good}");
        }
    }
}
