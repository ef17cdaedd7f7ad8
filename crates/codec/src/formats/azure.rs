//! What the logs of Azure have in common.

use model::TextField;

use crate::draft::Draft;
use crate::json::{Json, Tree};
use crate::rejection::Rejection;
use crate::rows::Rows;

/// Returns whether a record is a log of a resource of that provider, which begins with a slash, in
/// any spelling.
pub(super) fn is_of(json: Json<'_>, resource_provider: &str) -> bool {
    let id = resource_id(json).unwrap_or_default().as_bytes();
    let provider = resource_provider.as_bytes();
    memchr::memchr_iter(b'/', id).any(|slash| {
        let part = id.get(slash..slash + provider.len());
        part.is_some_and(|part| part.eq_ignore_ascii_case(provider))
    })
}

/// Returns whether a record is of a log or a metric; metrics come by the same hub, are sums without
/// their dimensions, and no row.
pub(super) fn is_record(json: Json<'_>) -> bool {
    json.any_case("category").is_text() || json.any_case("metricName").is_text()
}

/// Returns the id of the resource that logged it.
pub(super) fn resource_id(json: Json<'_>) -> Option<&str> {
    json.first_of_any_case(&["resourceId", "_ResourceId"]).str()
}

/// Reads a record and its `properties`, which are an object, the text of one, or the record's own
/// members.
pub(super) fn with_properties(
    rows: &mut Rows<'_>,
    json: Json<'_>,
    read: fn(&mut Rows<'_>, Json<'_>, Json<'_>) -> Result<(), Rejection>,
) -> Result<(), Rejection> {
    let properties = json.any_case("properties");
    if let Some(text) = properties.str() {
        let tree = Tree::parse(text)?;
        return read(rows, json, tree.root());
    }
    let properties = if properties.is_object() {
        properties
    } else {
        json
    };
    read(rows, json, properties)
}

/// Takes a row that was read from a record and its properties.
pub(super) fn push(
    rows: &mut Rows<'_>,
    json: Json<'_>,
    properties: Json<'_>,
    draft: Draft<'_>,
) -> Result<(), Rejection> {
    properties.tree().unambiguous()?;
    rows.push(json, draft)
}

/// Sets the subscription as the account, the resource group as the project and the resource's own
/// name as the workspace; returns the id in small letters.
pub(super) fn set_resource(draft: &mut Draft<'_>, id: &str) -> String {
    let id = id.trim_end_matches('/').to_ascii_lowercase();
    let parts: Vec<&str> = id.split('/').collect();
    let after = |name: &str, distance: usize| {
        let at = parts.iter().skip(1).position(|part| *part == name)?;
        parts.get(at + 1 + distance)
    };
    for (field, name, distance) in [
        (TextField::Account, "subscriptions", 1),
        (TextField::Project, "resourcegroups", 1),
        // Behind the provider and the kind of the resource.
        (TextField::Workspace, "providers", 3),
    ] {
        if let Some(part) = after(name, distance).filter(|part| !part.is_empty()) {
            draft.set(field, (*part).to_owned());
        }
    }
    id
}

/// Sets how long a call took; a negative duration is a fault of the log.
pub(super) fn set_latency(draft: &mut Draft<'_>, duration: Json<'_>) -> Result<(), Rejection> {
    draft.latency_millis(duration.numeric())
}
