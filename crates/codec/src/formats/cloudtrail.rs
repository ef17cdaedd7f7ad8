//! AWS CloudTrail: who called Bedrock from where, and who changed keys.
//!
//! Of all events only those are read that are about Bedrock, or about access keys and credentials
//! in IAM; a trail is mostly about other things, which are no fault and no row.
//!
//! | event | kind | key |
//! |---|---|---|
//! | Bedrock: `Invoke…`, `Converse…`, `List…`, `Get…` | access | the caller's |
//! | Bedrock: `Create…`, `Put…`, `Update…`, `Delete…` | audit | the caller's |
//! | IAM: access keys, service-specific credentials | audit | the one that was changed |
//!
//! A long-lived access key is the key itself. One of an assumed role lives for an hour, so that
//! the role is the key, as in the invocation log. Calls have no tokens here; `request_id` in
//! `extra` is what the invocation log has as the id.
//! Source: AWS documentation, "CloudTrail record contents", "Monitor bedrock-mantle API calls".

use model::{CountField, FlagField, TextField};

use super::{Confidence, Decoder, Format, aws};
use crate::draft::Draft;
use crate::json::Json;
use crate::rejection::Rejection;
use crate::rows::Rows;

pub(super) static DECODER: Decoder = Decoder {
    format: Format::Cloudtrail,
    marks: &["eventSource"],
    signature,
    decode,
};

fn signature(json: Json<'_>) -> Option<Confidence> {
    let own = json.get("eventSource").is_text()
        && json.get("eventName").is_text()
        && (json.has("eventVersion") || json.has("userIdentity"));
    own.then_some(Confidence::Certain)
}

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    /// A call of Bedrock.
    Call,
    /// A change of Bedrock's settings.
    Settings,
    /// A change of a key.
    Key,
}

/// Words that begin the names of changes.
const CHANGES: [&str; 18] = [
    "Accept",
    "Archive",
    "Associate",
    "Cancel",
    "Create",
    "Delete",
    "Deregister",
    "Disassociate",
    "Prepare",
    "Put",
    "Register",
    "Reject",
    "Request",
    "Reset",
    "Stop",
    "Tag",
    "Untag",
    "Update",
];

/// What begins like a change and is a call.
const CALLS: [&str; 5] = [
    "CreateInference",
    "CreateModelInvocationJob",
    "CreateResponse",
    "CreateChatCompletion",
    "CreateMessage",
];

/// Fields by the place they have in an event.
const TEXTS: [(TextField, &[&str]); 6] = [
    (TextField::Id, &["eventID"]),
    (TextField::Region, &["awsRegion"]),
    (TextField::Operation, &["eventName"]),
    (TextField::UserAgent, &["userAgent"]),
    (TextField::Error, &["errorCode"]),
    (TextField::Principal, &["userIdentity", "arn"]),
];

/// What is kept beside the fields, by the name it is kept under.
const EXTRA: [(&str, &[&str]); 9] = [
    ("request_id", &["requestID"]),
    ("event_source", &["eventSource"]),
    ("identity_type", &["userIdentity", "type"]),
    (
        "session_issuer",
        &["userIdentity", "sessionContext", "sessionIssuer", "arn"],
    ),
    (
        "inference_region",
        &["additionalEventData", "inferenceRegion"],
    ),
    ("by_bearer", &["additionalEventData", "callWithBearerToken"]),
    ("by_bearer", &["requestParameters", "callWithBearerToken"]),
    ("bearer_type", &["requestParameters", "bearerTokenType"]),
    ("vpc_endpoint", &["vpcEndpointId"]),
];

fn decode(rows: &mut Rows<'_>, json: Json<'_>) -> Result<(), Rejection> {
    let Some(about) = about(json) else {
        return Ok(());
    };
    let mut draft = Draft::new(match about {
        About::Call => "access",
        About::Settings | About::Key => "audit",
    });
    if about == About::Call {
        draft.row.set_count(CountField::Requests, 1);
    }
    draft.time(json.get("eventTime"))?;
    draft.set(TextField::Source, "provider");
    // Keys of IAM open more than Bedrock; they are known under the name that their calls have.
    draft.set(TextField::Provider, "aws.bedrock");
    for (field, place) in TEXTS {
        draft.text(field, json.path(place));
    }
    for (name, place) in EXTRA {
        draft.extra(name, json.path(place));
    }
    let error = json.get("errorCode").str();
    draft.set(
        TextField::Outcome,
        if error.is_some() { "error" } else { "ok" },
    );
    if let Some(status) = error.and_then(aws::status_of) {
        draft.row.set_count(CountField::Status, status);
    }
    set_address(&mut draft, json.get("sourceIPAddress"));
    set_caller(&mut draft, json);
    if about == About::Key {
        set_changed_key(&mut draft, json);
    } else {
        let parameters = json.get("requestParameters");
        set_model(&mut draft, parameters.first(&["modelId", "model"]));
        let name = json.get("eventName").str().unwrap_or_default();
        if name.starts_with("Invoke") || name.starts_with("Converse") {
            draft.row.flags[FlagField::Stream as usize] = Some(name.ends_with("Stream"));
        }
        if name == "CreateModelInvocationJob" {
            draft.row.flags[FlagField::Batch as usize] = Some(true);
        }
    }
    rows.push(json, draft)
}

