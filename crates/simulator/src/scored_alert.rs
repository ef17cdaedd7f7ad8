//! An alert, cut down to what its score depends on.

use model::Timestamp;
use serde::Deserialize;

use crate::AlertError;

/// Who is accused, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScoredAlert {
    /// The keys: one, several for a campaign, none for usage without a key.
    pub key_ids: Vec<String>,
    /// The tenant; empty if the alert does not say.
    pub account: String,
    /// The event time known when it was raised.
    pub raised_at: Timestamp,
}

/// The fields of `alert.v1` that count; all others are left alone.
#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    key_id: Option<Keys>,
    #[serde(default)]
    account: Option<String>,
    raised_at: Timestamp,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Keys {
    One(String),
    Many(Vec<String>),
}

impl ScoredAlert {
    /// Reads one `alert.v1` JSON line, in which `key_id` is a text or a list of texts.
    ///
    /// # Errors
    /// [`AlertError::Json`] where the line is no object with a `raised_at` in RFC 3339, or
    /// `key_id` is something else.
    pub fn from_json_line(line: &str) -> Result<Self, AlertError> {
        let line: Line = serde_json::from_str(line)?;
        Ok(Self {
            key_ids: match line.key_id {
                Some(Keys::One(key)) => vec![key],
                Some(Keys::Many(keys)) => keys,
                None => Vec::new(),
            },
            account: line.account.unwrap_or_default(),
            raised_at: line.raised_at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, keys: &[&str], account: &str) {
        let alert = ScoredAlert::from_json_line(line).unwrap();
        assert_eq!(alert.key_ids, keys, "{line}");
        assert_eq!(alert.account, account, "{line}");
        assert_eq!(alert.raised_at.to_string(), "2026-05-04T03:10:00.000Z");
    }

    #[test]
    fn one_key_a_list_and_none_are_read() {
        let time = r#""raised_at":"2026-05-04T03:10:00Z""#;
        check(
            &format!(r#"{{"key_id":"key_1","account":"a",{time},"score":80}}"#),
            &["key_1"],
            "a",
        );
        check(
            &format!(r#"{{"key_id":["key_1","key_2"],{time}}}"#),
            &["key_1", "key_2"],
            "",
        );
        check(
            &format!(r#"{{"key_id":null,"account":null,{time}}}"#),
            &[],
            "",
        );
        check(&format!("{{{time}}}"), &[], "");
    }

    #[test]
    fn what_is_no_alert_is_refused() {
        for line in [
            "",
            "[]",
            "{}",
            r#"{"key_id":7,"raised_at":"2026-05-04T03:10:00Z"}"#,
            r#"{"key_id":"key_1","raised_at":"yesterday"}"#,
        ] {
            assert!(ScoredAlert::from_json_line(line).is_err(), "{line}");
        }
    }
}
