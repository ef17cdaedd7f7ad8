//! The schema registry against a server that answers as Confluent's is documented to.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use ingest::{RegistryConfig, SchemaRegistry, WithSchemas};
use model::double::MemorySource;
use model::{
    Clock, EventSource, Partition, Records, SchemaError, SchemaId, Schemas, Secret, Timestamp,
};
use serde_json::json;

use crate::http_server::{HttpServer, Reply, Request, answer};

const AVRO: &str = r#"{"type":"record","name":"Event","fields":[{"name":"key","type":"Key"}]}"#;
const AVRO_KEY: &str = r#"{"type":"record","name":"Key","fields":[{"name":"id","type":"string"}]}"#;
const PROTO: &str = r#"syntax = "proto3"; import "key.proto"; message Event { Key key = 1; }"#;
const PROTO_KEY: &str = r#"syntax = "proto3"; message Key { string id = 1; }"#;

#[derive(Clone, Default)]
struct Hands(Arc<AtomicI64>);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_777_896_000_000 + self.0.load(Ordering::SeqCst))
    }
}

fn documented(request: &Request) -> Reply {
    let body = match request.path.as_str() {
        "/schemas/ids/1" => json!({"schema": AVRO, "references": [
            {"name": "Key", "subject": "key-value", "version": 3}]}),
        "/schemas/guids/09090909-0909-0909-0909-090909090909" => {
            json!({"schema": AVRO_KEY, "schemaType": "AVRO"})
        }
        "/subjects/key-value/versions/3" => {
            json!({"subject": "key-value", "version": 3, "id": 2, "schema": AVRO_KEY})
        }
        "/schemas/ids/3" => json!({"schema": PROTO, "schemaType": "PROTOBUF", "references": [
            {"name": "key.proto", "subject": "key.proto", "version": 1}]}),
        "/subjects/key.proto/versions/1" => {
            json!({"schema": PROTO_KEY, "schemaType": "PROTOBUF"})
        }
        "/schemas/ids/4" => json!({"schema": "{", "schemaType": "AVRO"}),
        "/schemas/ids/5" => json!({"schema": "<xs/>", "schemaType": "XML"}),
        "/schemas/types" => json!(["JSON", "PROTOBUF", "AVRO"]),
        _ => {
            let body = r#"{"error_code":40403,"message":"Schema 6 not found"}"#;
            return answer(404, body);
        }
    };
    answer(200, body.to_string())
}

fn config(url: &str) -> RegistryConfig {
    RegistryConfig {
        url: Some(url.to_owned()),
        wait_millis: 300,
        ..RegistryConfig::default()
    }
}

fn framed(id: u8, payload: &[u8]) -> Vec<u8> {
    [&[0, 0, 0, 0, id], payload].concat()
}

fn batch(payloads: &[Vec<u8>]) -> Records {
    let mut records = Records::new(Partition::new("usage", 0), 0);
    for (offset, payload) in (0..).zip(payloads) {
        records.push(offset, None, payload);
    }
    records
}

/// A source of these batches with a registry in front.
fn source(registry: &SchemaRegistry, batches: Vec<Records>) -> WithSchemas<MemorySource> {
    let inner = MemorySource {
        batches: VecDeque::from(batches),
        ..MemorySource::default()
    };
    WithSchemas::new(inner, registry.clone())
}

fn read(registry: &SchemaRegistry, id: u32, payload: &[u8]) -> Result<String, SchemaError> {
    let json = registry.to_json(&SchemaId::Number(id), payload)?;
    Ok(String::from_utf8(json).unwrap())
}

