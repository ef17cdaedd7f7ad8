//! What rows of the kinds key and audit have in common.
//!
//! | field | of a key | of a change |
//! |---|---|---|
//! | `time` | when the list was read | when it happened |
//! | `key`, `key_hint`, `key_alias` | the key, its masked form, its name | the key that did it |
//! | `principal`, `user` | who owns it | who did it |
//! | `operation` | | what was done |
//! | `extra.status` | active, inactive, archived, expired or deleted | |
//! | `extra.created_at`, `last_used_at`, `expires_at` | RFC 3339 | |
//! | `extra.owner_type`, `owner_name`, `owner_role` | of the owner | |
//! | `extra.target` | | the id of what it was done to |

use std::borrow::Cow;

use model::{Reason, TextField, Timestamp};

use super::identity;
use crate::draft::Draft;
use crate::json::Json;
use crate::meaning::instant;
use crate::rejection::Rejection;
use crate::rows::Rows;

/// A key while it is read.
pub(super) struct KeyDraft<'t> {
    pub(super) draft: Draft<'t>,
    /// The latest moment that the entry itself names.
    latest: Option<Timestamp>,
}

impl<'t> KeyDraft<'t> {
    /// Starts the row of a key by its id.
    ///
    /// # Errors
    /// [`Reason::MissingField`] without an id.
    pub(super) fn new(provider: &'static str, json: Json<'t>) -> Result<Self, Rejection> {
        let Some(id) = json.get("id").label() else {
            return Err(Rejection::new(Reason::MissingField, "a key has no `id`"));
        };
        let mut draft = Draft::new("key");
        draft.row.extra.reserve(8);
        draft.set(TextField::Source, "provider");
        draft.set(TextField::Provider, provider);
        draft.set(TextField::Key, id);
        draft.set(TextField::KeyKind, "provider_id");
        draft.text(TextField::KeyAlias, json.get("name"));
        Ok(Self {
            draft,
            latest: None,
        })
    }

    /// Keeps the moment of that name, if there is one, as RFC 3339.
    pub(super) fn moment(
        &mut self,
        json: Json<'t>,
        name: &'static str,
    ) -> Result<Option<Timestamp>, Rejection> {
        let moment = instant::read(json.get(name))?;
        if let Some(moment) = moment {
            self.draft.extra_text(name, moment.to_string());
        }
        Ok(moment)
    }

    /// Keeps when it was made and used, which also bounds the time of a list without one.
    pub(super) fn moments(&mut self, json: Json<'t>) -> Result<(), Rejection> {
        for name in ["created_at", "last_used_at"] {
            self.latest = self.moment(json, name)?.or(self.latest);
        }
        Ok(())
    }

    /// Takes the entry as the state of a key when the list was read.
    ///
    /// A list does not say when that was: it is the time of the record. Each reading has ids of its
    /// own, so that a state that comes back is no repeat of its first time.
    pub(super) fn push(
        mut self,
        rows: &mut Rows<'_>,
        format: &str,
        json: Json<'t>,
        status: Option<&'t str>,
    ) -> Result<(), Rejection> {
        let read_at = rows.context.time.or(rows.record_time());
        if read_at.is_none() {
            self.draft.time = self.latest;
        }
        let status = status.unwrap_or_default();
        self.draft.extra_text("status", status);
        let read_at = read_at.map(|time| time.to_string()).unwrap_or_default();
        let parts = [json.get("id").raw(), &read_at, status];
        let id = identity::of_line(format, parts);
        self.draft.set(TextField::Id, id);
        rows.push(json, self.draft)
    }
}

/// Keeps the scalars of an object and its lists of scalars, with commas between, by their names
/// behind `prefix`; objects inside are left out.
pub(super) fn details<'t>(draft: &mut Draft<'t>, prefix: &str, object: Json<'t>) {
    for (name, value) in object.members() {
        let name = match prefix {
            "" => Cow::Borrowed(name),
            _ => Cow::Owned(format!("{prefix}.{name}")),
        };
        if value.is_array() {
            let items: Vec<_> = value.items().filter_map(Json::label).collect();
            draft.extra_text(name, items.join(","));
        } else {
            draft.extra(name, value);
        }
    }
}
