//! The webhook connector against a service that checks signatures by its own means.

use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::{ActionState, KeyResponder, KeyStatus, RespondError, Secret};
use respond::{Error, Webhook, WebhookConfig};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::http_server::{HttpServer, Reply, Request, answer};
use crate::sample;

const SECRET: &[u8; 32] = b"hunter2-hunter2-hunter2-hunter2-";

fn signing_secret() -> Secret<String> {
    Secret::new(format!("whsec_{}", STANDARD.encode(SECRET)))
}

/// HMAC-SHA256 as RFC 2104 writes it, without the crate that is under test.
fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = [0_u8; 64];
    block[..key.len()].copy_from_slice(key);
    let padded = |pad: u8| block.map(|byte| byte ^ pad);
    let inner = Sha256::new()
        .chain_update(padded(0x36))
        .chain_update(message)
        .finalize();
    Sha256::new()
        .chain_update(padded(0x5c))
        .chain_update(inner)
        .finalize()
        .to_vec()
}

fn is_signed(request: &Request) -> bool {
    let (id, timestamp) = (
        request.header("webhook-id"),
        request.header("webhook-timestamp"),
    );
    let signed = format!("{id}.{timestamp}.{}", request.body);
    let expected = format!(
        "v1,{}",
        STANDARD.encode(hmac_sha256(SECRET, signed.as_bytes()))
    );
    !id.is_empty()
        && !id.contains('.')
        && timestamp == (sample::NOW.millis() / 1_000).to_string()
        && request
            .header("webhook-signature")
            .split(' ')
            .any(|signature| signature == expected)
}

/// Freezes key "k" when asked properly, and knows no other.
fn service(status: &Arc<Mutex<&'static str>>, request: &Request) -> Reply {
    if !is_signed(request) {
        return answer(401, "not signed");
    }
    let mut status = status.lock().unwrap();
    if request.method == "GET" {
        let known = request.path == "/hook/keys/k";
        let status = if known { *status } else { "gone" };
        return answer(200, format!("{{\"status\":\"{status}\"}}"));
    }
    let body: Value = serde_json::from_str(&request.body).unwrap();
    *status = match body["type"].as_str().unwrap() {
        "key.freeze.requested" => "inactive",
        "key.restore.requested" => "active",
        other => panic!("unknown type {other}"),
    };
    answer(202, "")
}

fn config(url: &str, with_status: bool) -> WebhookConfig {
    WebhookConfig {
        enabled: true,
        url: Secret::new(format!("{url}/hook/hunter2-hunter2-token")),
        status_url: with_status.then(|| Secret::new(format!("{url}/hook/keys/{{key}}"))),
        signing_secret: signing_secret(),
        timeout_secs: 1,
        ..WebhookConfig::default()
    }
}

fn connector(url: &str, with_status: bool) -> Webhook {
    Webhook::new(config(url, with_status), sample::clock()).unwrap()
}

async fn start() -> HttpServer {
    let status = Arc::new(Mutex::new("active"));
    HttpServer::start(move |request| service(&status, request)).await
}

#[tokio::test]
async fn a_service_with_a_status_keeps_most_of_the_contract_of_the_door() {
    let server = start().await;
    let connector = connector(&server.url, true);
    // Not the suite itself: the service takes requests about any key on, so only the status
    // can say gone.
    let missing = connector
        .status(&sample::entity("openai", "x"))
        .await
        .unwrap();
    assert_eq!(missing, KeyStatus::Gone);
    let key = sample::entity("openai", "k");
    let mut action = sample::bare_action(&key);
    action.undo = connector.apply(&action).await.unwrap().undo;
    assert_eq!(connector.status(&key).await.unwrap(), KeyStatus::Inactive);
    connector.undo(&action).await.unwrap();
    assert_eq!(connector.status(&key).await.unwrap(), KeyStatus::Active);
}

#[tokio::test]
async fn a_freeze_is_verified_where_there_is_a_status() {
    let server = start().await;
    let (responder, _) = sample::responder(Box::new(connector(&server.url, true)));
    let request = sample::freeze(&responder, &sample::entity("openai", "k"));
    let action = responder.act(request).await.unwrap();
    assert_eq!(action.state, ActionState::Verified);
    let undone = responder
        .undo(&action.action_id, "lead", "why")
        .await
        .unwrap();
    assert_eq!(undone.state, ActionState::Undone);

    let requests = server.requests();
    assert!(requests.iter().all(is_signed));
    let posts: Vec<&Request> = requests
        .iter()
        .filter(|request| request.method == "POST")
        .collect();
    assert_eq!(posts[0].header("webhook-id"), action.action_id.as_str());
    assert_ne!(posts[0].header("webhook-id"), posts[1].header("webhook-id"));
    let body: Value = serde_json::from_str(&posts[0].body).unwrap();
    assert_eq!(body["type"], "key.freeze.requested");
    assert_eq!(body["timestamp"], "2026-05-04T12:00:00.000Z");
    for (field, value) in [
        ("action_id", action.action_id.as_str()),
        ("rung", "freeze"),
        ("provider", "openai"),
        ("account", "acme"),
        ("key", "k"),
        ("reason", "incident inc_1"),
        ("actor", "oncall"),
    ] {
        assert_eq!(body["data"][field], value, "{field}");
    }
}

