//! What a detector is asked for, each at a size that can be told: theft from gross to barely
//! visible, and the ordinary events that look like it.
//!
//! The clocks go back on the 27th day of the run in the US, and a month ends on the 26th; in
//! Europe the clocks go back on the last day before scoring. A third of the services are
//! reported by the hour.

use model::{Timestamp, Window};

use super::full::{VENDORS, draw_account, draw_vendors};
use super::{QUIET_DAYS, Scenario, ScenarioInfo, scaled};
use crate::abuse::{self, Room, VendorBreach};
use crate::chance::{self, Rng};
use crate::clock;
use crate::key::Member;
use crate::kinds::{
    Ci, Dormant, HighVolume, HourlyService, Job, Kind, Person, Retired, Service, Sparse,
};
use crate::oddity;
use crate::stage::{Casting, Script, Victims};

pub(super) const GOALS: Scenario = Scenario {
    info: ScenarioInfo {
        name: "goals",
        summary: "about 260 keys over 35 days, abuses of known sizes from 1.3 to 100 times, controls of each",
    },
    script,
};

/// Monday, 2026-10-05, at midnight UTC.
const START: Timestamp = Timestamp::from_millis(1_791_158_400_000);

/// The kinds of keys and how many there are of each.
const KEYS: [(&dyn Kind, u32); 9] = [
    (&HighVolume, 8),
    (&Service, 47),
    (&HourlyService, 23),
    (&Person, 60),
    (&Job, 40),
    (&Ci, 25),
    (&Sparse, 38),
    (&Dormant, 14),
    (&Retired, 8),
];

/// Every so many keys of a kind one is made during the run.
const YOUNG_EVERY: u64 = 8;

fn script(seed: u64, scale: f64) -> Script {
    let span = Window {
        start: START,
        end: START.plus(35 * Timestamp::DAY),
    };
    let scored = Window {
        start: START.plus(QUIET_DAYS * Timestamp::DAY),
        end: span.end,
    };
    let members: Vec<_> = KEYS
        .iter()
        .flat_map(|(kind, count)| {
            let numbers = 0..u64::from(scaled(*count, scale));
            numbers.map(move |number| member(seed, *kind, number))
        })
        .collect();
    // What needs most of one vendor's keys comes first.
    let mut abuses = breaches(seed, scale, scored, &members);
    abuses.extend(abuse::GOALS.iter().map(|abuse| Casting {
        abuse: *abuse,
        victims: Victims::Any(scaled(abuse.count(), scale)),
        room: Room {
            starts: scored,
            // Time to be noticed in.
            end: span.end.plus(-Timestamp::HOUR),
        },
        group: None,
    }));
    Script {
        scenario: "goals",
        span,
        scored,
        members,
        abuses,
        oddities: oddity::GOALS
            .iter()
            .map(|oddity| (*oddity, scaled(oddity.count(), scale)))
            .collect(),
        changes: Vec::new(),
        counts_requests: true,
    }
}

fn member(seed: u64, kind: &'static dyn Kind, number: u64) -> Member {
    let mut rng = chance::stream(seed, "place", kind.name(), number);
    Member {
        kind,
        number,
        account: draw_account(&mut rng),
        vendors: draw_vendors(&mut rng),
        born: draw_birth(kind, number, &mut rng),
    }
}

/// Every eighth key that anybody uses is made during the run, two of three in the scored
/// span: the young keys by which other young ones are judged, and those that are judged.
fn draw_birth(kind: &dyn Kind, number: u64, rng: &mut Rng) -> Option<Timestamp> {
    let is_used = !["high_volume", "dormant", "retired"].contains(&kind.name());
    let days = if (number / YOUNG_EVERY) % 3 < 2 {
        chance::between(rng, QUIET_DAYS as f64 + 0.5, 33.5)
    } else {
        chance::between(rng, 3.0, QUIET_DAYS as f64 - 2.0)
    };
    let born = START
        .plus(clock::hours(days * 24.0))
        .floor_to(Timestamp::MINUTE);
    (is_used && number % YOUNG_EVERY == 5).then_some(born)
}

/// One breach for each time the size of the run, of the vendors with the most keys first,
/// each in an hour of a working day when most owners are at work.
fn breaches(seed: u64, scale: f64, scored: Window, members: &[Member]) -> Vec<Casting> {
    let stored = |vendor: &str| {
        let stores = |member: &&Member| member.vendors.iter().any(|name| name == vendor);
        members.iter().filter(stores).count()
    };
    let mut vendors = VENDORS;
    vendors.sort_by_key(|vendor| std::cmp::Reverse(stored(vendor)));
    let count = scaled(1, scale) as usize;
    let breach = |(nth, vendor): (u64, &'static str)| {
        let mut rng = chance::stream(seed, "breach", vendor, nth);
        let week = chance::pick(&mut rng, &[0, 7]);
        let day = week + chance::pick(&mut rng, &[0, 1, 2, 3, 4]);
        let hour = chance::between(&mut rng, 14.0, 19.0);
        let start = scored.start.plus(day * Timestamp::DAY + clock::hours(hour));
        Casting {
            abuse: &VendorBreach,
            victims: Victims::StoredWith(vendor),
            room: Room {
                starts: Window {
                    start,
                    end: start.plus(5 * Timestamp::MINUTE),
                },
                end: start.plus(2 * Timestamp::HOUR),
            },
            group: Some(vendor.to_owned()),
        }
    };
    (0..).zip(vendors).take(count).map(breach).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Zone;

    #[test]
    fn it_begins_on_a_monday_and_the_clocks_change_in_the_scored_span() {
        assert_eq!(START.to_string(), "2026-10-05T00:00:00.000Z");
        assert_eq!(clock::weekday(START.millis() / Timestamp::DAY), 0);
        let scored = script(1, 0.1).scored;
        let noon = 12 * Timestamp::HOUR;
        let offset = |time: Timestamp| Zone::Eastern.hour(time.plus(noon));
        assert_eq!(offset(scored.start), 8.0);
        assert_eq!(offset(scored.end.plus(-Timestamp::DAY)), 7.0);
    }

    #[test]
    fn about_260_keys_and_some_are_made_in_the_scored_span() {
        let script = script(1, 1.0);
        assert!((250..=270).contains(&script.members.len()));
        let births = script.members.iter().filter_map(|member| member.born);
        let (new, young): (Vec<_>, Vec<_>) = births.partition(|born| script.scored.contains(*born));
        assert!(new.len() >= 12, "{}", new.len());
        assert!(young.len() >= 6, "{}", young.len());
        assert!(young.iter().all(|born| *born < script.scored.start));
    }

    #[test]
    fn a_breach_is_of_a_vendor_with_many_keys_on_a_working_day() {
        for seed in 0..10 {
            let script = script(seed, 2.0);
            let groups: Vec<_> = script
                .abuses
                .iter()
                .filter_map(|casting| casting.group.clone())
                .collect();
            assert_eq!(groups.len(), 2);
            assert_ne!(groups[0], groups[1]);
            let start = script.abuses[0].room.starts.start;
            assert!(script.scored.contains(start));
            assert!(!Zone::Eastern.is_weekend(start));
        }
    }
}
