use model::{Timestamp, Window};

use super::*;
use crate::chance;
use crate::clock;
use crate::key::Member;
use crate::kinds::{self, Kind};

/// From Monday, 2026-10-05: a month ends and clocks change in the scored span.
fn span() -> Window {
    let start = Timestamp::parse("2026-10-05T00:00:00Z").unwrap();
    Window {
        start,
        end: start.plus(35 * Timestamp::DAY),
    }
}

fn scored() -> Window {
    let start = span().start.plus(21 * Timestamp::DAY);
    Window { start, ..span() }
}

fn actor(kind: &'static dyn Kind, number: u64) -> Actor {
    let member = Member {
        kind,
        number,
        account: "quietharbor".into(),
        vendors: Vec::new(),
        born: None,
    };
    Actor::make(9, &member, span())
}

/// Applies `oddity` to up to four suitable keys of `kind`, and hands each to `assert` as it
/// was before, as it is now, and with its spells.
fn check(
    oddity: &dyn Oddity,
    kind: &'static dyn Kind,
    assert: impl Fn(&Actor, &Actor, &[Spell], u32),
) {
    let mut nth = 0;
    for number in 0..20 {
        let before = actor(kind, number);
        if nth == 4 || !oddity.suits(&before, scored().start) {
            continue;
        }
        let mut after = actor(kind, number);
        let mut rng = chance::stream(9, "oddity", oddity.name(), number);
        let spells = oddity.apply(&mut after, nth, scored(), &mut rng);
        assert!(after.batches.is_sorted_by_key(|batch| batch.time));
        assert(&before, &after, &spells, nth);
        nth += 1;
    }
    assert_eq!(nth, 4, "{}", oddity.name());
}

fn all(actor: &Actor) -> f64 {
    let batches = actor.batches.iter();
    batches.map(|batch| f64::from(batch.requests)).sum()
}

#[test]
fn a_holiday_is_a_silent_working_day_the_same_for_the_account() {
    check(&Holiday, &kinds::Service, |before, after, spells, nth| {
        let start = spells[0].window.start;
        let half = before.key.grain.millis() / 2;
        let day = Window {
            start: start.plus(half),
            end: start.plus(Timestamp::DAY - half),
        };
        assert!(before.count(day) > 0.0);
        assert_eq!(after.count(day), 0.0);
        let next = Window {
            start: day.end.plus(2 * half),
            end: day.end.plus(Timestamp::DAY),
        };
        assert_eq!(after.count(next), before.count(next));
        assert!(!clock::day_is_weekend(clock::Zone::Eastern.day(start)));
        assert_eq!(spells[0].announcement.is_some(), nth % 2 == 0);
    });
    let mut days = Vec::new();
    for number in 0..3 {
        let mut rng = chance::stream(9, "oddity holiday", "quietharbor", 0);
        let mut actor = actor(&kinds::Person, number);
        days.push(Holiday.apply(&mut actor, 1, scored(), &mut rng)[0].window);
    }
    assert!(days.iter().all(|day| *day == days[0]));
}

#[test]
fn a_gap_is_half_an_hour_of_loss_and_no_change_of_usage() {
    check(
        &CollectorGap,
        &kinds::Service,
        |before, after, spells, _| {
            assert_eq!(all(before), all(after));
            assert_eq!(after.lost, [spells[0].window]);
            assert_eq!(after.lost[0].width_millis(), 30 * Timestamp::MINUTE);
            assert!(scored().contains(after.lost[0].start));
        },
    );
}

#[test]
fn an_office_moves_to_the_network_that_is_announced() {
    check(&OfficeMove, &kinds::Person, |before, after, spells, nth| {
        assert_eq!(all(before), all(after));
        let announcement = &spells[0].announcement;
        assert_eq!(announcement.is_some(), nth % 2 == 0);
        if let Some(change) = announcement {
            assert_eq!(change.kind, "cidr_added");
            assert!(change.details["cidr"].as_str().unwrap().ends_with("/24"));
            assert_eq!(change.time, spells[0].window.start);
        }
    });
    assert!(!OfficeMove.suits(&actor(&kinds::Service, 2), scored().start));
}

