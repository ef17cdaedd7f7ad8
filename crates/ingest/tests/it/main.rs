//! The consumer and the producer against the embedded broker: real sockets, real protocol.

#![allow(clippy::unwrap_used, reason = "a test ends where it is surprised")]

mod http_server;
mod poll;
#[cfg(feature = "schemas")]
mod registry;

use std::collections::BTreeMap;
use std::time::Duration;

use ingest::{EmbeddedBroker, KafkaConfig, KafkaSink, KafkaSource, StopAt};
use model::{EventSource, OffsetRange, Partition, RecordSink};

fn config(broker: &EmbeddedBroker, group: &str) -> KafkaConfig {
    KafkaConfig {
        brokers: broker.address(),
        group: group.into(),
        cluster: "test".into(),
        topics: vec!["usage".into()],
        dead_letter_topic: "dead-letters".into(),
        properties: BTreeMap::new(),
    }
}

async fn read_all(source: &mut KafkaSource) -> Vec<(i32, i64, Vec<u8>)> {
    let mut seen = Vec::new();
    let deadline = Duration::from_secs(60);
    while let Some(records) = tokio::time::timeout(deadline, source.next())
        .await
        .unwrap()
        .unwrap()
    {
        let number = records.partition().number;
        seen.extend(
            records
                .iter()
                .map(|r| (number, r.offset, r.payload.to_vec())),
        );
    }
    seen
}

fn numbered(count: usize) -> Vec<(String, Vec<u8>)> {
    (0..count)
        .map(|n| (format!("key_{}", n % 17), n.to_string().into_bytes()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_read_once_in_order_and_then_it_ends() {
    let broker = EmbeddedBroker::start(&[("usage", 3)]).unwrap();
    let config = config(&broker, "one");
    let sink = KafkaSink::open(&config).unwrap();
    sink.append("usage", &numbered(10_000)).await.unwrap();

    let mut source = KafkaSource::open(&config, BTreeMap::new(), StopAt::End).unwrap();
    let seen = read_all(&mut source).await;
    assert!(source.caught_up());
    assert_eq!(seen.len(), 10_000);
    let mut next: BTreeMap<i32, i64> = BTreeMap::new();
    for (partition, offset, _) in &seen {
        let expected = next.entry(*partition).or_insert(0);
        assert_eq!(offset, expected, "partition {partition}");
        *expected += 1;
    }
    assert_eq!(next.len(), 3, "the keys spread over all partitions");

    let ranges: Vec<_> = next
        .iter()
        .map(|(&number, &end)| OffsetRange {
            partition: Partition::new("usage", number),
            start: 0,
            end,
        })
        .collect();
    source.commit(&ranges).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_offset_is_honoured() {
    let broker = EmbeddedBroker::start(&[("usage", 1)]).unwrap();
    let config = config(&broker, "two");
    KafkaSink::open(&config)
        .unwrap()
        .append("usage", &numbered(100))
        .await
        .unwrap();
    let start = BTreeMap::from([(Partition::new("usage", 0), 90)]);
    let mut source = KafkaSource::open(&config, start, StopAt::End).unwrap();
    let offsets: Vec<i64> = read_all(&mut source)
        .await
        .iter()
        .map(|seen| seen.1)
        .collect();
    assert_eq!(offsets, (90..100).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_pauses_the_fetcher_and_loses_nothing() {
    let broker = EmbeddedBroker::start(&[("usage", 1)]).unwrap();
    let config = config(&broker, "three");
    let sink = KafkaSink::open(&config).unwrap();
    let wide: Vec<_> = (0..1500)
        .map(|n| (n.to_string(), vec![b'x'; 2000]))
        .collect();
    sink.append("usage", &wide).await.unwrap();
    let mut source = KafkaSource::open(&config, BTreeMap::new(), StopAt::End).unwrap();
    // Nothing is taken while the thread reads ahead as far as it may.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(read_all(&mut source).await.len(), 1500);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_topic_ends_at_once() {
    let broker = EmbeddedBroker::start(&[("usage", 2)]).unwrap();
    let config = config(&broker, "four");
    let mut source = KafkaSource::open(&config, BTreeMap::new(), StopAt::End).unwrap();
    assert_eq!(read_all(&mut source).await, []);
}

#[test]
fn a_broker_that_is_not_there_is_named() {
    let mut properties = BTreeMap::new();
    properties.insert("socket.timeout.ms".to_owned(), "1000".to_owned());
    let config = KafkaConfig {
        brokers: "127.0.0.1:1".into(),
        group: "five".into(),
        cluster: "test".into(),
        topics: vec!["usage".into()],
        dead_letter_topic: "dead-letters".into(),
        properties,
    };
    let error = KafkaSink::probe(&config, Duration::from_secs(2)).unwrap_err();
    assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
}
