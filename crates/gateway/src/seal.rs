//! A secret that ends with the process.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use rustls::crypto::aws_lc_rs;
use sha2::Sha256;

/// Says of a text what nobody else can say of it: its HMAC-SHA-256 under a secret of this process.
pub(crate) struct Seal(Hmac<Sha256>);

impl Seal {
    /// Makes a new secret.
    ///
    /// # Panics
    /// When the system has no randomness.
    pub(crate) fn random() -> Self {
        let mut secret = [0u8; 32];
        let random = aws_lc_rs::default_provider().secure_random;
        random.fill(&mut secret).expect("the system has randomness");
        Self(Hmac::new_from_slice(&secret).expect("a secret of any length will do"))
    }

    /// Returns the text's seal, to be compared or written down.
    pub(crate) fn of(&self, text: &str) -> Hmac<Sha256> {
        let mut seal = self.0.clone();
        seal.update(text.as_bytes());
        seal
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal")
    }
}
