//! The Slack channel against a server that answers as Slack does, well and badly.

use std::time::{Duration, Instant};

use model::{AlertChannel, DeliveryError, Receipt, Secret};
use notify::{Error, SlackChannel, SlackConfig};

use crate::http_server::{HttpServer, Reply, answer};
use crate::sample;

const TOKEN: &str = "T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX";

fn channel(port: u16, min_interval_millis: u64) -> SlackChannel {
    SlackChannel::new(SlackConfig {
        enabled: true,
        webhook_url: Secret::new(format!("http://127.0.0.1:{port}/services/{TOKEN}")),
        timeout_secs: 1,
        min_interval_millis,
    })
    .unwrap()
}

async fn deliver(reply: Reply) -> (Result<Receipt, DeliveryError>, HttpServer) {
    let server = HttpServer::start(reply).await;
    let outcome = channel(server.port, 0).deliver(&sample::two_keys()).await;
    (outcome, server)
}

#[track_caller]
fn check(outcome: Result<Receipt, DeliveryError>, transient: bool, words: &str) -> DeliveryError {
    let err = outcome.unwrap_err();
    assert_eq!(err.transient, transient, "{err}");
    assert!(err.message.contains(words), "{err}");
    let shown = format!("{err} {err:?}");
    assert!(
        !shown.contains("XXXX") && !shown.contains("/services/"),
        "{shown}"
    );
    err
}

#[tokio::test]
async fn ok_is_a_receipt() {
    let (outcome, server) = deliver(answer(200, "ok")).await;
    assert_eq!(outcome.unwrap().answer, "200 ok");
    let requests = server.requests.lock().unwrap();
    let (head, body) = &requests[0];
    assert!(
        head.starts_with(&format!("POST /services/{TOKEN} ")),
        "{head}"
    );
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert!(body["text"].as_str().unwrap().starts_with("Critical: "));
}

#[tokio::test]
async fn too_many_requests_waits_as_long_as_slack_asks() {
    let reply = Reply::Answer(
        429,
        vec![("retry-after", "7".to_owned())],
        "rate_limited".to_owned(),
    );
    let server = HttpServer::start(reply).await;
    let channel = channel(server.port, 0);
    let err = check(channel.deliver(&sample::two_keys()).await, true, "429");
    assert_eq!(err.retry_after, Some(Duration::from_secs(7)));
    // Whoever does not wait is held back before anything leaves.
    let err = check(channel.deliver(&sample::two_keys()).await, true, "pause");
    assert!(err.retry_after.unwrap() > Duration::from_secs(6), "{err:?}");
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn a_broken_slack_may_mend() {
    check(deliver(answer(500, "server_error")).await.0, true, "500");
    check(deliver(answer(503, "")).await.0, true, "503");
    check(
        deliver(Reply::Silence).await.0,
        true,
        "did not answer within 1 s",
    );
}

#[tokio::test]
async fn nobody_listening_may_mend() {
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let outcome = channel(port, 0).deliver(&sample::two_keys()).await;
    check(outcome, true, "could not connect to slack");
}

#[tokio::test]
async fn what_slack_will_not_take_is_permanent() {
    check(
        deliver(answer(400, "invalid_blocks")).await.0,
        false,
        "invalid_blocks",
    );
    check(
        deliver(answer(403, "invalid_token")).await.0,
        false,
        "invalid_token",
    );
    check(
        deliver(answer(404, "no_service")).await.0,
        false,
        "no_service",
    );
    check(
        deliver(answer(410, "channel_is_archived")).await.0,
        false,
        "channel_is_archived",
    );
    check(
        deliver(answer(200, "invalid_blocks")).await.0,
        false,
        "invalid_blocks",
    );
    check(
        deliver(answer(200, "<html>login</html>")).await.0,
        false,
        "200",
    );
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let inner = HttpServer::start(answer(200, "ok")).await;
    let location = format!("http://127.0.0.1:{}/latest/meta-data", inner.port);
    let reply = Reply::Answer(307, vec![("location", location)], String::new());
    check(deliver(reply).await.0, false, "redirect");
    assert_eq!(inner.count(), 0);
}

#[tokio::test]
async fn an_endless_answer_is_cut() {
    let started = Instant::now();
    let err = check(deliver(Reply::Flood).await.0, true, "500");
    assert!(err.message.len() < 1_000);
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn an_answer_that_repeats_the_address_is_redacted() {
    let echo = format!("no hook http://127.0.0.1/services/{TOKEN} (XXXXXXXXXXXXXXXXXXXXXXXX)");
    let err = deliver(answer(404, &echo)).await.0.unwrap_err();
    assert!(!err.message.contains("XXXX"), "{err}");
}

#[tokio::test]
async fn messages_are_paced() {
    let server = HttpServer::start(answer(200, "ok")).await;
    let channel = channel(server.port, 150);
    let started = Instant::now();
    for _ in 0..3 {
        channel.deliver(&sample::two_keys()).await.unwrap();
    }
    assert!(started.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn a_probe_tells_nobody_and_knows_a_dead_webhook() {
    let alive = HttpServer::start(answer(400, "no_text")).await;
    channel(alive.port, 0).probe().await.unwrap();
    assert_eq!(alive.requests.lock().unwrap()[0].1, "{}");
    let dead = HttpServer::start(answer(404, "no_service")).await;
    let err = channel(dead.port, 0).probe().await.unwrap_err();
    assert!(
        !err.transient && err.message.contains("no_service"),
        "{err}"
    );
}

#[test]
fn only_https_or_this_machine() {
    let build = |url: &str| {
        SlackChannel::new(SlackConfig {
            webhook_url: Secret::new(url.to_owned()),
            ..SlackConfig::default()
        })
    };
    build("https://hooks.example.com/services/T0").unwrap();
    build("http://localhost:9/services/T0").unwrap();
    for url in [
        "http://hooks.example.com/T0-secret",
        "ftp://h/T0-secret",
        "T0-secret",
        "file:///T0-secret",
    ] {
        let err = build(url).unwrap_err();
        assert!(matches!(err, Error::WebhookUrl { .. }), "{err}");
        assert!(!format!("{err} {err:?}").contains("T0-secret"), "{err:?}");
    }
    assert!(matches!(build("").unwrap_err(), Error::Empty { .. }));
    let channel = build("https://hooks.example.com/services/T0-secret").unwrap();
    assert!(!format!("{channel:?}").contains("T0-secret"));
}
