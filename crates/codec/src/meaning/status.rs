//! What came of a call.

use model::{CountField, TextField, UsageRow};

/// Writes an HTTP status and the outcome that follows from it, unless the row says its own.
pub(crate) fn fill(row: &mut UsageRow<'_>, status: Option<u64>) {
    let Some(status) = status.filter(|status| (100..1000).contains(status)) else {
        return;
    };
    row.set_count(CountField::Status, status);
    if row.text(TextField::Outcome).is_none() {
        let outcome = if status < 400 { "ok" } else { "error" };
        row.set_text(TextField::Outcome, outcome);
    }
}