#[tokio::test]
async fn schemas_are_at_hand_when_a_batch_comes_and_are_asked_for_once() {
    let server = HttpServer::start(documented).await;
    let registry = SchemaRegistry::new(&config(&server.url), Arc::new(Hands::default())).unwrap();
    registry.probe().await.unwrap();
    let (avro, proto) = (b"\x0akey_1", b"\x00\x0a\x07\x0a\x05key_1");
    let mut first = batch(&[
        framed(1, avro),
        framed(3, proto),
        framed(1, avro),
        b"{}".to_vec(),
    ]);
    let guid = [[1].as_slice(), &[9; 16]].concat();
    first.push_with_headers(4, None, avro, [("__value_schema_id", guid.as_slice())]);
    let mut source = source(&registry, vec![first, batch(&[framed(1, avro)])]);
    assert!(!source.caught_up());
    assert_eq!(source.next().await.unwrap().unwrap().len(), 5);
    let event = r#"{"key":{"id":"key_1"}}"#;
    assert_eq!(read(&registry, 1, avro).unwrap(), event);
    assert_eq!(read(&registry, 3, proto).unwrap(), event);
    let by_guid = registry.to_json(&SchemaId::Guid([9; 16]), avro).unwrap();
    assert_eq!(by_guid, br#"{"id":"key_1"}"#);
    assert_eq!(read(&registry, 1, b"\xffkey"), Err(SchemaError::Payload));

    let asked = server.requests().len();
    assert_eq!(
        asked, 6,
        "three schemas, two that they refer to, and the look"
    );
    assert_eq!(source.next().await.unwrap().unwrap().len(), 1);
    assert!(source.next().await.unwrap().is_none());
    assert!(source.caught_up());
    assert_eq!(server.requests().len(), asked);
}

#[tokio::test]
async fn what_the_registry_does_not_have_is_asked_for_again_after_a_while_only() {
    let server = HttpServer::start(documented).await;
    let hands = Hands::default();
    let registry = SchemaRegistry::new(&config(&server.url), Arc::new(hands.clone())).unwrap();
    let batches = (0..3).map(|_| batch(&[framed(6, b"x"), framed(4, b"x"), framed(5, b"x")]));
    let mut source = source(&registry, batches.collect());
    for (asked, passed_millis) in [(3, 0), (3, 59_000), (6, 61_000)] {
        hands.0.store(passed_millis, Ordering::SeqCst);
        source.next().await.unwrap().unwrap();
        assert_eq!(server.requests().len(), asked);
    }
    for id in [4, 5, 6] {
        assert_eq!(read(&registry, id, b"x"), Err(SchemaError::Unknown));
    }
}

#[tokio::test]
async fn a_registry_that_is_down_delays_one_batch_and_no_more() {
    let (down, count) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU32::new(0)));
    let (is_down, counted) = (Arc::clone(&down), Arc::clone(&count));
    let server = HttpServer::start(move |request| {
        counted.fetch_add(1, Ordering::SeqCst);
        if is_down.load(Ordering::SeqCst) {
            Reply::Silence
        } else {
            documented(request)
        }
    })
    .await;
    let hands = Hands::default();
    let registry = SchemaRegistry::new(&config(&server.url), Arc::new(hands.clone())).unwrap();
    let avro = b"\x0akey_1";
    let batches = (0..100).map(|id| batch(&[framed(1, avro), framed(id, avro), b"{}".to_vec()]));
    let mut source = source(&registry, batches.collect());
    let start = Instant::now();
    for _ in 0..50 {
        assert_eq!(source.next().await.unwrap().unwrap().len(), 3);
    }
    let waited = start.elapsed();
    assert!(waited >= Duration::from_millis(250), "{waited:?}");
    assert!(waited < Duration::from_secs(5), "{waited:?}");
    assert_eq!(count.load(Ordering::SeqCst), 1);
    assert_eq!(read(&registry, 1, avro), Err(SchemaError::Unknown));

    // It is back, and asked when its time has come.
    down.store(false, Ordering::SeqCst);
    hands.0.store(61_000, Ordering::SeqCst);
    source.next().await.unwrap().unwrap();
    assert!(read(&registry, 1, avro).is_ok());

    // What is at hand stays so while it is down again.
    down.store(true, Ordering::SeqCst);
    source.next().await.unwrap().unwrap();
    assert!(read(&registry, 1, avro).is_ok());
}

#[tokio::test]
async fn a_caller_that_does_not_wait_loses_nothing_and_does_not_begin_anew() {
    let server = HttpServer::start(|_| Reply::Silence).await;
    let registry = SchemaRegistry::new(&config(&server.url), Arc::new(Hands::default())).unwrap();
    let mut source = source(&registry, vec![batch(&[framed(1, b"x")])]);
    let start = Instant::now();
    let records = loop {
        let short = Duration::from_millis(20);
        if let Ok(next) = tokio::time::timeout(short, source.next()).await {
            break next.unwrap().unwrap();
        }
        assert!(start.elapsed() < Duration::from_secs(10));
    };
    assert_eq!(records.len(), 1);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_user_is_named_and_the_password_is_not_told() {
    let server = HttpServer::start(|request| {
        let basic = request.header("authorization").to_owned();
        answer(401, format!("who is {basic}, hunter2?"))
    })
    .await;
    let registry = SchemaRegistry::new(
        &RegistryConfig {
            user: Some("spike".to_owned()),
            password: Secret::new("hunter2".to_owned()),
            ..config(&server.url)
        },
        Arc::new(Hands::default()),
    )
    .unwrap();
    let err = registry.probe().await.unwrap_err();
    assert!(err.contains("401"), "{err}");
    assert!(
        !err.contains("hunter2") && !err.contains("aHVudGVyMg"),
        "{err}"
    );
    assert_eq!(
        server.requests()[0].header("authorization"),
        "Basic c3Bpa2U6aHVudGVyMg=="
    );
}
