use super::*;
use crate::chance;
use crate::clock;
use crate::key::Member;
use crate::kinds::{self, Kind};

fn five_weeks() -> Window {
    let start = Timestamp::parse("2026-04-06T00:00:00Z").unwrap();
    Window {
        start,
        end: start.plus(35 * Timestamp::DAY),
    }
}

pub(super) fn room() -> Room {
    let end = five_weeks().end;
    let start = five_weeks().start.plus(21 * Timestamp::DAY);
    Room {
        starts: Window { start, end },
        end,
    }
}

pub(super) fn actor(kind: &'static dyn Kind, number: u64) -> Actor {
    made(kind, number, None)
}

/// Returns a key that is made in the scored span.
pub(super) fn born(kind: &'static dyn Kind, number: u64) -> Actor {
    let hours = clock::hours(30.0 + 9.0 * number as f64);
    made(kind, number, Some(room().starts.start.plus(hours)))
}

fn made(kind: &'static dyn Kind, number: u64, born: Option<Timestamp>) -> Actor {
    let member = Member {
        kind,
        number,
        account: "quietharbor".into(),
        vendors: Vec::new(),
        born,
    };
    Actor::make(9, &member, five_weeks())
}

/// Plans `abuse` on up to four suitable keys of `kind` and hands each to `assert`.
pub(super) fn check(abuse: &dyn Abuse, kind: &'static dyn Kind, assert: impl Fn(&Actor, &Plan)) {
    check_on(abuse, (0..24).map(|number| actor(kind, number)), assert);
}

/// Plans `abuse` on up to four suitable ones of `victims` and hands each to `assert`.
pub(super) fn check_on(
    abuse: &dyn Abuse,
    victims: impl Iterator<Item = Actor>,
    assert: impl Fn(&Actor, &Plan),
) {
    let mut planned = 0;
    for (number, victim) in victims.enumerate() {
        let mut rng = chance::stream(9, "abuse", abuse.name(), number as u64);
        if planned == 4 || !abuse.suits(&victim, room().starts.start) {
            continue;
        }
        if let Some(plan) = abuse.plan(&victim, &room(), &mut rng) {
            assert!(plan.batches.is_sorted_by_key(|batch| batch.time));
            assert!(plan.batches.first().unwrap().time >= room().starts.start);
            assert!(plan.batches.last().unwrap().time <= room().end);
            assert(&victim, &plan);
            planned += 1;
        }
    }
    assert!(planned >= 2, "{}: {planned}", abuse.name());
}

pub(super) fn requests(batches: &[Batch]) -> f64 {
    batches.iter().map(|batch| f64::from(batch.requests)).sum()
}

pub(super) fn extent(plan: &Plan) -> Window {
    Window {
        start: plan.batches.first().unwrap().time,
        end: plan.batches.last().unwrap().time.plus(1),
    }
}

pub(super) fn extent_hours(plan: &Plan) -> f64 {
    extent(plan).width_millis() as f64 / Timestamp::HOUR as f64
}

#[test]
fn smash_multiplies_the_mean() {
    check(&Smash::FULL, &kinds::Service, |victim, plan| {
        let mean = victim.mean_per_hour(extent(plan).start);
        let times = requests(&plan.batches) / extent_hours(plan).max(1.9) / mean;
        assert!(
            (0.6..1.6).contains(&(times / plan.intensity)),
            "{times} {}",
            plan.intensity
        );
    });
}

#[test]
fn moderate_and_low_and_slow_have_the_total_they_plan() {
    let total = |victim: &Actor, plan: &Plan| {
        let owner = victim.count(extent(plan));
        let times = (owner + requests(&plan.batches)) / owner;
        assert!(
            (0.75..1.35).contains(&(times / plan.intensity)),
            "{times} {}",
            plan.intensity
        );
    };
    check(&Moderate, &kinds::Service, total);
    check(&LowAndSlow, &kinds::Service, total);
}

#[test]
fn off_hours_abuse_never_runs_in_office_hours() {
    check(&OffHoursOnly, &kinds::Person, |victim, plan| {
        for batch in &plan.batches {
            assert!(off_hours_only::is_off_hours(victim.zone, batch.time));
        }
    });
}

#[test]
fn dormant_keys_wake_up_and_busy_keys_are_not_dormant() {
    check(&DormantReactivation, &kinds::Dormant, |_, plan| {
        let per_hour = requests(&plan.batches) / extent_hours(plan);
        assert!((10.0..1200.0).contains(&per_hour), "{per_hour}");
    });
    let time = room().starts.start;
    assert!(!DormantReactivation.suits(&actor(&kinds::Service, 0), time));
}

#[test]
fn a_model_shift_moves_requests_and_adds_none() {
    check(&ExpensiveModelShift, &kinds::Service, |victim, plan| {
        let left = plan.owner_left.as_ref().unwrap();
        let before = requests(&victim.batches);
        assert_eq!(requests(left) + requests(&plan.batches), before);
        assert_ne!(plan.caller.model, victim.owner.model);
        let (input, output) = victim.owner.tokens.means(extent(plan).start);
        let (more, longer) = plan.caller.tokens.means(extent(plan).start);
        let own = victim.owner.model.mean_cost(input, output, 800);
        let theirs = plan.caller.model.mean_cost(more, longer, 800);
        assert!((8.0..50.0).contains(&(theirs / own)), "{}", theirs / own);
    });
}

#[test]
fn a_room_keeps_what_fits_and_cuts_what_does_not() {
    let mut rng = chance::stream(1, "test", "room", 0);
    for hours in [2.0, 100.0, 336.0] {
        let window = room().place(clock::hours(hours), &mut rng);
        assert_eq!(window.width_millis(), clock::hours(hours));
        assert!(window.end <= room().end);
    }
    let window = room().place(clock::hours(1000.0), &mut rng);
    assert_eq!(
        (window.start, window.end),
        (room().starts.start, room().end)
    );
}
