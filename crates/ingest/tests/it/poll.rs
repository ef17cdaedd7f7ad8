//! The pollers against a server that serves the pages as they are documented.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use ingest::{
    AnthropicPollConfig, FeedReport, OpenaiPollConfig, PollConfig, PollDoors, PollError,
    PollLimits, Poller, RealSleep, Sleep,
};
use model::double::{MemoryPollPositions, MemoryRecordSink};
use model::{Clock, RecordSink, Secret, SourceError, Timestamp};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::http_server::{HttpServer, Reply, Request, answer};

const ADMIN_KEY: &str = "sk-admin-hunter2hunter2";

/// Noon of 2026-05-04, in seconds.
const NOON: i64 = 1_777_896_000;

/// A clock that is moved by whoever waits on it.
#[derive(Clone)]
struct Hands(Arc<AtomicI64>);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// Waits by moving the clock, and remembers each pause.
struct Nap {
    hands: Hands,
    pauses: Mutex<Vec<Duration>>,
}

#[async_trait]
impl Sleep for Nap {
    async fn sleep(&self, pause: Duration) {
        self.pauses.lock().unwrap().push(pause);
        let millis = i64::try_from(pause.as_millis()).unwrap();
        self.hands.0.fetch_add(millis, Ordering::SeqCst);
        tokio::task::yield_now().await;
    }
}

/// A sink that refuses the record that comes after so many.
#[derive(Default)]
struct Brittle {
    inner: MemoryRecordSink,
    left: Mutex<Option<usize>>,
}

#[async_trait]
impl RecordSink for Brittle {
    async fn append(&self, topic: &str, records: &[(String, Vec<u8>)]) -> Result<(), SourceError> {
        for record in records {
            if let Some(left) = &mut *self.left.lock().unwrap() {
                if *left == 0 {
                    return Err(SourceError {
                        message: "the broker is away".to_owned(),
                        transient: true,
                    });
                }
                *left -= 1;
            }
            self.inner
                .append(topic, std::slice::from_ref(record))
                .await?;
        }
        Ok(())
    }
}

/// What surrounds a poller, and stays when it is made anew.
struct World {
    sink: Arc<Brittle>,
    positions: Arc<MemoryPollPositions>,
    hands: Hands,
    nap: Arc<Nap>,
}

impl World {
    fn at(seconds: i64) -> Self {
        let hands = Hands(Arc::new(AtomicI64::new(seconds * 1_000)));
        Self {
            sink: Arc::default(),
            positions: Arc::default(),
            nap: Arc::new(Nap {
                hands: hands.clone(),
                pauses: Mutex::default(),
            }),
            hands,
        }
    }

    fn doors(&self) -> PollDoors {
        PollDoors {
            sink: self.sink.clone(),
            positions: self.positions.clone(),
            clock: Arc::new(self.hands.clone()),
            sleep: self.nap.clone(),
            seed: 7,
        }
    }

    fn openai(&self, config: OpenaiPollConfig) -> Poller {
        Poller::openai(&config, self.doors()).unwrap()
    }

    fn set(&self, seconds: i64) {
        self.hands.0.store(seconds * 1_000, Ordering::SeqCst);
    }

    /// Returns the records so far, parsed, and forgets them.
    fn take(&self) -> Vec<(String, Value)> {
        let mut topics = self.sink.inner.topics.lock().unwrap();
        assert!(topics.keys().all(|topic| topic == "usage"), "{topics:?}");
        let records = topics.remove("usage").unwrap_or_default();
        let parse =
            |(key, payload): (String, Vec<u8>)| (key, serde_json::from_slice(&payload).unwrap());
        records.into_iter().map(parse).collect()
    }

    fn pauses(&self) -> Vec<Duration> {
        std::mem::take(&mut self.nap.pauses.lock().unwrap())
    }
}

/// The feeds of `only`, and nothing else.
fn openai(url: &str, only: &str) -> OpenaiPollConfig {
    let every = |name: &str| u64::from(only == name) * 60;
    OpenaiPollConfig {
        enabled: true,
        admin_key: Secret::new(ADMIN_KEY.to_owned()),
        base_url: url.to_owned(),
        usage_endpoints: vec!["completions".to_owned()],
        usage_secs: every("usage"),
        costs_secs: every("costs"),
        audit_secs: every("audit"),
        keys_secs: every("keys"),
        start_back_hours: 1,
        limits: PollLimits {
            timeout_secs: 1,
            ..PollLimits::default()
        },
        ..OpenaiPollConfig::default()
    }
}

