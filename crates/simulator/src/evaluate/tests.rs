use super::*;

fn time(text: &str) -> Timestamp {
    Timestamp::parse(&format!("2026-{text}:00Z")).unwrap()
}

fn window(start: &str, end: &str) -> Window {
    Window {
        start: time(start),
        end: time(end),
    }
}

/// Ten scored days, three keys; key_a is abused for two hours at a dollar a minute, key_b
/// has an announced launch for a day, key_c is made in the middle.
fn labels() -> Labels {
    let key = |key: &str, class: &str, start: &str| KeyLabel {
        key: key.into(),
        account: "quietharbor".into(),
        class: class.into(),
        exists: window(start, "05-11T00:00"),
    };
    Labels {
        version: Labels::VERSION.into(),
        scenario: "hand".into(),
        seed: 0,
        scored: window("05-01T00:00", "05-11T00:00"),
        abuses: vec![AbuseLabel {
            key: "key_a".into(),
            account: "quietharbor".into(),
            kind: "smash".into(),
            start: time("05-04T03:00"),
            end: time("05-04T05:00"),
            intensity: 20.0,
            intensity_unit: "times_mean_requests".into(),
            events: 121,
            requests: 121,
            cost_usd: Nanos::new(121 * Nanos::USD),
            cumulative_cost_usd: (1..=121).map(|n| Nanos::new(n * Nanos::USD)).collect(),
            cumulative_requests: (1..=121).collect(),
            group: None,
        }],
        oddities: vec![OddityLabel {
            key: "key_b".into(),
            kind: "launch_growth".into(),
            start: time("05-05T00:00"),
            end: time("05-06T00:00"),
            announced: true,
        }],
        keys: vec![
            key("key_a", "service", "04-06T00:00"),
            key("key_b", "service", "04-06T00:00"),
            key("key_c", "person", "05-06T00:00"),
        ],
    }
}

fn alert(keys: &[&str], raised_at: &str) -> ScoredAlert {
    ScoredAlert {
        key_ids: keys.iter().map(|key| (*key).to_owned()).collect(),
        account: "quietharbor".into(),
        raised_at: time(raised_at),
    }
}

fn score(alerts: &[(&[&str], &str)]) -> Report {
    evaluate(&labels(), alerts.iter().map(|(keys, at)| alert(keys, at)))
}

/// Scores alerts and compares (true, false, repeated, outside).
fn check(alerts: &[(&[&str], &str)], expected: (u64, u64, u64, u64)) -> Report {
    let report = score(alerts);
    let counts = &report.alerts;
    let actual = (
        counts.counted_true,
        counts.counted_false,
        counts.repeated,
        counts.outside_scored_span,
    );
    assert_eq!(actual, expected, "{alerts:?}");
    report
}

#[test]
fn an_alert_during_abuse_is_true_and_stops_the_loss() {
    let report = check(&[(&["key_a"], "05-04T03:09")], (1, 0, 0, 0));
    let row = &report.by_type["smash"];
    assert_eq!((row.abuses, row.detected, row.recall), (1, 1, Some(1.0)));
    assert_eq!(
        (row.median_minutes, row.p90_minutes),
        (Some(9.0), Some(9.0))
    );
    assert_eq!(row.lost_usd, Nanos::new(10 * Nanos::USD));
    assert_eq!(row.lost_share, Some(10.0 / 121.0));
    assert_eq!(report.by_class["service"].detection, *row);
    assert_eq!(report.abuses[0].requests_before, Some(10));
}

#[test]
fn without_alerts_everything_is_lost_and_nothing_is_false() {
    let report = check(&[], (0, 0, 0, 0));
    assert_eq!(report.overall.recall, Some(0.0));
    assert_eq!(report.overall.median_minutes, None);
    assert_eq!(report.overall.lost_usd, Nanos::new(121 * Nanos::USD));
    // Ten days twice less two hours, and five days.
    let expected = 25.0 - 2.0 / 24.0;
    assert!((report.false_alerts.key_days - expected).abs() < 1e-9);
    assert_eq!(report.false_alerts.per_1000_key_days, 0.0);
    assert!(report.false_alerts.per_1000_key_days_interval.high > 100.0);
}

#[test]
fn the_hour_after_the_end_is_the_edge_of_truth() {
    check(&[(&["key_a"], "05-04T02:59")], (0, 1, 0, 0));
    check(&[(&["key_a"], "05-04T03:00")], (1, 0, 0, 0));
    check(&[(&["key_a"], "05-04T06:00")], (1, 0, 0, 0));
    check(&[(&["key_a"], "05-04T06:01")], (0, 1, 0, 0));
}

#[test]
fn six_hours_on_one_key_count_once() {
    check(
        &[
            (&["key_b"], "05-08T00:00"),
            (&["key_b"], "05-08T06:00"),
            (&["key_b"], "05-08T06:01"),
            (&["key_c"], "05-08T01:00"),
        ],
        (0, 3, 1, 0),
    );
}

