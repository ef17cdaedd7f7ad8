//! Naming a key without holding it.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::Redactor;
use crate::randomness::holds_random;

/// The secret of an installation that makes its fingerprints useless elsewhere.
#[derive(Clone)]
pub struct FingerprintSecret(Vec<u8>);

impl FingerprintSecret {
    /// Takes the secret of an installation.
    pub fn new(secret: impl Into<Vec<u8>>) -> Self {
        Self(secret.into())
    }

    /// Returns the secret that everybody knows, for tests and for looking at files.
    pub fn public_test_secret() -> Self {
        Self(b"spikewatch public test secret".to_vec())
    }
}

impl fmt::Debug for FingerprintSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// The longest id, in bytes; the longest that are seen are ARNs of 2 KiB.
const MAX_ID_BYTES: usize = 4096;

/// What stands for a value of the key field that is, or may be, a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// The id to use.
    pub key: String,
    /// A masked form.
    pub hint: String,
}

impl FingerprintSecret {
    /// Returns the fingerprint and a hint of what is or may be a secret; an id stands for itself.
    ///
    /// A fingerprint is `fp:` and the first 16 hex digits of HMAC-SHA256(secret, value).
    /// Values without a known shape are judged by length and mixture: too careful only costs
    /// readability, because a fingerprint is as stable as the value.
    ///
    /// `look` says whether a known shape may be in the value; where the whole document was seen to
    /// hold none it is not looked for again.
    pub fn identify(&self, value: &str, look: bool) -> Option<Fingerprint> {
        let kind = kind_of(value, look)?;
        Some(Fingerprint {
            key: self.fingerprint(value),
            hint: hint(kind, value),
        })
    }

    /// Returns whether a value shows that it is, or may be, a secret.
    pub(crate) fn is_credential(value: &str) -> bool {
        kind_of(value, true).is_some()
    }

    /// Returns the fingerprint of a value.
    pub fn fingerprint(&self, value: &str) -> String {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of every length");
        mac.update(value.as_bytes());
        let digest = mac.finalize().into_bytes();
        format!("fp:{}", hex::encode(digest.get(..8).unwrap_or_default()))
    }
}

/// Returns the kind of secret that a value is or may be, if it is no id.
fn kind_of(value: &str, look: bool) -> Option<&'static str> {
    if value.len() > MAX_ID_BYTES {
        // No id is as long, and it is not looked through in vain.
        return Some("unknown");
    }
    let shown = look.then(|| Redactor::kind_of(value)).flatten();
    shown.or_else(|| holds_random(value).then_some("unknown"))
}

/// Names the class and the last four characters, which providers show themselves.
fn hint(kind: &str, value: &str) -> String {
    if value.chars().nth(19).is_none() {
        return format!("{kind}:…");
    }
    let tail: Vec<char> = value.chars().rev().take(4).collect();
    let tail: String = tail
        .into_iter()
        .rev()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '*' })
        .collect();
    format!("{kind}:…{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, kept: bool) {
        let fingerprint = FingerprintSecret::public_test_secret().identify(value, true);
        assert_eq!(fingerprint.is_none(), kept, "{value}");
    }

    #[test]
    fn ids_stay_and_secrets_become_fingerprints() {
        for id in [
            "key_7f3a",
            "apikey_01Hq3Zk9m2x8w7v6u5t4s3r2q1p0",
            "AKIAIOSFODNN7EXAMPLE",
            "arn:aws:iam::123456789012:user/BedrockAPIKey-1",
            "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
            "0f2b5c1e-6c1f-4b8e-9a39-1d1f0a2f9b7c",
            "sk-proj-***..x9Zq",
            "checkout-service-production-eu",
            "checkout-service-production-eu-west-1",
            "sk-ant-api03-R2D...igAA",
        ] {
            check(id, true);
        }
        for secret in [
            "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789",
            "gsk_abcdefghijklmnopqrstuvwxyz0123456789",
            "0123456789abcdef0123456789abcdef",
            "aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5zA7b",
            "my key: sk-ant-api03-abcdefghijkl",
            "Token 0123456789abcdef0123456789abcdef",
            "sk%2Dproj%2DabcdefghijklmnopqrstuvwxyZ",
        ] {
            check(secret, false);
        }
    }

    #[test]
    fn a_fingerprint_depends_on_the_installation_and_shows_four_characters_at_most() {
        let value = "sk-proj-abcdefghijklmnopqrstuvwxyz01234x9Zq";
        let by = |secret: &[u8]| FingerprintSecret::new(secret).identify(value, true);
        let (one, two) = (by(b"one").unwrap(), by(b"two").unwrap());
        assert_ne!(one.key, two.key);
        assert_eq!(one.hint, "openai:…x9Zq");
        assert!(one.key.starts_with("fp:") && one.key.len() == 19);
    }
}
