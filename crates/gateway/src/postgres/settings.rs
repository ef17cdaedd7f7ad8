//! What of a session's settings may be set.
//!
//! None reaches the query engine: what may be set is taken and changes nothing, everything else is
//! refused.

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

/// Returns whether a setting, by its name in small letters, may be set.
pub(crate) fn may_be_set(name: &str) -> bool {
    let name = name.trim_matches('"');
    MAY_BE_SET
        .iter()
        .any(|known| name == *known || (name.starts_with("set ") && name.contains(known)))
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
    }
}
