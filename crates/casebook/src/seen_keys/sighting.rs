//! What one event of a list or an audit log says of a key.

use crate::row::remove_nul;
use model::{Entity, TextField, Timestamp, UsageRow};

/// Something that is true of a key for a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyFact {
    /// active, inactive, archived, expired or deleted.
    Status,
    /// Who answers for it.
    Owner,
    /// Its masked form.
    Hint,
    /// Its name.
    Alias,
    /// The project or workspace.
    Project,
    /// When it was made, RFC 3339.
    Created,
    /// Who made it, as an audit log says; its time is when.
    CreatedBy,
    /// When it ends, RFC 3339.
    Expires,
    /// Another change, in the words of the audit log; each is by itself.
    Changed,
}

impl KeyFact {
    /// Every fact.
    pub const ALL: [Self; 9] = [
        Self::Status,
        Self::Owner,
        Self::Hint,
        Self::Alias,
        Self::Project,
        Self::Created,
        Self::CreatedBy,
        Self::Expires,
        Self::Changed,
    ];

    /// Returns the stable word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Owner => "owner",
            Self::Hint => "hint",
            Self::Alias => "alias",
            Self::Project => "project",
            Self::Created => "created",
            Self::CreatedBy => "created_by",
            Self::Expires => "expires",
            Self::Changed => "changed",
        }
    }

    /// Returns the fact of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fact| fact.as_str() == word)
    }
}

/// Where a sighting is from. What an audit log says of a moment is believed before a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SightingSource {
    /// A list of keys: how a key was when the list was read.
    List,
    /// An audit log: what somebody did.
    Audit,
}

impl SightingSource {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Audit => "audit",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        [Self::List, Self::Audit]
            .into_iter()
            .find(|source| source.as_str() == word)
    }
}

/// What one event says of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySighting {
    /// The key, as the event names it.
    pub entity: Entity,
    /// When it was so, or was done.
    pub time: Timestamp,
    /// Where it is from.
    pub source: SightingSource,
    /// Who did it, if it was done.
    pub actor: Option<String>,
    /// What is true from then on.
    pub facts: Vec<(KeyFact, String)>,
    /// When the key was used.
    pub last_used: Option<Timestamp>,
}

impl KeySighting {
    /// Returns what a row of the kinds key and audit says of keys: of the key that is listed, or
    /// of the key that something was done to and of the one it was done with.
    ///
    /// Other rows say nothing.
    pub fn all_of(row: &UsageRow<'_>) -> Vec<Self> {
        match row.text(TextField::Kind) {
            Some("key") => listed(row).into_iter().collect(),
            Some("audit") => done_to(row).into_iter().chain(done_with(row)).collect(),
            _ => Vec::new(),
        }
    }
}

impl KeySighting {
    /// Returns it as both databases can keep it.
    pub(super) fn storable(&self) -> Self {
        let mut sighting = self.clone();
        let Entity {
            provider,
            account,
            key,
        } = &mut sighting.entity;
        let values = sighting.facts.iter_mut().map(|(_, value)| value);
        let texts = values.chain(&mut sighting.actor);
        for text in texts.chain([provider, account, key]) {
            remove_nul(text);
        }
        sighting
    }
}