#[test]
fn a_month_ends_with_twenty_times_the_mean() {
    check(
        &MonthEndBatch,
        &kinds::Service,
        |before, after, spells, nth| {
            let last = &spells[spells.len() - 1].window;
            let zone = before.zone;
            assert_eq!(clock::day_of_month(zone.day(last.start)), 31);
            let expected_spells = if nth % 2 == 0 { 1 } else { 2 };
            assert_eq!(spells.len(), expected_spells);
            let reported = before.key.grain.widened(*last);
            let extra = after.count(reported) - before.count(reported);
            let hours = last.width_millis() as f64 / Timestamp::HOUR as f64;
            let mean = before.mean_per_hour(before.exists.end);
            let times = extra / hours / mean;
            assert!((17.0..23.0).contains(&times), "{times}");
            assert_eq!(spells[0].announcement.is_some(), nth % 2 == 0);
        },
    );
}

#[test]
fn a_deploy_makes_requests_longer_and_the_client_newer() {
    check(&Deploy, &kinds::Service, |before, after, spells, _| {
        assert_eq!(before.batches, after.batches);
        let start = spells[0].window.start;
        let means = |actor: &Actor, time| actor.owner.tokens.means(time);
        let (input, output) = means(before, start);
        let (longer, more) = means(after, start);
        assert!((longer / input - 1.6).abs() < 1e-9);
        assert!((more / output - 1.6).abs() < 1e-9);
        let earlier = start.plus(-1);
        assert_eq!(means(before, earlier), means(after, earlier));
        let client = |time| after.owner.clients.at(time);
        assert_ne!(client(earlier), client(start));
    });
}

#[test]
fn a_rotation_moves_the_usage_to_a_key_of_the_same_owner() {
    check(
        &KeyRotation,
        &kinds::Service,
        |before, after, spells, nth| {
            let next = after.successor.as_ref().unwrap();
            assert_eq!(all(before), all(after) + all(next));
            assert!(all(next) > 0.0);
            assert_ne!(next.entry.key, before.entry.key);
            assert_ne!(next.key.uid, before.key.uid);
            let created = spells[0].window.start;
            assert_eq!(next.entry.created, Some(created));
            assert!(next.batches[0].time >= created);
            let settled = Window {
                start: created.plus(11 * Timestamp::HOUR),
                end: before.exists.end,
            };
            assert_eq!(after.count(settled), 0.0);
            let replaces = next.entry.replaces.as_deref();
            let expected = (nth % 2 == 0).then_some(before.entry.key.as_str());
            assert_eq!(replaces, expected);
            let change = spells[0].announcement.as_ref();
            assert_eq!(change.is_some(), nth % 2 == 0);
            assert!(change.is_none_or(|change| change.kind == "key_rotated"));
        },
    );
}

#[test]
fn a_key_is_new_only_if_it_is_made_in_the_scored_span() {
    let old = actor(&kinds::Service, 0);
    assert!(!NewKey.suits(&old, scored().start));
    let born = scored().start.plus(3 * Timestamp::DAY);
    let member = Member {
        kind: &kinds::Service,
        number: 1,
        account: "quietharbor".into(),
        vendors: Vec::new(),
        born: Some(born),
    };
    let mut new = Actor::make(9, &member, span());
    assert!(NewKey.suits(&new, scored().start));
    let mut rng = chance::stream(9, "oddity", "new_key", 0);
    let before = all(&new);
    let spells = NewKey.apply(&mut new, 0, scored(), &mut rng);
    assert_eq!(all(&new), before);
    assert_eq!(spells[0].window.start, born);
    assert!(new.batches.iter().all(|batch| batch.time >= born));
}