#[tokio::test]
async fn without_a_status_url_nothing_is_called_verified() {
    let server = start().await;
    let (responder, _) = sample::responder(Box::new(connector(&server.url, false)));
    let request = sample::freeze(&responder, &sample::entity("openai", "k"));
    let action = responder.act(request).await.unwrap();
    assert_eq!(action.state, ActionState::Applied);
    assert!(action.last_error.unwrap().contains("no status_url"));
}

#[tokio::test]
async fn every_attempt_has_the_same_id_and_body() {
    let server = HttpServer::start(|_| answer(503, "")).await;
    let (responder, _) = sample::responder(Box::new(connector(&server.url, false)));
    let request = sample::freeze(&responder, &sample::entity("openai", "k"));
    let action = responder.act(request).await.unwrap();
    assert_eq!(action.state, ActionState::NeedsHuman);
    let requests = server.requests();
    assert_eq!(requests.len(), 3);
    for request in &requests {
        assert_eq!(
            request.header("webhook-id"),
            requests[0].header("webhook-id")
        );
        assert_eq!(request.body, requests[0].body);
    }
}

#[tokio::test]
async fn while_secrets_change_both_sign() {
    let server = start().await;
    let new = Secret::new(format!("whsec_{}", STANDARD.encode([7_u8; 24])));
    let config = WebhookConfig {
        signing_secret: new,
        previous_signing_secret: Some(signing_secret()),
        ..config(&server.url, false)
    };
    let connector = Webhook::new(config, sample::clock()).unwrap();
    connector
        .apply(&sample::bare_action(&sample::entity("openai", "k")))
        .await
        .unwrap();
    let requests = server.requests();
    assert_eq!(
        requests[0].header("webhook-signature").split(' ').count(),
        2
    );
    assert!(is_signed(&requests[0]));
}

#[tokio::test]
async fn answers_are_sorted_and_show_no_secret() {
    let echo = "hunter2-hunter2-token";
    for (status, transient) in [
        (400, false),
        (401, false),
        (404, false),
        (410, false),
        (429, true),
        (500, true),
        (302, false),
    ] {
        let server = HttpServer::start(move |_| answer(status, echo)).await;
        let connector = connector(&server.url, true);
        let entity = sample::entity("openai", "k");
        let err = connector
            .apply(&sample::bare_action(&entity))
            .await
            .unwrap_err();
        assert_eq!(
            matches!(err, RespondError::Transient(_)),
            transient,
            "{status} {err}"
        );
        // Not found is the service's address, not the key.
        assert!(!matches!(err, RespondError::Gone), "{status}");
        let status_err = connector.status(&entity).await.unwrap_err();
        let shown = format!("{err} {err:?} {status_err} {status_err:?} {connector:?}");
        assert!(
            !shown.contains("hunter2") && !shown.contains("/hook"),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn a_status_that_is_none_is_refused() {
    for body in ["", "{}", r#"{"status":"frozen"}"#, "[1]"] {
        let server = HttpServer::start(move |_| answer(200, body)).await;
        let status = connector(&server.url, true)
            .status(&sample::entity("openai", "k"))
            .await;
        assert!(
            matches!(status, Err(RespondError::Refused(_))),
            "{body} {status:?}"
        );
    }
    let server = HttpServer::start(|_| Reply::Flood).await;
    let status = connector(&server.url, true)
        .status(&sample::entity("openai", "k"))
        .await;
    assert!(
        matches!(status, Err(RespondError::Refused(_))),
        "{status:?}"
    );
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let inner = HttpServer::start(|_| answer(200, r#"{"status":"inactive"}"#)).await;
    let location = inner.url.clone();
    let server = HttpServer::start(move |_| {
        Reply::Answer(307, vec![("location", location.clone())], String::new())
    })
    .await;
    let connector = connector(&server.url, true);
    let entity = sample::entity("openai", "k");
    assert!(connector.status(&entity).await.is_err());
    assert!(
        connector
            .apply(&sample::bare_action(&entity))
            .await
            .is_err()
    );
    assert!(inner.requests().is_empty());
}

#[tokio::test]
async fn a_hostile_key_stays_one_path_segment() {
    let server = start().await;
    let connector = connector(&server.url, true);
    connector
        .status(&sample::entity("openai", "../../admin?x=1#y"))
        .await
        .unwrap();
    assert_eq!(
        server.requests()[0].path,
        "/hook/keys/%2E%2E%2F%2E%2E%2Fadmin%3Fx%3D1%23y"
    );
    let status = connector.status(&sample::entity("openai", "..")).await;
    assert!(
        matches!(status, Err(RespondError::Refused(_))),
        "{status:?}"
    );
}

#[test]
fn addresses_that_may_not_be_used_are_refused_without_being_shown() {
    for url in [
        "http://hooks.example.com/hunter2",
        "https://169.254.169.254/hunter2",
        "https://10.0.0.1/hunter2",
        "https://[fd00::1]/hunter2",
        "https://user:hunter2@hooks.example.com/",
        "hunter2",
        "",
    ] {
        let config = WebhookConfig {
            url: Secret::new(url.to_owned()),
            ..config("", false)
        };
        let err = Webhook::new(config, sample::clock()).unwrap_err();
        assert!(matches!(err, Error::Config { .. }), "{err}");
        assert!(!format!("{err} {err:?}").contains("hunter2"), "{err:?}");
    }
}