fn anthropic(url: &str, only: &str) -> AnthropicPollConfig {
    let every = |name: &str| u64::from(only == name) * 60;
    AnthropicPollConfig {
        enabled: true,
        admin_key: Secret::new(ADMIN_KEY.to_owned()),
        base_url: url.to_owned(),
        usage_secs: every("usage"),
        costs_secs: every("costs"),
        keys_secs: every("keys"),
        activities_secs: every("activities"),
        start_back_hours: 1,
        ..AnthropicPollConfig::default()
    }
}

fn query(request: &Request, name: &str) -> Option<String> {
    let url = url::Url::parse(&format!("http://h{}", request.path)).unwrap();
    let mut pairs = url.query_pairs();
    pairs
        .find(|(n, _)| n == name)
        .map(|(_, value)| value.into())
}

fn path(request: &Request) -> &str {
    request.path.split('?').next().unwrap()
}

#[track_caller]
fn only_report(reports: Vec<FeedReport>) -> FeedReport {
    let [report] = <[FeedReport; 1]>::try_from(reports).unwrap();
    if let Some(err) = &report.error {
        panic!("{err}");
    }
    report
}

/// Tokens by minute and key, as an organisation has used them.
type Usage = Arc<Mutex<BTreeMap<(i64, &'static str), u64>>>;

/// What the documentation says of `GET /v1/organization/usage/completions`, in minutes until `now`.
fn documented_usage(usage: &Usage, now: i64, request: &Request) -> Reply {
    if request.header("authorization") != format!("Bearer {ADMIN_KEY}") {
        return answer(401, r#"{"error":{"message":"Incorrect API key provided"}}"#);
    }
    assert_eq!(path(request), "/v1/organization/usage/completions");
    assert_eq!(query(request, "bucket_width").unwrap(), "1m");
    assert!(request.path.contains("group_by=api_key_id"));
    let limit: i64 = query(request, "limit").unwrap().parse().unwrap();
    let start: i64 = query(request, "start_time").unwrap().parse().unwrap();
    let start = match query(request, "page") {
        Some(page) => page.strip_prefix("page_").unwrap().parse().unwrap(),
        None => start,
    };
    assert_eq!(start % 60, 0);
    let end = (start + limit * 60).min(now + 60 - now % 60);
    let usage = usage.lock().unwrap();
    let bucket = |minute: i64| {
        let results: Vec<Value> = usage
            .range((minute, "")..(minute + 1, ""))
            .map(|((_, key), tokens)| {
                json!({"object": "organization.usage.completions.result",
                       "input_tokens": tokens, "output_tokens": 1, "num_model_requests": 1,
                       "project_id": "proj_1", "user_id": null, "api_key_id": key,
                       "model": "gpt-5-mini", "batch": false})
            })
            .collect();
        json!({"object": "bucket", "start_time": minute, "end_time": minute + 60,
               "results": results})
    };
    let data: Vec<Value> = (start..end).step_by(60).map(bucket).collect();
    let has_more = end < now;
    let next_page = has_more.then(|| format!("page_{end}"));
    let page =
        json!({"object": "page", "data": data, "has_more": has_more, "next_page": next_page});
    answer(200, page.to_string())
}

async fn usage_server(usage: &Usage, hands: &Hands) -> HttpServer {
    let (usage, hands) = (Arc::clone(usage), hands.clone());
    HttpServer::start(move |request| {
        let now = hands.now().millis() / 1_000;
        documented_usage(&usage, now, request)
    })
    .await
}

/// Adds records up as a reader does: the last of what has the same identity counts.
#[derive(Default)]
struct Reader(BTreeMap<(i64, String), u64>);

impl Reader {
    fn read(&mut self, records: &[(String, Value)]) {
        for (key, bucket) in records {
            let start = bucket["start_time"].as_i64().unwrap();
            for result in bucket["results"].as_array().unwrap() {
                assert_eq!(result["api_key_id"], key.as_str());
                let tokens = result["input_tokens"].as_u64().unwrap();
                self.0.insert((start, key.clone()), tokens);
            }
        }
    }

    #[track_caller]
    fn check(&self, usage: &Usage) {
        let usage = usage.lock().unwrap();
        let truth = usage.iter();
        let truth = truth.map(|((minute, key), tokens)| ((*minute, (*key).to_owned()), *tokens));
        assert_eq!(self.0, truth.collect());
    }
}

fn half_an_hour() -> Usage {
    let minutes = (NOON - 1_800..NOON).step_by(60);
    let both = minutes.flat_map(|minute| [((minute, "key_1"), 10), ((minute, "key_2"), 20)]);
    Arc::new(Mutex::new(both.collect()))
}

#[tokio::test]
async fn pages_become_records_by_bucket_and_key_and_nothing_is_produced_for_empty_ones() {
    let (world, usage) = (World::at(NOON + 30), half_an_hour());
    let server = usage_server(&usage, &world.hands).await;
    let mut config = openai(&server.url, "usage");
    config.start_back_hours = 6;
    let mut poller = world.openai(config);
    let report = only_report(poller.poll_once().await);
    assert_eq!((report.pages, report.records), (2, 60));
    let records = world.take();
    assert_eq!(
        records.len(),
        60,
        "the buckets without results are no records"
    );
    assert_eq!(records[0].0, "key_1");
    assert_eq!(records[0].1["object"], "bucket");
    let mut reader = Reader::default();
    reader.read(&records);
    reader.check(&usage);

    // Nothing changed, so that nothing is produced.
    world.set(NOON + 90);
    let report = only_report(poller.poll_once().await);
    assert_eq!((report.records, report.unchanged), (0, 60));
    assert!(world.take().is_empty());
    let status = poller.statuses().borrow()[0].clone();
    assert_eq!(status.records, 60);
    assert_eq!(status.read_to.unwrap().millis(), (NOON + 60) * 1_000);
    assert_eq!(status.error, None);
}

#[tokio::test]
async fn open_and_late_buckets_are_produced_again_and_nothing_else() {
    let (world, usage) = (World::at(NOON + 30), half_an_hour());
    usage.lock().unwrap().insert((NOON, "key_1"), 3);
    let server = usage_server(&usage, &world.hands).await;
    let mut poller = world.openai(openai(&server.url, "usage"));
    poller.poll_once().await;
    let mut reader = Reader::default();
    reader.read(&world.take());
    reader.check(&usage);

    world.set(NOON + 90);
    {
        let mut usage = usage.lock().unwrap();
        // The open minute grew, another key appeared in it, and an old minute was corrected.
        usage.insert((NOON, "key_1"), 9);
        usage.insert((NOON, "key_2"), 1);
        usage.insert((NOON - 1_800, "key_2"), 21);
    }
    let report = only_report(poller.poll_once().await);
    let records = world.take();
    let told: BTreeSet<(i64, &str)> = records
        .iter()
        .map(|(key, bucket)| (bucket["start_time"].as_i64().unwrap(), key.as_str()))
        .collect();
    let expected = [(NOON - 1_800, "key_2"), (NOON, "key_1"), (NOON, "key_2")];
    assert_eq!(told, BTreeSet::from(expected));
    assert_eq!(report.records, 3);
    reader.read(&records);
    reader.check(&usage);
}

#[tokio::test]
async fn a_restart_goes_on_where_it_was_without_loss_or_repeat() {
    let (world, usage) = (World::at(NOON + 30), half_an_hour());
    let server = usage_server(&usage, &world.hands).await;
    let config = openai(&server.url, "usage");
    let mut reader = Reader::default();
    world.openai(config.clone()).poll_once().await;
    reader.read(&world.take());

    // The next one has the position only.
    world.set(NOON + 7_200);
    for minute in (NOON + 60..NOON + 7_200).step_by(60) {
        usage.lock().unwrap().insert((minute, "key_1"), 5);
    }
    let report = only_report(world.openai(config.clone()).poll_once().await);
    assert_eq!((report.records, report.unchanged), (119, 60));
    reader.read(&world.take());
    reader.check(&usage);

    let report = only_report(world.openai(config).poll_once().await);
    assert_eq!(report.records, 0, "what the position remembers is no news");
}

#[tokio::test]
async fn a_stop_at_any_record_loses_nothing() {
    for good in [0, 1, 2, 29, 30, 58, 59] {
        let (world, usage) = (World::at(NOON + 30), half_an_hour());
        let server = usage_server(&usage, &world.hands).await;
        let mut config = openai(&server.url, "usage");
        config.start_back_hours = 6;
        *world.sink.left.lock().unwrap() = Some(good);
        let reports = world.openai(config.clone()).poll_once().await;
        let err = reports[0].error.as_ref().unwrap();
        assert!(
            matches!(err, PollError::Produce { .. }) && err.is_transient(),
            "{err}"
        );
        let mut reader = Reader::default();
        let before = world.take();
        assert_eq!(before.len(), good);
        reader.read(&before);
        *world.sink.left.lock().unwrap() = None;
        only_report(world.openai(config).poll_once().await);
        reader.read(&world.take());
        reader.check(&usage);
    }
}

#[tokio::test]
async fn a_long_report_is_read_in_turns_and_each_one_moves_on() {
    let (world, usage) = (World::at(NOON + 30), half_an_hour());
    for minute in (NOON - 86_400..NOON - 3_600).step_by(3_600) {
        usage.lock().unwrap().insert((minute, "key_1"), 5);
    }
    let server = usage_server(&usage, &world.hands).await;
    let mut config = openai(&server.url, "usage");
    config.start_back_hours = 24;
    config.limits.max_pages = 1;
    let reports = world.openai(config.clone()).poll_once().await;
    assert!(reports.iter().all(|report| report.error.is_none()));
    assert!(reports.len() > 5, "{}", reports.len());
    let mut reader = Reader::default();
    reader.read(&world.take());
    reader.check(&usage);
}

#[tokio::test]
async fn busy_and_broken_answers_are_asked_for_again_with_growing_pauses() {
    let page = r#"{"object":"page","data":[],"has_more":false,"next_page":null}"#;
    let count = Arc::new(AtomicU32::new(0));
    let server = HttpServer::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::Answer(
            429,
            vec![("retry-after", "20".to_owned())],
            "slow".to_owned(),
        ),
        1 => answer(500, "oops"),
        2 => answer(
            529,
            r#"{"type":"error","error":{"type":"overloaded_error"}}"#,
        ),
        3 => answer(200, r#"{"object":"page","data":[{"start"#),
        4 => answer(200, "<html>a captive portal</html>"),
        _ => answer(200, page),
    })
    .await;
    let world = World::at(NOON);
    let report = only_report(world.openai(openai(&server.url, "usage")).poll_once().await);
    assert_eq!(report.records, 0);
    assert_eq!(server.requests().len(), 6);
    let pauses = world.pauses();
    let seconds = |n: usize| pauses[n].as_secs_f64();
    assert!((20.0..=25.0).contains(&seconds(0)), "{pauses:?}");
    for (n, full) in [(1, 2.0), (2, 4.0), (3, 8.0), (4, 16.0)] {
        assert!((full / 2.0..=full).contains(&seconds(n)), "{pauses:?}");
    }
    // The same seed gives the same pauses.
    let count = AtomicU32::new(0);
    let server = HttpServer::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::Answer(
            429,
            vec![("retry-after", "20".to_owned())],
            "slow".to_owned(),
        ),
        1..5 => answer(500, "oops"),
        _ => answer(200, page),
    })
    .await;
    let world = World::at(NOON);
    world.openai(openai(&server.url, "usage")).poll_once().await;
    assert_eq!(world.pauses(), pauses);
}

