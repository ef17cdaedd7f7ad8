//! The audit log of Google Cloud: who called Vertex AI or Gemini from where, and who changed keys.
//!
//! | service | kind | key |
//! |---|---|---|
//! | Vertex AI, Generative Language | access; audit where it changes something | the caller's |
//! | IAM: keys of service accounts; API Keys | audit | the one that was changed |
//!
//! All other services are no row and no fault. A service account that signed with a key of its own
//! is known by the id of that key, anybody else by the principal. There are no tokens here.
//! Source: Google documentation, `LogEntry` and `AuditLog`.

use model::{CountField, FlagField, TextField};

use super::{Confidence, Decoder, Format, google};
use crate::draft::Draft;
use crate::json::Json;
use crate::rejection::Rejection;
use crate::rows::Rows;

pub(super) static DECODER: Decoder = Decoder {
    format: Format::GcpAudit,
    marks: &["protoPayload"],
    signature,
    decode,
};

fn signature(json: Json<'_>) -> Option<Confidence> {
    let payload = json.get("protoPayload");
    let own = payload.get("serviceName").is_text() || json.get("logName").is_text();
    (payload.is_object() && own).then_some(Confidence::Certain)
}

/// What an entry is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum About {
    Call,
    Settings,
    Key,
}

/// Words that begin the names of changes; batch jobs and caches are calls.
const CHANGES: [&str; 9] = [
    "Create", "Delete", "Deploy", "Import", "Patch", "Purge", "Undeploy", "Update", "Upload",
];
const CALLS: [&str; 3] = [
    "CreateBatchPredictionJob",
    "CreateCachedContent",
    "CreateTuningJob",
];

fn decode(rows: &mut Rows<'_>, json: Json<'_>) -> Result<(), Rejection> {
    let payload = json.get("protoPayload");
    let service = payload.get("serviceName").str().unwrap_or_default();
    let method = payload.get("methodName").str().unwrap_or_default();
    let method = method.rsplit('.').next().unwrap_or(method);
    // A long-running or streamed call is logged at its beginning and at its end.
    let operation = json.get("operation");
    let is_end =
        operation.get("last").flag() == Some(true) && operation.get("first").flag() != Some(true);
    let Some(about) = about(service, method).filter(|_| !is_end) else {
        return Ok(());
    };
    let resource = payload.get("resourceName").str().unwrap_or_default();
    let mut draft = Draft::new(if about == About::Call {
        "access"
    } else {
        "audit"
    });
    if about == About::Call {
        draft.row.set_count(CountField::Requests, 1);
        draft.row.flags[FlagField::Stream as usize] = Some(method.starts_with("Stream"));
    }
    draft.time(json.get("receiveTimestamp"))?;
    draft.time(json.get("timestamp"))?;
    draft.text(TextField::Id, json.get("insertId"));
    draft.set(TextField::Source, "provider");
    let gemini = service.starts_with("generativelanguage.");
    draft.set(
        TextField::Provider,
        if gemini {
            "gcp.gemini"
        } else {
            "gcp.vertex_ai"
        },
    );
    draft.set(TextField::Operation, method);
    let labels = json.path(&["resource", "labels"]);
    let log = json.get("logName").str().unwrap_or_default();
    let project = [
        labels.get("project_id").str(),
        google::after(resource, "projects"),
        google::after(log, "projects"),
    ];
    if let Some(project) = project.into_iter().flatten().next() {
        draft.set(TextField::Project, project);
    }
    let region = [
        labels.get("location").str(),
        google::after(resource, "locations"),
    ];
    if let Some(region) = region.into_iter().flatten().next() {
        draft.set(TextField::Region, region);
    }
    if let Some(model) = google::after(resource, "models") {
        draft.set(TextField::Model, model);
    }
    if let Some(endpoint) = google::after(resource, "endpoints") {
        draft.set(TextField::Deployment, endpoint);
    }
    set_caller(&mut draft, payload);
    set_outcome(&mut draft, payload.get("status"))?;
    if about == About::Key {
        set_changed_key(&mut draft, payload, resource);
    }
    draft.extra("service", payload.get("serviceName"));
    draft.extra("severity", json.get("severity"));
    rows.push(json, draft)
}

