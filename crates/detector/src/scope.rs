//! Usage without a key: by whom it is kept apart, and what is told of it.

use model::{Alert, AlertId, EntityLevel, Evidence, Timestamp};

/// Between the parts of a scope's text.
const SEPARATOR: char = '\u{1f}';

/// Usage without a key, of a project or an account.
#[derive(Clone)]
pub(crate) struct Scope<'a> {
    is_sum: bool,
    pub(crate) level: EntityLevel,
    pub(crate) project: Option<&'a str>,
}

impl<'a> Scope<'a> {
    /// Returns the text that stands in a key's place.
    ///
    /// Sums over many keys and calls without one are kept apart: the first may hold the second.
    pub(crate) fn write(is_sum: bool, project: Option<&str>) -> String {
        let (level, name) = match project {
            Some(project) => (EntityLevel::Project, project),
            None => (EntityLevel::Account, ""),
        };
        let of = if is_sum { "all" } else { "without key" };
        let level = level.as_str();
        format!("{of}{SEPARATOR}{level}{SEPARATOR}{name}")
    }

    /// Reads it again.
    pub(crate) fn read(text: &'a str) -> Self {
        let mut parts = text.splitn(3, SEPARATOR);
        let mut next = || parts.next().unwrap_or_default();
        let (of, level, name) = (next(), next(), next());
        let is_project = level == EntityLevel::Project.as_str();
        Self {
            is_sum: of == "all",
            level: match is_project {
                true => EntityLevel::Project,
                false => EntityLevel::Account,
            },
            project: is_project.then_some(name),
        }
    }
}

/// Turns an alert that was made as if a scope were a key into one on the scope. The sentences
/// of the families are made for keys: their subject is changed here, once for all.
pub(crate) fn without_key(mut alert: Alert) -> Alert {
    let text = std::mem::take(&mut alert.key_id);
    let scope = Scope::read(&text);
    let names = [&*alert.provider, &*alert.account, &*text];
    // As for keys the hour in which the episode began.
    let hour = alert.first_seen.floor_to(Timestamp::HOUR);
    alert.alert_id = AlertId::compute_without_key(scope.level, &names, hour);
    alert.entity_level = scope.level;
    alert.key_hint = None;
    alert.project = scope.project.map(str::to_owned);
    let noun = scope.level.as_str();
    for evidence in &mut alert.evidence {
        for (key, own) in [
            (" key like this", format!(" {noun} like this")),
            ("this key", format!("this {noun}")),
            ("the key ", format!("the {noun} ")),
            ("new key", format!("new {noun}")),
            ("key-days", format!("{noun}-days")),
        ] {
            evidence.text = evidence.text.replace(key, &own);
        }
    }
    let name = match scope.project {
        Some(project) => format!("project {project} of {}", alert.account),
        None => format!("account {}", alert.account),
    };
    let what = match scope.is_sum {
        true => format!("all usage of {name} at {}", alert.provider),
        false => format!("usage of {name} at {} without a key", alert.provider),
    };
    let family = alert.evidence.first().map(|first| first.family.clone());
    alert.evidence.insert(
        0,
        Evidence {
            family: family.unwrap_or_else(|| "volume".to_owned()),
            text: what,
            neg_log_p: None,
        },
    );
    alert
}
