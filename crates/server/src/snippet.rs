//! Commands and queries to copy: what a feed said stays inside its quotes.

use model::{Action, ActionState, Alert, Entity, EntityLevel, IncidentId, Metric, Timestamp};

use crate::format::is_hidden;

/// Writes the command that freezes a key.
pub(crate) fn freeze(entity: &Entity, incident: &IncidentId) -> String {
    let mut command = format!("spikewatch act freeze --key={}", shell_quoted(&entity.key));
    for (option, value) in [
        ("--provider", &entity.provider),
        ("--account", &entity.account),
    ] {
        if !value.is_empty() {
            command.push_str(&format!(" {option}={}", shell_quoted(value)));
        }
    }
    let reason = format!("incident {incident}");
    command.push_str(&format!(" --reason={}", shell_quoted(&reason)));
    command
}

/// Writes the command that undoes the newest action on a key that still stands, or `None` if
/// there is nothing to undo.
pub(crate) fn undo(actions: &[Action], entity: &Entity) -> Option<String> {
    let action = actions
        .iter()
        .find(|action| action.entity == *entity && action.state != ActionState::Undone)?;
    let id = shell_quoted(action.action_id.as_str());
    Some(format!("spikewatch undo {id}"))
}

/// Writes the query that gives the observed number of an alert again.
pub(crate) fn reproduce(alert: &Alert) -> String {
    let sum = match alert.metric {
        Metric::Requests => "sum(requests)",
        Metric::Tokens => "sum(coalesce(input_tokens, 0) + coalesce(output_tokens, 0))",
        Metric::Cost => "sum(cost_usd)",
    };
    let mut conditions = vec![equals("provider", &alert.provider)];
    if alert.entity_level != EntityLevel::Provider {
        conditions.push(equals("account", &alert.account));
    }
    match alert.entity_level {
        EntityLevel::Key => conditions.push(equals("key_id", &alert.key_id)),
        EntityLevel::Project | EntityLevel::Service => {
            let named =
                |column, name: &Option<String>| equals(column, name.as_deref().unwrap_or_default());
            conditions.push(named("project", &alert.project));
            if alert.entity_level == EntityLevel::Service {
                conditions.push(named("service", &alert.service));
            }
        }
        EntityLevel::Account | EntityLevel::Provider => {}
    }
    conditions.push(format!("event_time >= {}", sql_time(alert.window_start)));
    conditions.push(format!("event_time < {}", sql_time(alert.window_end)));
    format!(
        "SELECT {sum} AS observed\nFROM v_usage_latest\nWHERE {};",
        conditions.join("\n  AND ")
    )
}

/// Writes a condition; what the feed does not say is empty in an alert and null in a table.
fn equals(column: &str, value: &str) -> String {
    if value.is_empty() {
        format!("{column} IS NULL")
    } else {
        format!("{column} = {}", sql_quoted(value))
    }
}

fn sql_time(time: Timestamp) -> String {
    format!("TIMESTAMPTZ '{time}'")
}

/// Quotes a text for SQL; what cannot be seen is written as `chr(..)`, so that the reader of
/// the query sees what will run.
fn sql_quoted(text: &str) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut literal = String::new();
    for character in text.chars() {
        if is_hidden(character) {
            if !literal.is_empty() {
                parts.push(format!("'{literal}'"));
                literal.clear();
            }
            parts.push(format!("chr({})", u32::from(character)));
        } else if character == '\'' {
            literal.push_str("''");
        } else {
            literal.push(character);
        }
    }
    if !literal.is_empty() || parts.is_empty() {
        parts.push(format!("'{literal}'"));
    }
    parts.join(" || ")
}

/// Quotes a text for a POSIX shell; with what cannot be seen in it, for bash and zsh.
fn shell_quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+,".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    if !text.chars().any(is_hidden) {
        return format!("'{}'", text.replace('\'', r"'\''"));
    }
    let mut quoted = String::from("$'");
    for character in text.chars() {
        match character {
            '\'' | '\\' => {
                quoted.push('\\');
                quoted.push(character);
            }
            hidden if is_hidden(hidden) => {
                quoted.push_str(&format!("\\U{:08x}", u32::from(hidden)));
            }
            seen => quoted.push(seen),
        }
    }
    quoted.push('\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shell_words_stay_words() {
        for (text, expected) in [
            ("key_7f3a", "key_7f3a"),
            ("", "''"),
            ("a b", "'a b'"),
            ("$(rm -rf ~)", "'$(rm -rf ~)'"),
            ("it's", r"'it'\''s'"),
            ("a\nb", r"$'a\U0000000ab'"),
            ("a'\\\u{202e}b", r"$'a\'\\\U0000202eb'"),
        ] {
            assert_eq!(shell_quoted(text), expected);
        }
    }

    #[test]
    fn a_real_shell_reads_back_what_was_quoted() {
        let hostile = [
            "'; touch /tmp/owned; '",
            "`id`",
            "$(id) ${HOME} \\ \" ' !",
            "-rf",
            "line\nbreak\ttab",
            "\u{202e}txt",
            "ключ 🔑",
        ];
        for text in hostile {
            let script = format!("printf %s {}", shell_quoted(text));
            let output = std::process::Command::new("bash")
                .env("LC_ALL", "C.UTF-8")
                .args(["-c", &script])
                .output()
                .unwrap();
            assert_eq!(String::from_utf8_lossy(&output.stdout), text);
        }
    }

    #[test]
    fn sql_literals_stay_literals() {
        for (text, expected) in [
            ("acme", "'acme'"),
            ("' OR 1=1 --", "''' OR 1=1 --'"),
            ("a\nb", "'a' || chr(10) || 'b'"),
            ("\u{202e}", "chr(8238)"),
            ("", "''"),
        ] {
            assert_eq!(sql_quoted(text), expected);
        }
        assert_eq!(equals("account", ""), "account IS NULL");
    }
}
