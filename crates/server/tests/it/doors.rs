//! Who is let in, and what every answer carries.

use model::Severity;
use server::{ServerConfig, UnpricedModel, Vitals};

use crate::client::Running;
use crate::maker::{alert, vitals};

const PATHS: [&str; 9] = [
    "/",
    "/incidents/none",
    "/api/v1/incidents",
    "/api/v1/alerts",
    "/metrics",
    "/healthz",
    "/readyz",
    "/assets/style.css",
    "/nowhere",
];

#[tokio::test]
async fn every_answer_carries_the_headers() {
    let server = Running::with(&[], vitals(), &[]).await;
    for path in PATHS {
        let answer = server.get(path).await;
        let header = |name: &str| answer.headers.get(name).map(String::as_str);
        let policy = header("content-security-policy").unwrap();
        assert_eq!(
            policy,
            "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; \
             frame-ancestors 'none'; form-action 'none'",
            "{path}"
        );
        assert_eq!(header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(header("referrer-policy"), Some("no-referrer"), "{path}");
        assert_eq!(header("cache-control"), Some("no-store"), "{path}");
        assert!(header("content-type").is_some(), "{path}");
    }
}

#[tokio::test]
async fn hosts_and_origins_are_checked_on_every_path() {
    let server = Running::with(&[], vitals(), &["console.example.com"]).await;
    let cases: &[(&[(&str, &str)], bool)] = &[
        (&[("Host", "localhost")], true),
        (&[("Host", "127.0.0.1:8080")], true),
        (&[("Host", "[::1]:8080")], true),
        (&[("Host", "console.example.com")], true),
        (&[("Host", "rebound.example")], false),
        (&[("Host", "127.0.0.1.nip.example")], false),
        (&[], false),
        (&[("Host", "localhost"), ("Host", "localhost")], false),
        (
            &[("Host", "localhost"), ("Origin", "http://localhost:1")],
            true,
        ),
        (
            &[
                ("Host", "localhost"),
                ("Origin", "https://console.example.com"),
            ],
            true,
        ),
        (
            &[("Host", "localhost"), ("Origin", "http://evil.example")],
            false,
        ),
        (&[("Host", "localhost"), ("Origin", "null")], false),
        (
            &[("Host", "localhost"), ("Origin", "file://localhost")],
            false,
        ),
        (
            &[("Host", "localhost"), ("X-Forwarded-Host", "evil.example")],
            true,
        ),
    ];
    for path in PATHS {
        for (headers, allowed) in cases {
            let answer = server.ask("GET", path, headers).await;
            assert_eq!(answer.status != 403, *allowed, "{path} {headers:?}");
            assert!(answer.headers.contains_key("content-security-policy"));
        }
    }
    // A whole URL in the request line is a host as well.
    let url = server.ask("GET", "http://evil.example/", &[("Host", "localhost")]);
    assert_eq!(url.await.status, 403);
}

#[tokio::test]
async fn only_reading_is_possible() {
    let server = Running::with(&[], vitals(), &[]).await;
    for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"] {
        let answer = server.ask(method, "/", &[("Host", "localhost")]).await;
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(answer.headers["allow"], "GET, HEAD");
    }
    let head = server.ask("HEAD", "/", &[("Host", "localhost")]).await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[tokio::test]
async fn bodies_are_bounded() {
    let server = Running::with(&[], vitals(), &[]).await;
    let large = [("Host", "localhost"), ("Content-Length", "2000000")];
    assert_eq!(server.ask("GET", "/", &large).await.status, 413);
    let chunked = [("Host", "localhost"), ("Transfer-Encoding", "chunked")];
    assert_eq!(server.ask("GET", "/", &chunked).await.status, 413);
}

#[tokio::test]
async fn ready_says_why_not() {
    let server = Running::with(&[], vitals(), &[]).await;
    let ready = server.get("/readyz").await;
    assert_eq!((ready.status, ready.body.as_str()), (200, "ready\n"));
    assert_eq!(server.get("/healthz").await.body, "ok\n");

    let behind = Vitals {
        caught_up: false,
        lag_records: Some(12_345),
        ..vitals()
    };
    let server = Running::with(&[], behind, &[]).await;
    let ready = server.get("/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(
        ready.body.contains("12,345 records to go"),
        "{}",
        ready.body
    );
    assert_eq!(server.get("/healthz").await.status, 200);

    let server = Running::with(&[], Vitals::default(), &[]).await;
    let ready = server.get("/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(
        ready.body.contains("waiting for the feed"),
        "{}",
        ready.body
    );
}

#[tokio::test]
async fn metrics_are_open_metrics() {
    let alerts = [alert("acme", "key_1", Severity::High)];
    let server = Running::with(&alerts, vitals(), &[]).await;
    let answer = server.get("/metrics").await;
    assert!(answer.headers["content-type"].starts_with("application/openmetrics-text"));
    assert!(answer.body.ends_with("# EOF\n"));
    for line in answer.body.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(name.starts_with("spikewatch_"), "{line}");
        assert!(value.parse::<f64>().unwrap().is_finite(), "{line}");
    }
    for expected in [
        "spikewatch_events_total 1234567",
        "spikewatch_dead_letters_total 7",
        "spikewatch_keys_tracked 42.0",
        "spikewatch_lag_records 5.0",
        "spikewatch_batches_in_work 2.0",
        "spikewatch_history_rows_waiting 1500.0",
        "spikewatch_history_rows_waiting_limit 1000000.0",
        "spikewatch_history_commit_duration_seconds 0.5",
        "spikewatch_history_failures_total 4",
        "spikewatch_casebook_failures_total 1",
        r#"spikewatch_feed_lag_records{topic="usage",partition="0"} 5.0"#,
        r#"spikewatch_feed_watermark_timestamp_seconds{topic="usage",partition="0"} 1777896000.0"#,
        r#"spikewatch_feed_newest_record_timestamp_seconds{topic="usage",partition="0"} 1777896000.0"#,
        r#"spikewatch_feed_idle{topic="usage",partition="0"} 0.0"#,
        r#"spikewatch_feed_idle{topic="usage",partition="1"} 1.0"#,
        "spikewatch_watermark_timestamp_seconds 1777896000.0",
        "spikewatch_caught_up 1.0",
        "spikewatch_incidents_open 1.0",
        "spikewatch_incident_cost_usd 1204.0",
        "spikewatch_outbox_messages{state=\"pending\"} 1",
    ] {
        let found = answer.body.lines().any(|line| line == expected);
        assert!(found, "{expected}\n{}", answer.body);
    }
    let unknown = r#"spikewatch_feed_lag_records{topic="usage",partition="1"}"#;
    assert!(
        !answer.body.contains(unknown),
        "what is unknown is left out"
    );
    // What has no price is counted by model, and said on the first page.
    let unpriced = Vitals {
        unpriced: vec![UnpricedModel {
            provider: "openai".to_owned(),
            model: "ft:\"bot\"".to_owned(),
            events: 12,
            tokens: 34_567,
        }],
        ..vitals()
    };
    let server = Running::with(&[], unpriced, &[]).await;
    let answer = server.get("/metrics").await;
    let expected =
        r#"spikewatch_unpriced_tokens_total{provider="openai",model="ft:\"bot\""} 34567"#;
    assert!(answer.body.contains(expected), "{}", answer.body);
    let page = server.get("/").await.body;
    assert!(
        page.contains("34,567 tokens since the start have neither"),
        "{page}"
    );
    // A feed that cannot be read is named.
    let unreadable = Vitals {
        unreadable: vec![("usage<b>".to_owned(), 3)],
        ..vitals()
    };
    let server = Running::with(&[], unreadable, &[]).await;
    let answer = server.get("/metrics").await;
    let expected = r#"spikewatch_feed_unreadable{topic="usage<b>",partition="3"} 1"#;
    assert!(answer.body.contains(expected), "{}", answer.body);
    let page = server.get("/").await.body;
    assert!(page.contains("usage&#60;b&#62;/3 can be read"), "{page}");
    // An unknown is left out, not 0.
    let server = Running::with(&[], Vitals::default(), &[]).await;
    let answer = server.get("/metrics").await;
    assert!(!answer.body.contains("watermark"), "{}", answer.body);
}