fn text(row: &UsageRow<'_>, field: TextField) -> Option<String> {
    row.text(field)
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

fn extra<'r>(row: &'r UsageRow<'_>, name: &str) -> Option<&'r str> {
    let found = row.extra.iter().find(|(other, _)| other == name);
    found
        .map(|(_, value)| &**value)
        .filter(|value| !value.is_empty())
}

fn moment(row: &UsageRow<'_>, name: &str) -> Option<Timestamp> {
    Timestamp::parse(extra(row, name)?).ok()
}

fn entity(row: &UsageRow<'_>, key: &str) -> Entity {
    Entity {
        provider: text(row, TextField::Provider).unwrap_or_default(),
        account: text(row, TextField::Account).unwrap_or_default(),
        key: key.to_owned(),
    }
}

fn listed(row: &UsageRow<'_>) -> Option<KeySighting> {
    let key = row.text(TextField::Key).filter(|key| !key.is_empty())?;
    let owner = text(row, TextField::Principal)
        .or_else(|| text(row, TextField::User))
        .or_else(|| extra(row, "owner_name").map(str::to_owned));
    let project = text(row, TextField::Project).or_else(|| text(row, TextField::Workspace));
    let moment_text = |name| moment(row, name).map(|time| time.to_string());
    let facts = [
        (KeyFact::Status, extra(row, "status").map(str::to_owned)),
        (KeyFact::Owner, owner),
        (KeyFact::Hint, text(row, TextField::KeyHint)),
        (KeyFact::Alias, text(row, TextField::KeyAlias)),
        (KeyFact::Project, project),
        (KeyFact::Created, moment_text("created_at")),
        (KeyFact::Expires, moment_text("expires_at")),
    ];
    let known = facts.into_iter();
    Some(KeySighting {
        entity: entity(row, key),
        time: row.time,
        source: SightingSource::List,
        actor: None,
        facts: known
            .filter_map(|(fact, value)| Some((fact, value?)))
            .collect(),
        last_used: moment(row, "last_used_at"),
    })
}

/// Returns who did what an audit log says, in the most telling words that are there.
fn actor(row: &UsageRow<'_>) -> Option<String> {
    text(row, TextField::Principal)
        .or_else(|| text(row, TextField::User))
        .or_else(|| text(row, TextField::Key))
        .or_else(|| text(row, TextField::Service))
        .or_else(|| extra(row, "actor_type").map(str::to_owned))
}

/// What a word at the end of an operation makes of a key.
fn status_of(verb: &str) -> Option<&'static str> {
    match verb {
        "created" | "activated" | "enabled" | "restored" | "unarchived" | "unblocked" => {
            Some("active")
        }
        "deleted" | "revoked" => Some("deleted"),
        "archived" => Some("archived"),
        "deactivated" | "disabled" | "blocked" => Some("inactive"),
        "expired" => Some("expired"),
        _ => None,
    }
}

/// Names under which an update says the new status.
const NEW_STATUS: [&str; 4] = ["changes.status", "data.status", "new_status", "status"];

fn done_to(row: &UsageRow<'_>) -> Option<KeySighting> {
    let operation = row.text(TextField::Operation)?;
    let failed = matches!(row.text(TextField::Outcome), Some("error" | "blocked"));
    if failed || !operation.contains("api_key") {
        return None;
    }
    let target = extra(row, "target")?;
    let actor = actor(row);
    let verb = operation.rsplit(['.', '_']).next().unwrap_or_default();
    let told = NEW_STATUS.iter().find_map(|name| extra(row, name));
    let mut facts = Vec::new();
    if let Some(status) = status_of(verb).or(told) {
        facts.push((KeyFact::Status, status.to_owned()));
    }
    if verb == "created" {
        facts.extend(actor.clone().map(|actor| (KeyFact::CreatedBy, actor)));
        facts.extend(text(row, TextField::Project).map(|project| (KeyFact::Project, project)));
    } else if status_of(verb).is_none() {
        let details = row
            .extra
            .iter()
            .filter(|(name, _)| name.starts_with("changes."));
        let mut words: Vec<_> = details
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        words.sort();
        words.insert(0, operation.to_owned());
        facts.push((KeyFact::Changed, words.join(" ")));
    }
    Some(KeySighting {
        entity: entity(row, target),
        time: row.time,
        source: SightingSource::Audit,
        actor,
        facts,
        last_used: None,
    })
}