#[tokio::test]
async fn attempts_come_to_an_end_and_a_long_pause_is_kept_between_turns() {
    let server = HttpServer::start(|_| answer(503, "away")).await;
    let world = World::at(NOON);
    let reports = world.openai(openai(&server.url, "usage")).poll_once().await;
    let err = reports[0].error.as_ref().unwrap();
    assert!(
        err.is_transient() && err.to_string().contains("503: away"),
        "{err}"
    );
    assert_eq!(server.requests().len(), 6);

    // An hour is not waited for in place, and nobody else asks meanwhile.
    let server = HttpServer::start(|_| {
        Reply::Answer(429, vec![("retry-after", "3600".to_owned())], String::new())
    })
    .await;
    let world = World::at(NOON);
    let mut config = openai(&server.url, "usage");
    (config.costs_secs, config.keys_secs) = (60, 60);
    let mut poller = world.openai(config);
    let cancel = CancellationToken::new();
    let (requests, stop) = (Arc::clone(&server.requests), cancel.clone());
    tokio::spawn(async move {
        while requests.lock().unwrap().len() < 3 {
            tokio::task::yield_now().await;
        }
        stop.cancel();
    });
    poller.run(&cancel).await;
    let pauses = world.pauses();
    assert!(
        pauses.iter().all(|pause| pause.as_secs() == 3_600),
        "{pauses:?}"
    );
    assert!(pauses.len() >= 2, "{pauses:?}");
}

