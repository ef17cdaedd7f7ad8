//! The exact command to paste, with every value quoted so that it stays one word.

use model::{Entity, IncidentId};

use crate::text::is_invisible;

/// Ids longer than this are no ids; no command is offered for them.
const MAX_VALUE_CHARS: usize = 256;

/// Returns the command that freezes the key, or `None` if its id is too long to be one.
pub(crate) fn freeze_command(entity: &Entity, incident_id: &IncidentId) -> Option<String> {
    let reason = format!("incident {incident_id}");
    let mut command = "spikewatch act freeze".to_owned();
    for (flag, value) in [
        ("--provider", entity.provider.as_str()),
        ("--account", entity.account.as_str()),
        ("--key", entity.key.as_str()),
        ("--reason", reason.as_str()),
    ] {
        if value.chars().count() > MAX_VALUE_CHARS {
            return None;
        }
        if value.is_empty() {
            continue;
        }
        // A value that begins with a dash would be read as a flag.
        let joint = if value.starts_with('-') { '=' } else { ' ' };
        command.push(' ');
        command.push_str(flag);
        command.push(joint);
        command.push_str(&quoted(value));
    }
    Some(command)
}

/// Quotes a value as one word for bash and zsh.
///
/// Plain ids stay as they are. Printable text is put in single quotes. Anything that could
/// act on a terminal or on what shows the message (control characters, invisible characters,
/// `<`, `>`, `&`, backticks, an address that a program would link) is written as `$'\xHH'`, which is printable ASCII only.
pub(crate) fn quoted(value: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+=,".contains(c);
    let has_address = value.contains("://");
    if !value.is_empty() && !has_address && value.chars().all(is_plain) {
        return value.to_owned();
    }
    let is_risky = |c: char| {
        c.is_control() || is_invisible(c) || (c.is_whitespace() && c != ' ') || "<>&`".contains(c)
    };
    if !has_address && !value.chars().any(is_risky) {
        return format!("'{}'", value.replace('\'', r"'\''"));
    }
    let mut word = "$'".to_owned();
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b" _-./@%+=,".contains(&byte) {
            word.push(char::from(byte));
        } else {
            // Two digits end the escape in bash and zsh, whatever follows.
            word.push_str(&format!("\\x{byte:02x}"));
        }
    }
    word.push('\'');
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entity(key: &str) -> Entity {
        Entity {
            provider: "anthropic".to_owned(),
            account: "acme".to_owned(),
            key: key.to_owned(),
        }
    }

    #[test]
    fn plain_ids_read_as_they_are() {
        let incident_id = IncidentId::from_text("inc_1");
        assert_eq!(
            freeze_command(&entity("apikey_01"), &incident_id).unwrap(),
            "spikewatch act freeze --provider anthropic --account acme --key apikey_01 \
             --reason 'incident inc_1'"
        );
        let command = freeze_command(&entity("-rf"), &incident_id).unwrap();
        assert!(command.contains(" --key=-rf "), "{command}");
        assert_eq!(
            freeze_command(&entity(&"k".repeat(257)), &incident_id),
            None
        );
    }

    #[test]
    fn what_is_unknown_is_left_out() {
        let entity = Entity {
            key: "k".to_owned(),
            ..Entity::default()
        };
        assert_eq!(
            freeze_command(&entity, &IncidentId::from_text("i")).unwrap(),
            "spikewatch act freeze --key k --reason 'incident i'"
        );
    }

    #[test]
    fn a_shell_reads_back_the_very_value() {
        let values = [
            "plain",
            "",
            "two words",
            "it's",
            "$(reboot)",
            "`reboot`",
            "a;b|c&d",
            "\\",
            "\"q\"",
            "a\nb",
            "\u{1b}[31mred",
            "<!channel>",
            "ünï",
            "\u{202E}gpj",
            "!!",
            "*",
            "\n1f",
            "\t\t9",
        ];
        for value in values {
            let word = quoted(value);
            assert!(!word.contains(['<', '>', '\n', '\u{1b}']), "{word}");
            let output = std::process::Command::new("bash")
                .arg("-c")
                .arg(format!("printf %s {word}"))
                .output()
                .unwrap();
            assert_eq!(String::from_utf8_lossy(&output.stdout), value, "{word}");
        }
    }
}
