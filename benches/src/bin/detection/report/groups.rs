//! The table of abuses that belong together, such as the breach of a vendor.

use std::fmt::Write;

use simulator::Report;

use super::duration;

/// Writes it, and how many alerts on several keys there were; nothing where there is neither.
pub(super) fn write(out: &mut String, report: &Report) -> std::fmt::Result {
    if !report.groups.is_empty() {
        writeln!(
            out,
            "\n{:<26} {:<40} {:>13} {:>15}",
            "breach", "group", "keys detected", "as one after"
        )?;
    }
    for group in &report.groups {
        writeln!(
            out,
            "{:<26} {:<40} {:>13} {:>15}",
            group.kind,
            group.group,
            format!("{}/{}", group.detected, group.abuses),
            duration(group.minutes)
        )?;
    }
    let (all, wrong) = (report.alerts.campaigns, report.alerts.false_campaigns);
    if all > 0 {
        writeln!(out, "alerts on several keys: {all}, {wrong} of them false")?;
    }
    Ok(())
}