#[tokio::test]
async fn a_server_that_hangs_is_left_and_the_other_feeds_are_read() {
    let server = HttpServer::start(|request| match path(request) {
        "/v1/organization/costs" => answer(200, r#"{"data":[],"has_more":false}"#),
        _ => Reply::Silence,
    })
    .await;
    let world = World::at(NOON);
    let mut config = openai(&server.url, "usage");
    config.costs_secs = 60;
    config.limits.max_attempts = 1;
    let reports = world.openai(config).poll_once().await;
    let err = reports[0].error.as_ref().unwrap().to_string();
    assert!(err.contains("did not answer in time"), "{err}");
    assert!(reports[1].error.is_none());
}

#[tokio::test]
async fn an_endless_body_is_cut_and_a_long_page_is_asked_for_in_smaller_ones() {
    let server = HttpServer::start(|_| Reply::Flood).await;
    let world = World::at(NOON);
    let mut config = openai(&server.url, "usage");
    config.limits.max_body_bytes = 100_000;
    let reports = world.openai(config).poll_once().await;
    let err = reports[0].error.as_ref().unwrap();
    assert!(matches!(err, PollError::TooLarge { .. }), "{err}");
    let limits: Vec<_> = server
        .requests()
        .iter()
        .map(|r| query(r, "limit").unwrap())
        .collect();
    assert_eq!(limits, ["240", "120", "60", "30", "15", "7", "3", "1"]);

    let (world, usage) = (World::at(NOON + 30), half_an_hour());
    let server = usage_server(&usage, &world.hands).await;
    let mut config = openai(&server.url, "usage");
    config.limits.max_body_bytes = 4_000;
    only_report(world.openai(config).poll_once().await);
    let mut reader = Reader::default();
    reader.read(&world.take());
    reader.check(&usage);
}

#[tokio::test]
async fn a_key_that_expired_says_what_to_do_and_is_not_tried_at_every_feed() {
    let echo = format!(r#"{{"error":{{"message":"Incorrect API key provided: {ADMIN_KEY}"}}}}"#);
    let server = HttpServer::start(move |_| answer(401, echo.clone())).await;
    let world = World::at(NOON);
    let config = OpenaiPollConfig {
        enabled: true,
        admin_key: Secret::new(ADMIN_KEY.to_owned()),
        base_url: server.url.clone(),
        ..OpenaiPollConfig::default()
    };
    let mut poller = world.openai(config);
    let reports = poller.poll_once().await;
    assert_eq!(reports.len(), 1);
    assert_eq!(
        server.requests().len(),
        1,
        "a refusal is not asked for again"
    );
    let err = reports[0].error.as_ref().unwrap();
    assert!(!err.is_transient());
    let text = err.to_string();
    for part in [
        "401",
        "expired",
        "poll.openai.admin_key",
        "admin-keys",
        "[redacted]",
    ] {
        assert!(text.contains(part), "{text}");
    }
    let seen = format!("{err:?} {:?}", poller.statuses().borrow());
    assert!(
        !text.contains("hunter2") && !seen.contains("hunter2"),
        "{seen}"
    );
}

#[tokio::test]
async fn pages_that_lead_in_circles_come_to_an_end() {
    for (page, reason) in [
        (
            r#"{"data":[],"has_more":true,"next_page":"a"}"#,
            "leads to itself",
        ),
        (
            r#"{"data":[],"has_more":true,"next_page":null}"#,
            "no cursor",
        ),
    ] {
        let server = HttpServer::start(move |_| answer(200, page)).await;
        let world = World::at(NOON);
        let reports = world.openai(openai(&server.url, "usage")).poll_once().await;
        let err = reports[0].error.as_ref().unwrap().to_string();
        assert!(err.contains(reason), "{err}");
    }
    for page in [
        r#"{"has_more":false}"#,
        r#"{"data":[{"results":[]}]}"#,
        r#"{"data":[7]}"#,
    ] {
        let server = HttpServer::start(move |_| answer(200, page)).await;
        let world = World::at(NOON);
        let reports = world.openai(openai(&server.url, "usage")).poll_once().await;
        let err = reports[0].error.as_ref().unwrap().to_string();
        assert!(err.contains("is no page"), "{err}");
        let positions = world.positions.positions.lock().unwrap();
        assert!(
            positions.is_empty(),
            "an answer that is no page moves nothing"
        );
    }
}

/// What the documentation says of `GET /v1/organization/audit_logs`: newest first, by cursor.
fn documented_audit(events: &[(i64, String)], request: &Request) -> Reply {
    let bound = |name: &str| query(request, name).map(|text| text.parse::<i64>().unwrap());
    let from = bound("effective_at[gte]").unwrap();
    let to = bound("effective_at[lt]").unwrap_or(i64::MAX);
    let mut events: Vec<_> = events
        .iter()
        .filter(|(t, _)| (from..to).contains(t))
        .collect();
    events.sort_by(|a, b| b.cmp(a));
    if let Some(after) = query(request, "after") {
        let at = events.iter().position(|(_, id)| *id == after).unwrap();
        events.drain(..=at);
    }
    let has_more = events.len() > 3;
    events.truncate(3);
    let data: Vec<Value> = events
        .iter()
        .map(|(time, id)| {
            json!({"id": id, "type": "api_key.created", "effective_at": time,
                   "actor": {"type": "session"}, "api_key.created": {"id": "key_1"}})
        })
        .collect();
    let last_id = events.last().map(|(_, id)| id);
    let page = json!({"object": "list", "data": data, "first_id": null, "last_id": last_id,
                      "has_more": has_more});
    answer(200, page.to_string())
}

#[tokio::test]
async fn an_audit_log_is_read_by_day_and_cursor_and_late_events_are_found() {
    let world = World::at(NOON);
    let times = (0..20).map(|n| (NOON - n * 11_000, format!("audit_{n:02}")));
    let events: Arc<Mutex<Vec<(i64, String)>>> = Arc::new(Mutex::new(times.collect()));
    let served = Arc::clone(&events);
    let server =
        HttpServer::start(move |request| documented_audit(&served.lock().unwrap(), request)).await;
    let mut config = openai(&server.url, "audit");
    config.start_back_hours = 72;
    let ids = |records: Vec<(String, Value)>| -> Vec<String> {
        assert!(records.iter().all(|(key, _)| key == "openai/audit"));
        let id = |(_, event): (String, Value)| event["id"].as_str().unwrap().to_owned();
        records.into_iter().map(id).collect()
    };
    let mut poller = world.openai(config.clone());
    only_report(poller.poll_once().await);
    let seen = ids(world.take());
    let all: BTreeSet<_> = events
        .lock()
        .unwrap()
        .iter()
        .map(|(_, id)| id.clone())
        .collect();
    assert_eq!(seen.len(), 20, "each once");
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), all);

    // One is new, one comes ten minutes late; a restart in between changes nothing.
    events
        .lock()
        .unwrap()
        .push((NOON + 30, "audit_new".to_owned()));
    events
        .lock()
        .unwrap()
        .push((NOON - 600, "audit_late".to_owned()));
    world.set(NOON + 60);
    only_report(world.openai(config).poll_once().await);
    assert_eq!(ids(world.take()), ["audit_late", "audit_new"]);
    world.set(NOON + 120);
    only_report(poller.poll_once().await);
    assert_eq!(
        ids(world.take()),
        ["audit_late", "audit_new"],
        "the older poller knew nothing of it"
    );
}

