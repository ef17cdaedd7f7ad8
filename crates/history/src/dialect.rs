//! PostgreSQL's dialect, as far as the query engine does not have it.
//!
//! Most of it is done by `datafusion-pg-catalog`; here is what it lacks.

use std::ops::ControlFlow;
use std::sync::LazyLock;

use columns::Error;
use datafusion::sql::sqlparser::ast::{self, DataType, Expr, Statement};
use datafusion_pg_catalog::sql::PostgresCompatibilityParser;
use regex::Regex;

/// How Grafana asks, inside of other questions, for the schemas that need not be named: the items of
/// the setting `search_path`, by functions that stand in place of tables.
static SEARCH_PATH: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r#"(?is)SELECT\s+CASE\s+WHEN\s+trim\(s\[i\]\)\s*=\s*'"\$user"'\s+THEN\s+(?:current_)?user\s+ELSE\s+trim\(s\[i\]\)\s+END\s+FROM\s+generate_series\(.{0,200}?string_to_array\(\s*current_setting\('search_path'\)\s*,\s*','\s*\)\s+s\b"#;
    Regex::new(pattern).expect("a pattern that a test has compiled")
});

/// Parses a text as statements of the query engine.
///
/// # Errors
/// [`Error::Query`] when it is not understood.
pub(crate) fn parse(text: &str) -> Result<Vec<Statement>, Error> {
    let text = SEARCH_PATH.replace_all(text, "'public'");
    let parsed = PostgresCompatibilityParser::new().parse(&text);
    let mut parsed = parsed.map_err(|err| crate::error::parse(&err.to_string()))?;
    parsed.iter_mut().for_each(with_plain_numbers);
    Ok(parsed)
}

/// Makes casts to `oid`, a number of a thing in the catalogue, casts to a number.
fn with_plain_numbers(parsed: &mut Statement) {
    let _: ControlFlow<()> = ast::visit_expressions_mut(parsed, |expression| {
        if let Expr::Cast { data_type, .. } = expression
            && data_type.to_string().eq_ignore_ascii_case("oid")
        {
            *data_type = DataType::Integer(None);
        }
        ControlFlow::Continue(())
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> String {
        let statements = parse(text).unwrap();
        statements
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("; ")
    }

    #[test]
    fn the_search_path_is_the_one_schema() {
        let text = "SELECT 1 WHERE quote_ident(table_schema) IN (
          SELECT CASE WHEN TRIM(s[i]) = '\"$user\"' THEN user ELSE TRIM(s[i]) END
          FROM generate_series(
            array_lower(string_to_array(current_setting('search_path'),','),1),
            array_upper(string_to_array(current_setting('search_path'),','),1)
          ) as i,
          string_to_array(current_setting('search_path'),',') s
        )";
        let expected = "SELECT 1 WHERE quote_ident(table_schema) IN ('public')";
        assert_eq!(parsed(text), expected);
        assert_eq!(parsed("SELECT 's[i]' AS a"), "SELECT 's[i]' AS a");
    }

    #[test]
    fn a_number_of_the_catalogue_is_a_number() {
        assert_eq!(
            parsed("SELECT 1::oid, 'a'::text"),
            "SELECT 1::INTEGER, 'a'::TEXT"
        );
    }
}