fn about(service: &str, method: &str) -> Option<About> {
    let starts = |words: &[&str]| words.iter().any(|word| method.starts_with(word));
    match service {
        "aiplatform.googleapis.com" | "generativelanguage.googleapis.com" => {
            let change = starts(&CHANGES) && !starts(&CALLS);
            Some(if change { About::Settings } else { About::Call })
        }
        "iam.googleapis.com" => {
            let change = method.contains("ServiceAccountKey") && !starts(&["Get", "List"]);
            change.then_some(About::Key)
        }
        // To read the text of a key is to take it.
        "apikeys.googleapis.com" => {
            let change =
                method.contains("Key") && !matches!(method, "GetKey" | "ListKeys" | "LookupKey");
            change.then_some(About::Key)
        }
        _ => None,
    }
}

fn set_caller<'t>(draft: &mut Draft<'t>, payload: Json<'t>) {
    let authentication = payload.get("authenticationInfo");
    let principal = authentication.first(&["principalEmail", "principalSubject"]);
    draft.text(TextField::Principal, principal);
    let key = authentication.get("serviceAccountKeyName").str();
    if let Some(key) = key.and_then(|name| google::after(name, "keys")) {
        draft.set(TextField::Key, key);
        draft.set(TextField::KeyKind, "provider_id");
        draft.text(TextField::KeyAlias, principal);
    } else if principal.label().is_some() {
        draft.text(TextField::Key, principal);
        draft.set(TextField::KeyKind, "principal");
    }
    let request = payload.get("requestMetadata");
    let address = request.get("callerIp");
    draft.caller(address);
    let known = [TextField::SourceIp, TextField::SourceIpPrefix];
    if known.iter().all(|field| draft.row.text(*field).is_none()) {
        // "private" and "gce-internal-ip" stand for addresses inside of Google.
        draft.extra("caller", address);
    }
    draft.text(TextField::UserAgent, request.get("callerSuppliedUserAgent"));
}

fn set_outcome<'t>(draft: &mut Draft<'t>, status: Json<'t>) -> Result<(), Rejection> {
    let said = status.get("code");
    let code = said.numeric().count()?;
    let failed = code.map_or(said.label().is_some(), |code| code > 0);
    draft.set(TextField::Outcome, if failed { "error" } else { "ok" });
    let known = code.filter(|_| failed).and_then(google::status_of);
    if let Some((name, status)) = known {
        draft.set(TextField::Error, name);
        draft.row.set_count(CountField::Status, status);
    } else if failed {
        draft.text(TextField::Error, said);
    }
    Ok(())
}

/// Sets the key that was made, changed or deleted; who did it stays the principal.
fn set_changed_key<'t>(draft: &mut Draft<'t>, payload: Json<'t>, resource: &'t str) {
    if let Some(actor) = draft.row.text.take(TextField::Key) {
        draft.extra_text("actor", actor);
    }
    draft.row.text.take(TextField::KeyKind);
    draft.row.text.take(TextField::KeyAlias);
    let places = [
        payload.path(&["response", "name"]).str(),
        payload.path(&["response", "response", "name"]).str(),
        payload.path(&["request", "name"]).str(),
        Some(resource),
    ];
    let named = places.into_iter().flatten();
    let mut named = named.filter_map(|name| google::after(name, "keys").map(|id| (id, name)));
    if let Some((id, name)) = named.next() {
        draft.set(TextField::Key, id);
        draft.set(TextField::KeyKind, "provider_id");
        if let Some(owner) = google::after(name, "serviceAccounts") {
            draft.set(TextField::User, owner);
        }
    }
    let display = ["response", "displayName"];
    draft.text(TextField::KeyAlias, payload.path(&display));
    draft.extra(
        "expires_at",
        payload.path(&["response", "valid_before_time", "seconds"]),
    );
}