#[tokio::test]
async fn keys_of_every_project_are_listed_with_their_project_and_changes_only() {
    let last_used = Arc::new(AtomicI64::new(NOON));
    let used = Arc::clone(&last_used);
    let server = HttpServer::start(move |request| {
        let key = |id: &str| {
            json!({"object": "organization.project.api_key", "id": id, "name": "n",
                   "redacted_value": "sk-proj-***x9Zq", "created_at": NOON,
                   "last_used_at": used.load(Ordering::SeqCst), "owner": {"type": "user"}})
        };
        let page = |data: Vec<Value>, has_more: bool| {
            let last_id = data.last().map(|entry| entry["id"].clone());
            json!({"object": "list", "data": data, "has_more": has_more, "last_id": last_id})
        };
        let after = query(request, "after");
        let body = match (path(request), after.as_deref()) {
            ("/v1/organization/projects", None) => page(
                vec![json!({"id": "proj_1"}), json!({"id": "proj_gone"})],
                true,
            ),
            ("/v1/organization/projects", Some("proj_gone")) => {
                page(vec![json!({"id": "proj/2"})], false)
            }
            ("/v1/organization/projects/proj_1/api_keys", None) => page(vec![key("key_1")], true),
            ("/v1/organization/projects/proj_1/api_keys", Some("key_1")) => {
                page(vec![key("key_2")], false)
            }
            ("/v1/organization/projects/proj%2F2/api_keys", None) => page(Vec::new(), false),
            ("/v1/organization/admin_api_keys", None) => {
                let mut admin = key("key_admin");
                admin["object"] = json!("organization.admin_api_key");
                admin["value"] = json!("sk-admin-whole");
                admin["last_used_at"] = json!(null);
                page(vec![admin], false)
            }
            _ => return answer(404, "{}"),
        };
        answer(200, body.to_string())
    })
    .await;
    let world = World::at(NOON);
    let mut poller = world.openai(openai(&server.url, "keys"));
    for report in poller.poll_once().await {
        assert!(report.error.is_none(), "{:?}", report.error);
    }
    let records = world.take();
    let told: Vec<_> = records
        .iter()
        .map(|(key, entry)| (key.as_str(), entry["project_id"].as_str()))
        .collect();
    let expected = [
        ("key_1", Some("proj_1")),
        ("key_2", Some("proj_1")),
        ("key_admin", None),
    ];
    assert_eq!(told, expected);
    assert!(records.iter().all(|(_, entry)| entry["value"].is_null()));

    poller.poll_once().await;
    assert!(
        world.take().is_empty(),
        "a list that did not change is no news"
    );
    last_used.store(NOON + 60, Ordering::SeqCst);
    poller.poll_once().await;
    let keys: Vec<_> = world.take().into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["key_1", "key_2"]);
}

