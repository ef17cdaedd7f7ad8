//! What gateways log of a request: its target and its headers.

use crate::json::Json;
use crate::words::Words;

/// The headers that carry a credential, in the order in which they are looked for.
const CREDENTIALS: [&str; 6] = [
    "authorization",
    "x-api-key",
    "api-key",
    "apikey",
    "x-goog-api-key",
    "x-litellm-api-key",
];

/// What gateways and collectors write where a credential was, among other words.
const MASKS: Words = Words::new(&["redacted", "filtered"]);

/// The longest text that may be such a mask.
const MAX_MASK_BYTES: usize = 64;

/// Returns the path of a target or an address without its query, which may hold a key.
pub(crate) fn path(target: &str) -> &str {
    let path = target.split_once("://").map_or(target, |(_, rest)| {
        rest.find('/').map_or("/", |at| &rest[at..])
    });
    path.split(['?', '#']).next().unwrap_or_default()
}

/// Returns the value of a header, whatever its case; of a list the first.
pub(crate) fn header<'t>(headers: Json<'t>, name: &str) -> Option<&'t str> {
    let value = headers.any_case(name);
    if value.is_array() {
        value.items().next()?.label()
    } else {
        value.label()
    }
}

/// Returns the credential that the headers of a request have, without the word before it.
///
/// A JSON web token is none: it is another one every hour, so that its fingerprint names nobody.
pub(crate) fn credential<'t>(headers: Json<'t>) -> Option<&'t str> {
    let mut found = CREDENTIALS.iter().filter_map(|name| header(headers, name));
    found.find_map(|value| bare(value).filter(|value| !is_token(value)))
}

/// Returns a credential without `Bearer`, and nothing where it is masked.
pub(crate) fn bare(credential: &str) -> Option<&str> {
    let credential = credential.trim();
    let bare = credential
        .split_once(char::is_whitespace)
        .filter(|(word, _)| word.eq_ignore_ascii_case("bearer"))
        .map_or(credential, |(_, bare)| bare.trim());
    let is_mark = |character| matches!(character, '*' | '.' | 'x' | 'X' | '-' | '•' | '…');
    let masked = bare.len() <= MAX_MASK_BYTES && (MASKS.are_in(bare) || bare.chars().all(is_mark));
    (!masked).then_some(bare)
}

fn is_token(credential: &str) -> bool {
    credential.starts_with("eyJ") && credential.split('.').count() == 3
}

/// Returns the method and the path of a text that is an HTTP request as it was sent.
pub(crate) fn request_line(text: &str) -> Option<&str> {
    let line = text.lines().next()?.trim_end();
    let request = line
        .strip_suffix(" HTTP/1.1")
        .or_else(|| line.strip_suffix(" HTTP/1.0"))
        .or_else(|| line.strip_suffix(" HTTP/2.0"))
        .or_else(|| line.strip_suffix(" HTTP/2"))
        .or_else(|| line.strip_suffix(" HTTP/3.0"))?;
    let (method, _) = request.split_once(' ')?;
    let is_method =
        (3..=8).contains(&method.len()) && method.bytes().all(|byte| byte.is_ascii_uppercase());
    is_method.then(|| request.split('?').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Tree;

    #[test]
    fn a_path_has_no_query_and_no_host() {
        for (target, expected) in [
            ("/v1/chat/completions?key=x", "/v1/chat/completions"),
            ("https://api.example/v1/messages#a", "/v1/messages"),
            ("https://api.example", "/"),
            ("https://api.example?key=x", "/"),
            ("", ""),
        ] {
            assert_eq!(path(target), expected);
        }
    }

    #[test]
    fn a_credential_is_found_without_its_word_and_not_where_it_is_masked() {
        let check = |headers, expected| {
            let tree = Tree::parse(headers).unwrap();
            assert_eq!(credential(tree.root()), expected, "{headers}");
        };
        check(
            r#"{"Authorization":"Bearer  abc","x-api-key":"d"}"#,
            Some("abc"),
        );
        check(r#"{"authorization":["abc","d"]}"#, Some("abc"));
        check(r#"{"authorization":"REDACTED","apikey":"d"}"#, Some("d"));
        check(r#"{"authorization":"Bearer ****"}"#, None);
        check(r#"{"authorization":"Bearer\t<redacted>"}"#, None);
        check(r#"{"authorization":"bearer\t abc "}"#, Some("abc"));
        check("{}", None);
        check(
            r#"{"authorization":"Bearer eyJa.eyJb.c","apikey":"d"}"#,
            Some("d"),
        );
        check("null", None);
    }

    #[test]
    fn a_request_as_it_was_sent_is_known_by_its_first_line() {
        let line = "POST /v1/chat/completions?key=x HTTP/1.1\r\nhost: api.example\r\n\r\n{}";
        assert_eq!(request_line(line), Some("POST /v1/chat/completions"));
        for text in ["", "{}", "POST /v1", "post / HTTP/1.1", "a HTTP/1.1"] {
            assert_eq!(request_line(text), None, "{text}");
        }
    }
}