#[tokio::test]
async fn addresses_that_others_reach_are_refused() {
    let config = ServerConfig {
        allow_non_loopback: false,
        listen: "0.0.0.0:0".parse().unwrap(),
        ..ServerConfig::default()
    };
    let state = server::AppState {
        casebook: casebook::Casebook::in_memory().await.unwrap(),
        vitals: std::sync::Arc::new(vitals()),
    };
    let refused = server::bind(&config, state.clone()).await.err().unwrap();
    assert!(refused.to_string().contains("only loopback"), "{refused}");

    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = ServerConfig {
        allow_non_loopback: false,
        listen: taken.local_addr().unwrap(),
        ..ServerConfig::default()
    };
    let refused = server::bind(&config, state).await.err().unwrap();
    assert!(refused.to_string().contains("could not listen on"));
    assert!(std::error::Error::source(&refused).is_some());
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_stops() {
    let state = server::AppState {
        casebook: casebook::Casebook::in_memory().await.unwrap(),
        vitals: std::sync::Arc::new(vitals()),
    };
    let config = ServerConfig {
        allow_non_loopback: false,
        listen: "127.0.0.1:0".parse().unwrap(),
        ..ServerConfig::default()
    };
    let server = server::bind(&config, state).await.unwrap();
    let cancel = tokio_util::sync::CancellationToken::new();
    let serving = tokio::spawn(server.serve(cancel.clone()));
    cancel.cancel();
    serving.await.unwrap().unwrap();
}