#[test]
fn a_false_alarm_does_not_hide_the_detection_after_it() {
    let alerts: [(&[&str], &str); 2] = [(&["key_a"], "05-04T02:00"), (&["key_a"], "05-04T03:30")];
    let report = check(&alerts, (0, 1, 1, 0));
    assert_eq!(report.overall.detected, 1);
    assert_eq!(report.overall.median_minutes, Some(30.0));
}

#[test]
fn a_campaign_counts_for_each_of_its_keys() {
    let report = check(
        &[(&["key_a", "key_b", "key_a"], "05-04T04:00")],
        (1, 1, 0, 0),
    );
    assert_eq!(report.alerts.alerts, 1);
    assert_eq!(report.alerts.on_keys, 2);
}

#[test]
fn a_group_is_detected_as_one_by_an_alert_on_half_of_it() {
    let mut labels = labels();
    labels.abuses[0].group = Some("logburrow".into());
    let second = AbuseLabel {
        key: "key_c".into(),
        start: time("05-04T03:02"),
        end: time("05-07T05:00"),
        ..labels.abuses[0].clone()
    };
    labels.abuses.push(second);
    let check = |keys: &[&str], at: &str, expected: Option<f64>, wrong: u64| {
        let report = evaluate(&labels, std::iter::once(alert(keys, at)));
        assert_eq!(report.groups.len(), 1);
        assert_eq!(report.groups[0].minutes, expected, "{keys:?}");
        assert_eq!(report.alerts.false_campaigns, wrong, "{keys:?}");
        report
    };
    let report = check(&["key_a", "key_c"], "05-04T03:12", Some(12.0), 0);
    assert_eq!((report.groups[0].abuses, report.groups[0].detected), (2, 2));
    assert!(report.to_string().contains("smash of logburrow: 2 of 2"));
    check(&["key_a", "key_b"], "05-04T03:20", Some(20.0), 0);
    let report = check(&["key_a", "key_b", "key_z"], "05-04T03:20", None, 1);
    assert_eq!(report.groups[0].detected, 1);
    check(&["key_a", "key_b"], "05-06T00:00", None, 1);
    let alone = check(&["key_a"], "05-04T03:20", None, 0);
    assert_eq!(alone.alerts.campaigns, 0);
}

#[test]
fn unknown_keys_and_no_key_are_false_and_named() {
    let report = check(
        &[(&["key_z"], "05-04T04:00"), (&[], "05-04T04:00")],
        (0, 2, 0, 0),
    );
    assert_eq!(report.alerts.on_unknown_keys, 2);
    assert!(report.alerts.unknown_keys.contains(&"key_z".to_owned()));
    assert_eq!(report.by_class["unknown"].false_alerts.count, 2);
    assert!(report.to_string().contains("unknown keys: 2"));
}

#[test]
fn alerts_before_the_scored_span_are_counted_apart() {
    check(
        &[(&["key_a"], "04-30T23:59"), (&["key_a"], "05-11T00:01")],
        (0, 0, 0, 2),
    );
    check(&[(&["key_b"], "05-11T00:00")], (0, 1, 0, 0));
}

#[test]
fn false_alerts_on_an_oddity_are_told_apart() {
    let report = check(
        &[(&["key_b"], "05-05T12:00"), (&["key_b"], "05-09T00:00")],
        (0, 2, 0, 0),
    );
    let score = report.by_oddity["launch_growth"];
    assert_eq!((score.in_scored_span, score.false_alerts), (1, 1));
    assert_eq!(score.false_alerts_announced, 1);
    assert!((score.key_days - 25.0 / 24.0).abs() < 1e-9);
    let rate = 2000.0 / (25.0 - 2.0 / 24.0);
    assert!((report.false_alerts.per_1000_key_days - rate).abs() < 1e-9);
}

#[test]
fn the_order_of_alerts_does_not_matter() {
    let mut alerts = [
        alert(&["key_a"], "05-04T03:09"),
        alert(&["key_a"], "05-04T02:00"),
        alert(&["key_b"], "05-05T12:00"),
    ];
    let forward = evaluate(&labels(), alerts.iter().cloned());
    alerts.reverse();
    assert_eq!(forward, evaluate(&labels(), alerts.into_iter()));
}

#[test]
fn the_table_and_the_json_say_the_same() {
    let report = score(&[(&["key_a"], "05-04T03:09")]);
    let text = report.to_string();
    assert!(
        text.contains("smash                          1/1   100 %"),
        "{text}"
    );
    assert!(text.contains("9.0 min"), "{text}");
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["by_type"]["smash"]["lost_usd"], 10);
    assert_eq!(json["abuses"][0]["type"], "smash");
}
