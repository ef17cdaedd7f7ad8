//! The Anthropic connector against a server that behaves as the Admin API is documented.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use model::{ActionState, KeyResponder, KeyStatus, RespondError, Secret};
use respond::{Anthropic, AnthropicConfig, Error};
use serde_json::{Value, json};

use crate::http_server::{HttpServer, Reply, Request, answer};
use crate::{door, sample};

const ADMIN_KEY: &str = "sk-ant-admin01-hunter2hunter2";
const KEY: &str = "apikey_01Rj2N8SVvo6BePZj99NhmiT";

type Keys = Arc<Mutex<BTreeMap<String, String>>>;

fn keys() -> Keys {
    Arc::new(Mutex::new(BTreeMap::from([(
        KEY.to_owned(),
        "active".to_owned(),
    )])))
}

/// What the documentation says of `GET` and `POST /v1/organizations/api_keys/{id}`.
fn documented(keys: &Keys, request: &Request) -> Reply {
    let problem = |status: u16, kind: &str| {
        answer(
            status,
            json!({"type": "error", "error": {"type": kind, "message": kind}}).to_string(),
        )
    };
    if request.header("x-api-key") != ADMIN_KEY {
        return problem(401, "authentication_error");
    }
    if request.header("anthropic-version") != "2023-06-01" {
        return problem(400, "invalid_request_error");
    }
    let mut keys = keys.lock().unwrap();
    let id = request
        .path
        .strip_prefix("/v1/organizations/api_keys/")
        .unwrap_or_default();
    let Some(status) = keys.get_mut(id) else {
        return problem(404, "not_found_error");
    };
    if request.method == "POST" {
        let body: Value = serde_json::from_str(&request.body).unwrap();
        match body["status"].as_str().unwrap() {
            wanted @ ("active" | "inactive" | "archived") => *status = wanted.to_owned(),
            _ => return problem(400, "invalid_request_error"),
        }
    }
    answer(
        200,
        json!({"id": id, "type": "api_key", "status": *status}).to_string(),
    )
}

fn connector(url: &str) -> Anthropic {
    Anthropic::new(AnthropicConfig {
        enabled: true,
        admin_key: Secret::new(ADMIN_KEY.to_owned()),
        base_url: url.to_owned(),
        timeout_secs: 1,
        ..AnthropicConfig::default()
    })
    .unwrap()
}

#[tokio::test]
async fn it_keeps_the_contract_of_the_door() {
    let keys = keys();
    let server = HttpServer::start(move |request| documented(&keys, request)).await;
    let missing = sample::entity("anthropic", "apikey_99");
    door::suite(
        &connector(&server.url),
        &sample::entity("anthropic", KEY),
        &missing,
    )
    .await;
}

#[tokio::test]
async fn a_freeze_and_an_undo_go_through_the_api() {
    let (keys, api) = {
        let keys = keys();
        (Arc::clone(&keys), keys)
    };
    let server = HttpServer::start(move |request| documented(&api, request)).await;
    let (responder, _) = sample::responder(Box::new(connector(&server.url)));
    let request = sample::freeze(&responder, &sample::entity("anthropic", KEY));
    let action = responder.act(request).await.unwrap();
    assert_eq!(action.state, ActionState::Verified);
    assert_eq!(keys.lock().unwrap()[KEY], "inactive");
    let undone = responder
        .undo(&action.action_id, "lead", "why")
        .await
        .unwrap();
    assert_eq!(undone.state, ActionState::Undone);
    assert_eq!(keys.lock().unwrap()[KEY], "active");
    let asked: Vec<String> = server
        .requests()
        .into_iter()
        .map(|request| request.method)
        .collect();
    assert_eq!(asked, ["GET", "POST", "GET", "GET", "POST", "GET"]);
}

#[tokio::test]
async fn statuses_that_cannot_be_undone_count_as_gone() {
    for (word, expected) in [
        ("active", Some(KeyStatus::Active)),
        ("inactive", Some(KeyStatus::Inactive)),
        ("archived", Some(KeyStatus::Gone)),
        ("expired", Some(KeyStatus::Gone)),
        ("paused", None),
    ] {
        let body = json!({ "status": word }).to_string();
        let server = HttpServer::start(move |_| answer(200, body.clone())).await;
        let status = connector(&server.url)
            .status(&sample::entity("anthropic", KEY))
            .await;
        match expected {
            Some(expected) => assert_eq!(status.unwrap(), expected),
            None => assert!(
                matches!(status, Err(RespondError::Refused(_))),
                "{status:?}"
            ),
        }
    }
}

