//! The place in a statement that an error speaks of.

use std::fmt::Write;

/// Adds to an error the line that it speaks of, with a sign below the place, if it says one:
/// `… at line 1, column 8`, both counted from 1.
pub(crate) fn marked(statement: &str, error: &str) -> String {
    let mut text = error.to_owned();
    if let Some((line, column)) = place(error)
        && let Some(line) = statement.lines().nth(line - 1)
    {
        // A tab stays one, so that the sign stands below its place on every screen.
        let blank = |c: char| if c == '\t' { c } else { ' ' };
        let before: String = line.chars().take(column - 1).map(blank).collect();
        // Writing to a text does not fail.
        let _ = write!(text, "\n  {line}\n  {before}^");
    }
    text
}

fn place(error: &str) -> Option<(usize, usize)> {
    let (_, place) = error.rsplit_once(" at line ")?;
    let (line, column) = place.split_once(", column ")?;
    let (line, column): (usize, usize) = (line.parse().ok()?, column.trim_end().parse().ok()?);
    (line > 0 && column > 0).then_some((line, column))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_stands_below_the_place() {
        let statement = "SELECT\n\tfoo é bar";
        let shown = marked(statement, "what is this at line 2, column 8");
        assert_eq!(
            shown,
            "what is this at line 2, column 8\n  \tfoo é bar\n  \t      ^"
        );
        for error in [
            "no place",
            "odd at line 0, column 0",
            "past at line 9, column 1",
            " at line x, column y",
        ] {
            assert_eq!(marked(statement, error), error);
        }
    }
}
