//! Signatures of Standard Webhooks 1.0.0, symmetric scheme `v1`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use model::Secret;
use sha2::Sha256;

use crate::Error;

const PREFIX: &str = "whsec_";

/// Signs with the current secret and, while secrets are changed, with the previous one too.
pub(crate) struct Signer {
    keys: Vec<Secret<Vec<u8>>>,
}

impl Signer {
    /// Reads `whsec_` and base64 of 24 to 64 bytes, the current secret first.
    pub(crate) fn new(secrets: &[(&'static str, &Secret<String>)]) -> Result<Self, Error> {
        let keys: Result<Vec<_>, Error> = secrets
            .iter()
            .map(|(field, secret)| {
                let refused = |reason| Error::Config { field, reason };
                let text = secret.expose().trim();
                let encoded = text
                    .strip_prefix(PREFIX)
                    .ok_or_else(|| refused("it must begin with \"whsec_\""))?;
                let key = STANDARD
                    .decode(encoded)
                    .map_err(|_| refused("it must be base64 after \"whsec_\""))?;
                if (24..=64).contains(&key.len()) {
                    Ok(Secret::new(key))
                } else {
                    Err(refused("it must hold 24 to 64 bytes"))
                }
            })
            .collect();
        Ok(Self { keys: keys? })
    }

    /// Returns the `webhook-signature` header for this message.
    pub(crate) fn sign(&self, id: &str, timestamp_secs: i64, body: &[u8]) -> String {
        // The parts are joined by dots, so an id with one could be read in two ways.
        debug_assert!(!id.contains('.'));
        let signatures: Vec<String> = self
            .keys
            .iter()
            .filter_map(|key| {
                // Every length is allowed for HMAC, so no key is ever left out.
                let mut mac = Hmac::<Sha256>::new_from_slice(key.expose()).ok()?;
                mac.update(format!("{id}.{timestamp_secs}.").as_bytes());
                mac.update(body);
                Some(format!(
                    "v1,{}",
                    STANDARD.encode(mac.finalize().into_bytes())
                ))
            })
            .collect();
        signatures.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(secrets: &[&str]) -> Result<Signer, Error> {
        let secrets: Vec<Secret<String>> = secrets
            .iter()
            .map(|secret| Secret::new((*secret).to_owned()))
            .collect();
        let named: Vec<_> = secrets.iter().map(|secret| ("f", secret)).collect();
        Signer::new(&named)
    }

    /// The example of the specification's reference libraries.
    #[test]
    fn the_known_example_is_signed_as_known() {
        let signer = signer(&["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]).unwrap();
        assert_eq!(
            signer.sign(
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                1_614_265_330,
                br#"{"test": 2432232314}"#
            ),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn two_secrets_give_two_signatures() {
        let (one, other) = (
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        );
        let both = signer(&[one, other]).unwrap().sign("m", 1, b"");
        let alone = |secret| signer(&[secret]).unwrap().sign("m", 1, b"");
        assert_eq!(both, format!("{} {}", alone(one), alone(other)));
    }

    #[test]
    fn what_is_no_secret_is_refused_without_being_shown() {
        for secret in [
            "",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_hunter2!",
            "whsec_aHVudGVyMg==",
        ] {
            let err = signer(&[secret]).err().unwrap();
            assert!(!format!("{err} {err:?}").contains("hunter2"), "{err:?}");
        }
    }
}