/// The API reads as active; the freeze is answered with `reply`.
async fn freeze_answered(reply: impl Fn() -> Reply + Send + Sync + 'static) -> Outcome {
    let server = HttpServer::start(move |request| match request.method.as_str() {
        "GET" => answer(200, r#"{"status":"active"}"#),
        _ => reply(),
    })
    .await;
    let (responder, store) = sample::responder(Box::new(connector(&server.url)));
    let request = sample::freeze(&responder, &sample::entity("anthropic", KEY));
    let action = responder.act(request).await.unwrap();
    let posts = server
        .requests()
        .iter()
        .filter(|request| request.method == "POST")
        .count();
    assert!(!sample::words(&store).contains(&"action.verified".to_owned()));
    let shown = sample::everything(&store);
    assert!(!shown.contains("hunter2"), "{shown}");
    Outcome {
        state: action.state,
        posts,
        error: action.last_error.unwrap_or_default(),
    }
}

struct Outcome {
    state: ActionState,
    posts: usize,
    error: String,
}

#[tokio::test]
async fn every_answer_leads_to_the_right_state() {
    // The server repeats the admin key, as a badly written one would.
    let echo = format!("{{\"error\":{{\"message\":\"bad key {ADMIN_KEY}\"}}}}");
    for status in [400, 401, 403, 409, 422] {
        let echo = echo.clone();
        let outcome = freeze_answered(move || answer(status, echo.clone())).await;
        assert_eq!(outcome.state, ActionState::NeedsHuman, "{status}");
        assert_eq!(outcome.posts, 1, "{status}");
        assert!(
            outcome.error.contains(&status.to_string()),
            "{}",
            outcome.error
        );
        assert!(outcome.error.contains("[redacted]"), "{}", outcome.error);
    }
    for status in [404, 410] {
        let outcome = freeze_answered(move || answer(status, "{}")).await;
        assert_eq!(
            (outcome.state, outcome.posts),
            (ActionState::AlreadyGone, 1),
            "{status}"
        );
    }
    for status in [408, 429, 500, 503, 529] {
        let outcome = freeze_answered(move || answer(status, "{}")).await;
        assert_eq!(
            (outcome.state, outcome.posts),
            (ActionState::NeedsHuman, 3),
            "{status}"
        );
    }
}

#[tokio::test]
async fn an_accepted_call_that_does_not_bite_is_not_verified() {
    let outcome = freeze_answered(|| answer(200, r#"{"status":"inactive"}"#)).await;
    assert_eq!(outcome.state, ActionState::NeedsHuman);
    assert!(outcome.error.contains("still active"), "{}", outcome.error);
    let outcome = freeze_answered(|| answer(207, "[]")).await;
    assert_eq!(outcome.state, ActionState::NeedsHuman);
}

#[tokio::test]
async fn a_silent_api_is_tried_again_and_then_left_to_a_human() {
    let outcome = freeze_answered(|| Reply::Silence).await;
    assert_eq!((outcome.state, outcome.posts), (ActionState::NeedsHuman, 3));
    assert!(
        outcome.error.contains("did not answer in time"),
        "{}",
        outcome.error
    );
}

#[tokio::test]
async fn a_redirect_is_not_followed_with_the_admin_key() {
    let thief = HttpServer::start(|_| answer(200, r#"{"status":"inactive"}"#)).await;
    let location = format!("{}/v1/organizations/api_keys/{KEY}", thief.url);
    let outcome = freeze_answered(move || {
        Reply::Answer(307, vec![("location", location.clone())], String::new())
    })
    .await;
    assert_eq!((outcome.state, outcome.posts), (ActionState::NeedsHuman, 1));
    assert!(outcome.error.contains("redirect"), "{}", outcome.error);
    assert!(thief.requests().is_empty());
}

#[tokio::test]
async fn a_short_pause_that_is_asked_for_is_kept() {
    let started = Instant::now();
    let outcome = freeze_answered(|| {
        Reply::Answer(429, vec![("retry-after", "1".to_owned())], "{}".to_owned())
    })
    .await;
    assert_eq!(outcome.state, ActionState::NeedsHuman);
    assert!(started.elapsed() >= Duration::from_secs(3));
}

#[tokio::test]
async fn an_endless_answer_is_cut() {
    let server = HttpServer::start(|_| Reply::Flood).await;
    let status = connector(&server.url)
        .status(&sample::entity("anthropic", KEY))
        .await;
    assert!(
        matches!(status, Err(RespondError::Refused(_))),
        "{status:?}"
    );
}

#[tokio::test]
async fn an_id_that_is_none_is_refused_before_anything_is_sent() {
    let server = HttpServer::start(|_| answer(404, "{}")).await;
    let connector = connector(&server.url);
    let long = format!("apikey_{}", "a".repeat(200));
    for key in [
        "",
        "apikey_/../x",
        "apikey_%2e",
        "apikey_a?b",
        "apikey_\r\nx: y",
        "fp_3a1c",
        "..",
        &long,
    ] {
        let entity = sample::entity("anthropic", key);
        let status = connector.status(&entity).await;
        assert!(
            matches!(status, Err(RespondError::Refused(_))),
            "{key:?} {status:?}"
        );
        let applied = connector.apply(&sample::bare_action(&entity)).await;
        assert!(
            matches!(applied, Err(RespondError::Refused(_))),
            "{key:?} {applied:?}"
        );
    }
    assert!(server.requests().is_empty());
}

#[test]
fn a_config_that_cannot_work_is_refused_and_shows_no_secret() {
    let build = |change: &dyn Fn(&mut AnthropicConfig)| {
        let mut config = AnthropicConfig {
            admin_key: Secret::new(ADMIN_KEY.to_owned()),
            ..AnthropicConfig::default()
        };
        change(&mut config);
        Anthropic::new(config)
    };
    let connector = build(&|_| ()).unwrap();
    assert!(!format!("{connector:?}").contains("hunter2"));
    assert!(!connector.covers(&sample::entity("openai", "k")));
    let with_newline = Secret::new(format!("{ADMIN_KEY}\r\nx: y"));
    for err in [
        build(&|config| config.base_url = "http://api.example.com".to_owned()).unwrap_err(),
        build(&|config| config.admin_key = Secret::default()).unwrap_err(),
        build(&|config| config.admin_key = with_newline.clone()).unwrap_err(),
        build(&|config| config.timeout_secs = 0).unwrap_err(),
    ] {
        assert!(matches!(err, Error::Config { .. }), "{err}");
        assert!(!format!("{err} {err:?}").contains("hunter2"), "{err:?}");
    }
}