#[tokio::test]
async fn the_feeds_of_anthropic_are_read_in_its_own_words() {
    let server = HttpServer::start(|request| {
        assert_eq!(request.header("x-api-key"), ADMIN_KEY);
        assert_eq!(request.header("anthropic-version"), "2023-06-01");
        let body = match path(request) {
            "/v1/organizations/usage_report/messages" => {
                assert_eq!(query(request, "starting_at").unwrap(), "2026-05-04T11:00:00Z");
                assert_eq!(query(request, "group_by[]").unwrap(), "api_key_id");
                json!({"data": [
                    {"starting_at": "2026-05-04T11:00:00Z", "ending_at": "2026-05-04T11:01:00Z",
                     "results": []},
                    {"starting_at": "2026-05-04T11:01:00Z", "ending_at": "2026-05-04T11:02:00Z",
                     "results": [
                        {"api_key_id": "apikey_1", "workspace_id": null, "uncached_input_tokens": 1},
                        {"api_key_id": null, "workspace_id": "wrkspc_1", "uncached_input_tokens": 2}
                     ]}], "has_more": false, "next_page": null})
            }
            "/v1/organizations/cost_report" => {
                assert_eq!(query(request, "bucket_width").unwrap(), "1d");
                json!({"data": [{"starting_at": "2026-05-03T00:00:00Z",
                    "ending_at": "2026-05-04T00:00:00Z",
                    "results": [{"amount": "123.45", "currency": "USD", "cost_type": "tokens"}]}],
                    "has_more": false, "next_page": null})
            }
            "/v1/organizations/api_keys" => match query(request, "after_id").as_deref() {
                None => json!({"data": [{"id": "apikey_1", "type": "api_key"}], "has_more": true,
                               "first_id": "apikey_1", "last_id": "apikey_1"}),
                Some("apikey_1") => json!({"data": [{"id": "apikey_2", "type": "api_key"}],
                               "has_more": false, "first_id": "apikey_2", "last_id": "apikey_2"}),
                other => panic!("{other:?}"),
            },
            "/v1/compliance/activities" => {
                assert_eq!(query(request, "created_at.gte").unwrap(), "2026-05-04T11:00:00Z");
                json!({"data": [{"id": "activity_1", "created_at": "2026-05-04T11:30:00Z",
                    "type": "api_key_created", "actor": {"type": "user_actor"}}],
                    "has_more": false, "first_id": "activity_1", "last_id": "activity_1"})
            }
            _ => return answer(404, "{}"),
        };
        answer(200, body.to_string())
    })
    .await;
    for (only, keys) in [
        ("usage", vec!["anthropic/wrkspc_1", "apikey_1"]),
        ("costs", vec!["anthropic"]),
        ("keys", vec!["apikey_1", "apikey_2"]),
        ("activities", vec!["anthropic/audit"]),
    ] {
        let world = World::at(NOON);
        let config = anthropic(&server.url, only);
        let mut poller = Poller::anthropic(&config, world.doors()).unwrap();
        only_report(poller.poll_once().await);
        let told: Vec<_> = world.take().into_iter().map(|(key, _)| key).collect();
        assert_eq!(told, keys);
    }
}

