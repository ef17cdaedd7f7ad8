//! OpenTelemetry's batches: what traces, metrics and logs share.
//!
//! ```text
//! record ─ protobuf                                   protobuf.rs, becomes OTLP/JSON
//!    └─ OTLP/JSON ─ resources ─ scopes ─ items        this file
//!         └─ attributes: the GenAI names              genai.rs
//! ```
//!
//! Protobuf is written as OTLP/JSON and read from there, so that what an attribute means is said
//! once. The JSON is read as senders write it and not as the specification has it: 64-bit numbers
//! as texts or numbers, names of enums, snake_case, ids missing or in base64.
//! Source: open-telemetry/opentelemetry-proto.

pub(super) mod genai;
mod names;
pub(crate) mod protobuf;

pub use names::DEFAULT_KEY_ATTRIBUTES;

use std::cell::{Cell, OnceCell};

use base64::Engine;
use model::Reason;

use super::{Confidence, identity};
use crate::json::{Json, NameHash, NameSet};
use crate::rejection::Rejection;
use crate::rows::Rows;

/// What the lists of a signal are called, in all spellings.
pub(super) struct Names {
    pub(super) resources: &'static [&'static str],
    pub(super) scopes: &'static [&'static str],
    pub(super) items: &'static [&'static str],
}

/// Tells a batch, or one resource of a batch, by the name of its list.
pub(super) fn signature(json: Json<'_>, names: &Names) -> Option<Confidence> {
    let mut members = json.members();
    let own = |(name, _)| names.resources.contains(&name) || names.scopes.contains(&name);
    members.any(own).then_some(Confidence::Certain)
}

/// What stands around an item: what its scope and its resource say of all of theirs.
pub(super) struct Around<'e, 't> {
    resource: &'e Attributes<'t>,
    scope: Attributes<'t>,
    pub(super) scope_name: Option<&'t str>,
}

impl<'t> Around<'_, 't> {
    /// Returns the name of the service that sent the batch.
    pub(super) fn service(&self) -> Option<&'t str> {
        self.resource.get("service.name")?.label()
    }

    /// Returns what tells a series from those of other resources and scopes.
    pub(super) fn identity(&self) -> [&str; 3] {
        let name = self.scope_name.unwrap_or_default();
        [self.resource.identity(), self.scope.identity(), name]
    }
}

/// Reads the scopes of a batch one by one; a bad resource or scope leaves its neighbours alone.
///
/// # Errors
/// [`Reason::UnknownFormat`] where there is no such list, [`Reason::WrongType`] where it is none.
pub(super) fn each_scope<'w, 't>(
    rows: &mut Rows<'w>,
    json: Json<'t>,
    names: &Names,
    mut read: impl FnMut(&mut Rows<'w>, &Around<'_, 't>, Json<'t>) -> Result<(), Rejection>,
) -> Result<(), Rejection> {
    if names.resources.iter().any(|name| json.has(name)) {
        let resources = list(json.first(names.resources))?;
        rows.each(resources, |rows, resource| {
            scopes(rows, resource, names, &mut read)
        });
        return Ok(());
    }
    if names.scopes.iter().any(|name| json.has(name)) {
        return scopes(rows, json, names, &mut read);
    }
    let detail = format!("the record has no `{}`", names.resources.join("` or `"));
    Err(Rejection::new(Reason::UnknownFormat, detail))
}

fn scopes<'w, 't>(
    rows: &mut Rows<'w>,
    json: Json<'t>,
    names: &Names,
    read: &mut impl FnMut(&mut Rows<'w>, &Around<'_, 't>, Json<'t>) -> Result<(), Rejection>,
) -> Result<(), Rejection> {
    let resource = Attributes::of(json.get("resource"));
    rows.each(list(json.first(names.scopes))?, |rows, scope| {
        let own = scope.first(&["scope", "instrumentationLibrary", "instrumentation_library"]);
        let around = Around {
            resource: &resource,
            scope: Attributes::of(own),
            scope_name: own.get("name").str(),
        };
        read(rows, &around, scope)
    });
    Ok(())
}

/// Returns the elements of a list; an absent one is empty, anything else is no list.
pub(super) fn list<'t>(json: Json<'t>) -> Result<impl Iterator<Item = Json<'t>>, Rejection> {
    if json.exists() && !json.is_array() {
        return Err(json.fault(Reason::WrongType, format_args!("not a list")));
    }
    Ok(json.items())
}

/// Attributes by name, their values without what OTLP wraps them into.
pub(super) struct Attributes<'t> {
    /// In the order of their names: a resource with thousands is looked at for each of its items.
    list: Vec<Attribute<'t>>,
    /// Most of a hundred names that are asked for are not there.
    names: NameSet,
    /// An attribute that was read although it is given twice.
    twice: Cell<Option<&'t str>>,
    identity: OnceCell<String>,
}

struct Attribute<'t> {
    name: &'t str,
    value: Json<'t>,
    /// Whether the value is given twice, as a text and as a number.
    twice: bool,
}