fn done_with(row: &UsageRow<'_>) -> Option<KeySighting> {
    let key = row.text(TextField::Key).filter(|key| !key.is_empty())?;
    Some(KeySighting {
        entity: entity(row, key),
        time: row.time,
        source: SightingSource::Audit,
        actor: None,
        facts: Vec::new(),
        last_used: Some(row.time),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row<'r>(
        kind: &'r str,
        texts: &[(TextField, &'r str)],
        extra: &[(&'r str, &'r str)],
    ) -> UsageRow<'r> {
        let mut row = UsageRow::at(Timestamp::from_millis(1_777_896_000_000));
        row.set_text(TextField::Kind, kind);
        row.set_text(TextField::Provider, "openai");
        for (field, text) in texts {
            row.set_text(*field, *text);
        }
        row.extra = extra
            .iter()
            .map(|(n, v)| ((*n).into(), (*v).into()))
            .collect();
        row
    }

    #[test]
    fn a_listed_key_says_what_the_list_says() {
        let row = row(
            "key",
            &[
                (TextField::Key, "key_1"),
                (TextField::KeyHint, "sk-proj-***x9Zq"),
                (TextField::Principal, "ada@acme.example"),
                (TextField::User, "user-1"),
                (TextField::Project, "proj_1"),
            ],
            &[
                ("status", "active"),
                ("created_at", "2026-05-01T00:00:00.000Z"),
                ("last_used_at", "2026-05-04T11:00:00.000Z"),
                ("expires_at", ""),
            ],
        );
        let [sighting] = KeySighting::all_of(&row).try_into().unwrap();
        assert_eq!(sighting.entity.to_string(), "openai//key_1");
        assert_eq!(
            sighting.facts,
            [
                (KeyFact::Status, "active".to_owned()),
                (KeyFact::Owner, "ada@acme.example".to_owned()),
                (KeyFact::Hint, "sk-proj-***x9Zq".to_owned()),
                (KeyFact::Project, "proj_1".to_owned()),
                (KeyFact::Created, "2026-05-01T00:00:00.000Z".to_owned()),
            ]
        );
        assert_eq!(
            sighting.last_used.unwrap().to_string(),
            "2026-05-04T11:00:00.000Z"
        );
    }

    /// Checks what an operation on a key says of it.
    #[track_caller]
    fn check(operation: &str, more: &[(&str, &str)], expected: &[(KeyFact, &str)]) {
        let mut extra = vec![("target", "key_1")];
        extra.extend(more);
        let texts = [
            (TextField::Operation, operation),
            (TextField::Principal, "ada@acme.example"),
        ];
        let row = row("audit", &texts, &extra);
        let sightings = KeySighting::all_of(&row);
        if expected.is_empty() {
            assert!(sightings.is_empty(), "{sightings:?}");
            return;
        }
        assert_eq!(sightings[0].actor.as_deref(), Some("ada@acme.example"));
        let facts: Vec<_> = sightings[0]
            .facts
            .iter()
            .map(|(f, v)| (*f, v.as_str()))
            .collect();
        assert_eq!(facts, expected, "{operation}");
    }

    #[test]
    fn an_operation_on_a_key_changes_it() {
        use KeyFact::{Changed, CreatedBy, Status};
        let made = [(Status, "active"), (CreatedBy, "ada@acme.example")];
        check("api_key.created", &[], &made);
        check("platform_api_key_created", &[], &made);
        check("tenant.admin_api_key.deleted", &[], &[(Status, "deleted")]);
        check("admin_api_key_archived", &[], &[(Status, "archived")]);
        check(
            "api_key.updated",
            &[("changes.scopes", "a,b")],
            &[(Changed, "api_key.updated changes.scopes=a,b")],
        );
        check(
            "platform_api_key_updated",
            &[("new_status", "inactive")],
            &[(Status, "inactive"), (Changed, "platform_api_key_updated")],
        );
        check("project.created", &[], &[]);
    }

    #[test]
    fn what_failed_changed_nothing_and_the_acting_key_was_used() {
        let texts = [
            (TextField::Operation, "api_key.deleted"),
            (TextField::Outcome, "error"),
            (TextField::Key, "key_admin"),
        ];
        let sightings = KeySighting::all_of(&row("audit", &texts, &[("target", "key_1")]));
        let [sighting] = sightings.try_into().unwrap();
        assert_eq!(sighting.entity.key, "key_admin");
        assert!(sighting.facts.is_empty() && sighting.last_used.is_some());
        let usage = row(
            "usage",
            &[(TextField::Key, "key_1")],
            &[("status", "active")],
        );
        assert!(KeySighting::all_of(&usage).is_empty());
    }
}
