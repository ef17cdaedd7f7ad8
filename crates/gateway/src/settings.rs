//! The settings of a session, as far as drivers ask for them.
//!
//! None reaches the query engine: what may be set is taken and changes nothing, everything else is
//! refused.

/// What we say we are; drivers choose by it what they ask the catalogue.
pub(crate) const SERVER_VERSION: &str = "16.0 (Spikewatch)";

/// What drivers set when they connect.
const MAY_BE_SET: &[&str] = &[
    "application_name",
    "bytea_output",
    "client_encoding",
    "client_min_messages",
    "datestyle",
    "extra_float_digits",
    "geqo",
    "idle_in_transaction_session_timeout",
    "intervalstyle",
    "jit",
    "lock_timeout",
    "search_path",
    "session characteristics",
    "standard_conforming_strings",
    "statement_timeout",
    "timezone",
    "transaction",
];

/// What drivers ask for.
const SHOWN: &[(&str, &str)] = &[
    ("application_name", ""),
    ("client_encoding", "UTF8"),
    ("datestyle", "ISO, MDY"),
    ("default_transaction_read_only", "on"),
    ("integer_datetimes", "on"),
    ("intervalstyle", "postgres"),
    ("is_superuser", "off"),
    ("max_identifier_length", "63"),
    ("max_index_keys", "32"),
    ("search_path", "public"),
    ("server_encoding", "UTF8"),
    ("server_version", SERVER_VERSION),
    ("server_version_num", "160000"),
    ("standard_conforming_strings", "on"),
    ("statement_timeout", "0"),
    ("time_zone", "UTC"),
    ("timezone", "UTC"),
    ("transaction_isolation", "repeatable read"),
    ("transaction_isolation_level", "repeatable read"),
    ("transaction_read_only", "on"),
];

/// Returns whether a setting, by its name in small letters, may be set.
pub(crate) fn may_be_set(name: &str) -> bool {
    let name = name.trim_matches('"');
    MAY_BE_SET
        .iter()
        .any(|known| name == *known || (name.starts_with("set ") && name.contains(known)))
}

/// Returns what a setting says, by its name in small letters.
pub(crate) fn shown(name: &str) -> Option<&'static str> {
    let mut known = SHOWN.iter();
    known
        .find(|(known, _)| *known == name)
        .map(|(_, value)| *value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_drivers_set_is_taken_and_nothing_of_the_engine() {
        assert!(may_be_set("extra_float_digits") && may_be_set("timezone"));
        assert!(may_be_set(
            "set session characteristics as transaction read only"
        ));
        assert!(!may_be_set("datafusion.execution.target_partitions"));
        assert!(!may_be_set("role") && !may_be_set(""));
        assert_eq!(shown("transaction_isolation"), Some("repeatable read"));
        assert_eq!(shown("data_directory"), None);
    }
}