fn about(json: Json<'_>) -> Option<About> {
    let (source, name) = (json.get("eventSource").str()?, json.get("eventName").str()?);
    if source == "iam.amazonaws.com" {
        let credential = name.ends_with("ServiceSpecificCredential");
        let changes = name.ends_with("AccessKey") || credential;
        // Such credentials are for CodeCommit and Keyspaces too, where the service is said.
        let service = json.path(&["requestParameters", "serviceName"]).str();
        let other = service.is_some_and(|service| !service.starts_with("bedrock"));
        return (changes && !other).then_some(About::Key);
    }
    if !source.starts_with("bedrock") {
        return None;
    }
    let changes = CHANGES.iter().any(|word| name.starts_with(word));
    Some(if changes && !CALLS.contains(&name) {
        About::Settings
    } else {
        About::Call
    })
}

/// An address, or the name of the service that called on somebody's behalf.
fn set_address<'t>(draft: &mut Draft<'t>, address: Json<'t>) {
    draft.caller(address);
    let known = [TextField::SourceIp, TextField::SourceIpPrefix];
    if known.iter().all(|field| draft.row.text(*field).is_none()) {
        draft.text(TextField::Service, address);
    }
}

/// Sets whose call it was, and by what key.
fn set_caller<'t>(draft: &mut Draft<'t>, json: Json<'t>) {
    let identity = json.get("userIdentity");
    let account = identity.get("accountId");
    let owner = account.label().filter(|account| *account != "anonymous");
    draft.text(
        TextField::Account,
        if owner.is_some() {
            account
        } else {
            json.get("recipientAccountId")
        },
    );
    draft.text(TextField::User, identity.get("userName"));
    let arn = identity.get("arn").str();
    if arn.is_none() {
        let names = ["userName", "invokedBy", "principalId"];
        draft.text(TextField::Principal, identity.first(&names));
    }
    let access_key = identity.get("accessKeyId").str();
    if let Some(long_lived) = access_key.filter(|key| !key.starts_with("ASIA")) {
        draft.set(TextField::Key, long_lived);
        draft.set(TextField::KeyKind, kind_of(long_lived));
    } else if let Some(arn) = arn {
        draft.set(TextField::Key, aws::without_session(arn));
        draft.set(TextField::KeyKind, "arn");
    }
}

/// Sets the key that was made, changed or deleted; who did it stays the principal.
fn set_changed_key<'t>(draft: &mut Draft<'t>, json: Json<'t>) {
    let (asked, answered) = (json.get("requestParameters"), json.get("responseElements"));
    let made = match answered.get("accessKey") {
        key if key.is_object() => key,
        _ => answered.get("serviceSpecificCredential"),
    };
    let names = ["accessKeyId", "serviceSpecificCredentialId"];
    let actor = draft.row.text.take(TextField::Key);
    draft.row.text.take(TextField::KeyKind);
    if let Some(actor) = actor {
        draft.extra_text("actor", actor);
    }
    let id = match made.first(&names) {
        id if id.exists() => id,
        _ => asked.first(&names),
    };
    if let Some(id) = id.str() {
        draft.set(TextField::Key, id);
        draft.set(TextField::KeyKind, kind_of(id));
    }
    // A user who says no name means himself.
    for owner in [made.get("userName"), asked.get("userName")] {
        if owner.exists() {
            draft.text(TextField::User, owner);
            break;
        }
    }
    draft.text(TextField::KeyAlias, made.get("serviceCredentialAlias"));
    draft.extra(
        "status",
        match made.get("status") {
            status if status.exists() => status,
            _ => asked.get("status"),
        },
    );
    draft.extra("service", asked.get("serviceName"));
    draft.extra("expires_in_days", asked.get("credentialAgeDays"));
    draft.extra("expires_at", made.get("expirationDate"));
}

fn set_model<'t>(draft: &mut Draft<'t>, model: Json<'t>) {
    draft.text(TextField::Model, model);
    if let Some(id) = model
        .str()
        .filter(|id| id.contains(":application-inference-profile/"))
    {
        draft.set(TextField::Deployment, id);
    }
}

/// Ids of credentials of one service, such as Bedrock's API keys, begin with `ACCA`.
fn kind_of(id: &str) -> &'static str {
    if id.starts_with("ACCA") {
        "provider_id"
    } else {
        "access_key"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Tree;

    #[track_caller]
    fn check(source: &str, names: &[&str], expected: Option<About>) {
        for name in names {
            let event = format!(r#"{{"eventSource":"{source}","eventName":"{name}"}}"#);
            let tree = Tree::parse(&event).unwrap();
            assert_eq!(about(tree.root()), expected, "{name}");
        }
    }

    #[test]
    fn calls_changes_and_keys_are_told_by_their_names() {
        let bedrock = "bedrock.amazonaws.com";
        let calls = [
            "InvokeModel",
            "ConverseStream",
            "ListFoundationModels",
            "GetModel",
        ];
        check(bedrock, &calls, Some(About::Call));
        check(bedrock, &["CreateModelInvocationJob"], Some(About::Call));
        let changes = [
            "PutModelInvocationLoggingConfiguration",
            "DeleteModelInvocationLoggingConfiguration",
            "CreateFoundationModelAgreement",
            "CreateInferenceProfile",
        ];
        check(bedrock, &changes, Some(About::Settings));
        check(
            "bedrock-mantle.amazonaws.com",
            &["CreateInference"],
            Some(About::Call),
        );
        let keys = ["CreateAccessKey", "ResetServiceSpecificCredential"];
        check("iam.amazonaws.com", &keys, Some(About::Key));
        let others = ["CreateUser", "ListAccessKeys", "GetAccessKeyLastUsed"];
        check("iam.amazonaws.com", &others, None);
        check("s3.amazonaws.com", &["GetObject"], None);
    }
}
