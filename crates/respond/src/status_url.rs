//! The address at which a key's status is asked for: a template with one place for the key.

use model::RespondError;
use reqwest::Url;

use crate::Error;
use crate::guard::checked_url;
use crate::http::one_line;

const PLACEHOLDER: &str = "{key}";
const MAX_KEY_CHARS: usize = 256;

/// A checked template. Deliberately without `Debug`: it may hold a token.
pub(crate) struct StatusUrl {
    template: String,
    example: Url,
}

impl StatusUrl {
    /// Checks a template by filling it in. The key must stand behind the host, or it would
    /// choose the host.
    pub(crate) fn new(field: &'static str, template: &str) -> Result<Self, Error> {
        let refused = |reason| Error::Config { field, reason };
        if template.matches(PLACEHOLDER).count() != 1 {
            return Err(refused("it must hold {key} exactly once"));
        }
        let filled = |key: &str| checked_url(field, &template.replace(PLACEHOLDER, key));
        let (one, other) = (filled("one")?, filled("other")?);
        if one.origin() != other.origin() || one.fragment() != other.fragment() {
            return Err(refused("{key} must stand in the path or the query"));
        }
        Ok(Self {
            template: template.trim().to_owned(),
            example: one,
        })
    }

    /// Returns the address of some key, to look at its host.
    pub(crate) fn example(&self) -> &Url {
        &self.example
    }

    /// Returns the address of `key`.
    pub(crate) fn of(&self, key: &str) -> Result<Url, RespondError> {
        Url::parse(&self.template.replace(PLACEHOLDER, &encoded(key)?))
            .map_err(|_| RespondError::Refused("could not put the key into status_url".to_owned()))
    }
}

/// Percent-encodes everything but letters and digits of ASCII, `-` and `_`.
fn encoded(key: &str) -> Result<String, RespondError> {
    // A path of dots is taken for a folder above even when it is percent-encoded.
    let is_path = key.bytes().all(|byte| byte == b'.');
    if is_path || key.chars().count() > MAX_KEY_CHARS {
        let key = one_line(key);
        return Err(RespondError::Refused(format!(
            "\"{key}\" does not look like the id of a key"
        )));
    }
    let mut text = String::new();
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_never_becomes_a_path_or_a_host() {
        assert_eq!(encoded("key_1-a").unwrap(), "key_1-a");
        assert_eq!(encoded("../x?y#z").unwrap(), "%2E%2E%2Fx%3Fy%23z");
        for key in ["", ".", ".."] {
            assert!(encoded(key).is_err(), "{key}");
        }
    }

    #[test]
    fn a_template_has_one_place_for_the_key_and_it_is_not_the_host() {
        for template in [
            "https://h.example/keys/{key}",
            "https://h.example/k?id={key}&x=1",
        ] {
            StatusUrl::new("f", template).unwrap();
        }
        for template in [
            "https://{key}.example/",
            "https://h.example/",
            "https://h.example/{key}/{key}",
            "https://h.example:{key}/",
            "https://h.example/#{key}",
            "{key}",
        ] {
            assert!(StatusUrl::new("f", template).is_err(), "{template}");
        }
    }
}
