//! The text/plain part: everything, for whoever reads mail in a terminal or on a watch.

use std::fmt::Write;

use crate::summary::{KeySummary, LEDGER, Summary};
use crate::text::{capital, plural};

/// Writes the whole summary as text.
pub(crate) fn text_part(summary: &Summary) -> String {
    let mut text = String::new();
    // Writing to a `String` does not fail.
    let _ = write(&mut text, summary);
    text
}

fn write(text: &mut String, summary: &Summary) -> std::fmt::Result {
    writeln!(text, "{}\n", summary.verdict)?;
    writeln!(text, "Account:   {}", summary.account)?;
    writeln!(text, "Lost:      {}", summary.lost)?;
    writeln!(text, "Burning:   {}", summary.burn)?;
    if let Some(saving) = &summary.saving {
        writeln!(text, "           {}", capital(saving))?;
    }
    if let Some(vendors) = &summary.vendors {
        writeln!(text, "\n{vendors}")?;
    }
    for key in &summary.keys {
        write_key(text, key)?;
    }
    if summary.keys_left_out > 0 {
        writeln!(
            text,
            "\n... and {} more.",
            plural(summary.keys_left_out, "alert")
        )?;
    }
    writeln!(text, "\nWHAT TO DO NEXT\n")?;
    for step in &summary.steps {
        writeln!(text, "- {step}")?;
    }
    if !summary.commands.is_empty() {
        writeln!(text)?;
    }
    for command in &summary.commands {
        writeln!(text, "    {command}")?;
    }
    if let Some(link) = &summary.link {
        writeln!(text, "\nThe incident: {link}")?;
    }
    // "-- " is where mail programs expect the footer to begin.
    writeln!(text, "\n-- \n{LEDGER}")?;
    writeln!(
        text,
        "Incident {}, {}.",
        summary.incident_id, summary.telling
    )
}

fn write_key(text: &mut String, key: &KeySummary) -> std::fmt::Result {
    writeln!(text, "\nKEY {} ({})", key.name, key.grade)?;
    writeln!(text, "  {}\n", key.card)?;
    writeln!(text, "  Measured:  {}", key.window)?;
    writeln!(text, "  Seen:      {}", key.observed)?;
    writeln!(text, "  Expected:  {}", key.expected)?;
    writeln!(text, "  Factor:    {}; {}", key.factor, key.rarity)?;
    writeln!(text, "  Since:     {}", key.since)?;
    writeln!(text, "  Money:     {}", key.money)?;
    if let Some(chart) = &key.chart {
        writeln!(text, "\n  seen   {}", chart.seen)?;
        writeln!(text, "  limit  {}", chart.limit)?;
        if !chart.marks.is_empty() {
            writeln!(text, "  above  {}", chart.marks)?;
        }
        writeln!(text, "  {}", chart.caption)?;
    }
    list(text, "Evidence", &key.evidence)?;
    list(text, "Made of", &key.contributors)?;
    if !key.techniques.is_empty() {
        writeln!(text, "\n  May be:    {}", key.techniques)?;
    }
    Ok(())
}

fn list(text: &mut String, heading: &str, lines: &[String]) -> std::fmt::Result {
    if lines.is_empty() {
        return Ok(());
    }
    writeln!(text, "\n  {heading}:")?;
    for line in lines {
        writeln!(text, "  - {line}")?;
    }
    Ok(())
}