#[tokio::test]
async fn a_run_gives_turns_when_they_are_due_and_stops_at_once() {
    let (world, usage) = (World::at(NOON + 30), half_an_hour());
    let server = usage_server(&usage, &world.hands).await;
    let mut poller = world.openai(openai(&server.url, "usage"));
    let cancel = CancellationToken::new();
    let (requests, stop) = (Arc::clone(&server.requests), cancel.clone());
    tokio::spawn(async move {
        while requests.lock().unwrap().len() < 5 {
            tokio::task::yield_now().await;
        }
        stop.cancel();
    });
    poller.run(&cancel).await;
    let pauses = world.pauses();
    assert!(
        pauses.len() >= 4 && pauses.iter().all(|p| p.as_secs() == 60),
        "{pauses:?}"
    );
    let mut reader = Reader::default();
    reader.read(&world.take());
    reader.check(&usage);

    // Also in the middle of a request that nobody answers.
    let server = HttpServer::start(|_| Reply::Silence).await;
    let mut config = openai(&server.url, "usage");
    config.limits.timeout_secs = 600;
    let mut poller = world.openai(config);
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    tokio::spawn(async move { stop.cancel() });
    tokio::time::timeout(Duration::from_secs(20), poller.run(&cancel))
        .await
        .unwrap();
}

#[test]
fn settings_that_do_not_do_are_refused_before_anything_is_asked() {
    let world = World::at(NOON);
    let check = |change: &dyn Fn(&mut OpenaiPollConfig), field: &str| {
        let mut config = openai("https://h.example", "usage");
        change(&mut config);
        let err = Poller::openai(&config, world.doors()).err().unwrap();
        assert!(err.to_string().contains(field), "{err}");
    };
    check(&|config| config.admin_key = Secret::default(), "admin_key");
    check(
        &|config| config.admin_key = Secret::new("a\nb".into()),
        "admin_key",
    );
    check(
        &|config| config.base_url = "http://h.example".into(),
        "base_url",
    );
    check(&|config| config.bucket_width = "2m".into(), "bucket_width");
    check(&|config| config.topic.clear(), "topic");
    check(&|config| config.limits.timeout_secs = 0, "timeout_secs");
    check(&|config| config.limits.max_pages = 0, "limits");
    let pollers = Poller::enabled(&PollConfig::default(), &world.doors()).unwrap();
    assert!(pollers.is_empty(), "nothing is enabled by default");
    let _ = RealSleep;
}
