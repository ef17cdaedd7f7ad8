//! The text/html part; `templates/email.html`, escaped by askama.

use askama::Template;

use crate::summary::{LEDGER, Summary};

/// Charts are drawn for the worst keys only: a chart is the heaviest thing in a message.
const MAX_CHARTS: usize = 3;

#[derive(Template)]
#[template(path = "email.html")]
struct Page<'a> {
    summary: &'a Summary,
    colour: &'static str,
    ledger: &'static str,
}

/// Writes the whole summary as HTML without images, scripts or remote styles.
pub(crate) fn html_part(summary: &Summary) -> Result<String, askama::Error> {
    use model::Severity;
    // White text on each of these has a contrast of at least 4.5 to 1.
    let colour = match summary.severity {
        Severity::Critical => "#991b1b",
        Severity::High => "#b45309",
        Severity::Medium => "#1d4ed8",
        Severity::Low | Severity::Info => "#475569",
    };
    Page {
        summary,
        colour,
        ledger: LEDGER,
    }
    .render()
}
