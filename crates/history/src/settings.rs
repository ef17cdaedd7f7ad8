//! The settings of a session, as far as programs ask for them; none is one of the engine's.

/// What we say we are; drivers choose by it what they ask the catalogue.
pub(crate) const SERVER_VERSION: &str = "16.0";

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

/// Returns what a setting says.
pub(crate) fn shown(name: &str) -> Option<&'static str> {
    let name = name.to_lowercase();
    let mut known = SHOWN.iter();
    known
        .find(|(known, _)| *known == name)
        .map(|(_, value)| *value)
}
