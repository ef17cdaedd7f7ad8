use simulator::OddityLabel;

use super::*;
use crate::baseline::KeyScores;
use crate::pool::tests::{alert, labels};

/// Returns a study with long names and large numbers.
fn study() -> Study {
    let mut labels = labels(&["a", "b"]);
    labels.oddities.push(OddityLabel {
        key: "a".into(),
        kind: "a_rather_long_oddity".into(),
        start: alert("a", 24.0).raised_at,
        end: alert("a", 25.0).raised_at,
        announced: true,
    });
    let simulation = simulator::simulate("small", 7, 0.3).unwrap();
    labels.abuses = simulation.labels.abuses;
    let detector = || Judged::detector(&labels, &[alert("a", 24.5), alert("b", 23.0)]);
    let none: [KeyScores; 0] = [];
    let baseline = |name| Judged::baseline(name, &labels, &none, 2);
    let all = vec![
        detector(),
        baseline("z 24 h"),
        baseline("z 7 d"),
        baseline("seasonal z"),
    ];
    Study {
        command: "cargo run".into(),
        scenario: "small".into(),
        scale: 0.3,
        runs: vec![SeedRun {
            seed: u64::MAX,
            events: 123_456_789,
            duplicates: 123_456,
            rows_outside_of_the_run: 0,
            keys: 26_000,
            abuses: 3_600,
            oddities: 100,
        }],
        forest_keys: 80,
        notes: vec!["word ".repeat(60).trim_end().to_owned()],
        budgets: vec![AtBudget::new(
            5.0,
            all,
            vec![detector(), baseline("forest")],
        )],
        servegen: None,
    }
}

#[test]
fn nothing_is_wider_than_110_columns() {
    let text = text(&study());
    for line in text.lines() {
        assert!(line.chars().count() <= 110, "{line}");
        assert_eq!(line, line.trim_end(), "blanks at the end");
    }
}

#[test]
fn every_method_and_every_part_has_its_place() {
    let text = text(&study());
    for part in [
        "spikewatch",
        "z 24 h",
        "z 7 d",
        "seasonal z",
        "forest",
        "smash",
        "a_rather_long_oddity",
        "service",
        "realised/stated",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn times_are_minutes_up_to_two_hours() {
    assert_eq!(duration(Some(119.94)), "119.9 m");
    assert_eq!(duration(Some(120.0)), "2.0 h");
    assert_eq!(duration(None), "-");
    assert_eq!(percent(Some(0.005)), "0 %");
}