impl<'t> Attributes<'t> {
    /// Returns the attributes of an item, a scope or a resource.
    pub(super) fn of(json: Json<'t>) -> Self {
        let attributes = json.get("attributes");
        let pairs = attributes.items().map(|pair| {
            let (value, twice) = plain(pair.get("value"));
            let name = pair.get("key").str().unwrap_or_default();
            Attribute { name, value, twice }
        });
        // Some write them as an object, as other formats do.
        let members = attributes.members().map(|(name, value)| {
            let (value, twice) = plain(value);
            Attribute { name, value, twice }
        });
        let mut list: Vec<_> = pairs.chain(members).collect();
        list.sort_by_key(|attribute| attribute.name);
        let hashes = list.iter().map(|attribute| hash_of(attribute.name));
        Self {
            names: hashes.collect(),
            list,
            twice: Cell::new(None),
            identity: OnceCell::new(),
        }
    }

    /// Returns an attribute that says something.
    pub(super) fn get(&self, name: &str) -> Option<Json<'t>> {
        self.named(name, hash_of(name))
    }

    fn named(&self, name: &str, hash: NameHash) -> Option<Json<'t>> {
        if !self.names.may_have(hash) {
            return None;
        }
        let at = self.list.partition_point(|attribute| attribute.name < name);
        let from = self.list.get(at..).unwrap_or_default();
        let (first, rest) = from.split_first().filter(|(first, _)| first.name == name)?;
        let raw = first.value.raw();
        let other = rest
            .first()
            .is_some_and(|next| next.name == name && next.value.raw() != raw);
        if first.twice || other {
            self.twice.set(Some(first.name));
        }
        (first.value.exists() && !matches!(raw, "" | "-")).then_some(first.value)
    }

    /// Returns whether any attribute has a name of that kind.
    pub(super) fn any(&self, of_kind: impl Fn(&str) -> bool) -> bool {
        self.list.iter().any(|attribute| of_kind(attribute.name))
    }

    /// Returns what tells them from other attributes; it is made once.
    fn identity(&self) -> &str {
        self.identity.get_or_init(|| {
            let parts = self.pairs().flat_map(|(name, value)| [name, value]);
            identity::of_line("attributes", parts)
        })
    }

    /// Iterates over names and values, in the order of the names.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&'t str, &'t str)> {
        let list = self.list.iter();
        list.map(|attribute| (attribute.name, attribute.value.raw()))
    }

    fn check(&self) -> Result<(), Rejection> {
        self.twice.get().map_or(Ok(()), |name| {
            let detail = format!("the attribute `{name}` is given twice");
            Err(Rejection::new(Reason::DuplicateField, detail))
        })
    }
}

fn hash_of(name: &str) -> NameHash {
    NameHash::of(name.as_bytes())
}

/// Takes a value out of `{"stringValue": …}`; of a list it is the first, as captured headers are
/// lists of one. Says whether there is more than one value in it.
fn plain(value: Json<'_>) -> (Json<'_>, bool) {
    if !value.is_object() {
        return (value, false);
    }
    let mut kinds = value.members().filter_map(|(kind, value)| match kind {
        "stringValue" | "string_value" | "intValue" | "int_value" | "doubleValue"
        | "double_value" | "boolValue" | "bool_value" => Some(value),
        "arrayValue" | "array_value" => {
            let first = value.get("values").items().next();
            first.map(|first| plain(first).0)
        }
        _ => None,
    });
    let first = kinds.next().unwrap_or(value.absent());
    (first, kinds.next().is_some())
}

/// The attributes of an item, and of what stands around it.
pub(super) struct Event<'e, 't> {
    pub(super) own: Attributes<'t>,
    pub(super) around: &'e Around<'e, 't>,
}

impl<'t> Event<'_, 't> {
    /// Returns the first of these attributes that is there: the item's own, its scope's, or its
    /// resource's.
    pub(super) fn find(&self, names: &[&str]) -> Option<Json<'t>> {
        names.iter().find_map(|name| self.get(name))
    }

    pub(super) fn get(&self, name: &str) -> Option<Json<'t>> {
        let hash = hash_of(name);
        let own = self.own.named(name, hash);
        own.or_else(|| self.around.scope.named(name, hash))
            .or_else(|| self.around.resource.named(name, hash))
    }

    /// Returns the first of these attributes that the item itself has.
    pub(super) fn own(&self, names: &[&str]) -> Option<Json<'t>> {
        names.iter().find_map(|name| self.own.get(name))
    }

    /// Returns the item's own count under the first of these names.
    pub(super) fn count(&self, names: &[&str]) -> Result<Option<u64>, Rejection> {
        self.own(names).map_or(Ok(None), Json::count)
    }

    /// Says whether anything that was read is given twice.
    pub(super) fn check(&self) -> Result<(), Rejection> {
        self.own.check()?;
        self.around.scope.check()?;
        self.around.resource.check()
    }
}

/// Returns an id of so many bytes in small hex digits; it comes in hex or, from those who write
/// protobuf's own JSON, in base64. One of zeros is none.
pub(super) fn hex_id(json: Json<'_>, bytes: usize) -> Option<String> {
    let text = json.str()?;
    let hex = if text.len() == 2 * bytes && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        text.to_ascii_lowercase()
    } else {
        let padded = base64::engine::general_purpose::STANDARD.decode(text);
        hex::encode(&padded.ok().filter(|id| id.len() == bytes)?)
    };
    hex.bytes().any(|digit| digit != b'0').then_some(hex)
}
