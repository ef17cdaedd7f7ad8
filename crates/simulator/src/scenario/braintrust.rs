//! The story of the demo, after the incident of 4 May 2026: a vendor's cloud account was
//! broken into, and customers' keys that were stored there were used.
//!
//! Forty keys of twelve invented tenants live four ordinary weeks. Then one tenant is hit
//! hard, three see a spike on one key each, and the others notice nothing.

use std::collections::BTreeMap;

use model::{Change, Timestamp, Window};
use serde_json::json;

use super::{QUIET_DAYS, START, Scenario, ScenarioInfo, span};
use crate::abuse::{Abuse, Room, Smash};
use crate::key::Member;
use crate::kinds::{Ci, Dormant, HighVolume, Job, Kind, Person, Service, Sparse};
use crate::stage::{Casting, Script, Victims};

pub(super) const BRAINTRUST: Scenario = Scenario {
    info: ScenarioInfo {
        name: "braintrust",
        summary: "40 keys of 12 tenants; after four weeks a vendor that stores keys is breached",
    },
    script: |_, scale| script(scale),
};

const VENDOR: &str = "braintrust";

/// 2026-05-04T03:00Z.
const BREACH: Timestamp = START.plus(28 * Timestamp::DAY + 3 * Timestamp::HOUR);

/// 2026-05-04T18:00Z, some hours after the last abuse.
const END: i64 = 28 * Timestamp::DAY + 18 * Timestamp::HOUR;

/// 2026-05-05T09:00Z, when the vendor writes to its customers.
const NOTICE: Timestamp = START.plus(29 * Timestamp::DAY + 9 * Timestamp::HOUR);

/// The tenant that is hit hard: everything it had, on a dear model.
const HIT: Smash = Smash {
    name: "smash",
    times: (20.0, 60.0),
    least_per_hour: 600.0,
    hours: (4.0, 9.0),
    dear: 1.0,
};

/// What three others see.
const SPIKE: Smash = Smash {
    name: "spike",
    times: (5.0, 15.0),
    least_per_hour: 150.0,
    hours: (2.0, 6.0),
    dear: 0.4,
};

/// A key: its kind, whether the vendor stores it, and what happens to it how many minutes
/// after the breach.
type Key = (&'static dyn Kind, bool, Option<(&'static dyn Abuse, i64)>);

const fn quiet(kind: &'static dyn Kind) -> Key {
    (kind, true, None)
}

const fn elsewhere(kind: &'static dyn Kind) -> Key {
    (kind, false, None)
}

const fn hit(kind: &'static dyn Kind, minutes: i64) -> Key {
    (kind, true, Some((&HIT, minutes)))
}

const fn spike(kind: &'static dyn Kind, minutes: i64) -> Key {
    (kind, true, Some((&SPIKE, minutes)))
}

/// The tenants and their keys.
const ROSTER: [(&str, &[Key]); 12] = [
    (
        "amberquill",
        &[
            hit(&HighVolume, 0),
            hit(&Service, 4),
            hit(&Service, 11),
            hit(&Person, 19),
            elsewhere(&Job),
        ],
    ),
    (
        "bluefennel",
        &[spike(&Service, 47), quiet(&Person), quiet(&Ci)],
    ),
    (
        "copperloom",
        &[spike(&Service, 85), quiet(&Person), elsewhere(&Service)],
    ),
    (
        "dustmeadow",
        &[spike(&Service, 128), quiet(&Job), quiet(&Sparse)],
    ),
    (
        "emberfold",
        &[
            quiet(&HighVolume),
            quiet(&Service),
            quiet(&Person),
            quiet(&Ci),
        ],
    ),
    (
        "fernhollow",
        &[quiet(&Service), quiet(&Person), quiet(&Dormant)],
    ),
    (
        "glasspepper",
        &[quiet(&Service), quiet(&Job), quiet(&Person)],
    ),
    (
        "hollowkite",
        &[quiet(&Person), quiet(&Person), quiet(&Sparse)],
    ),
    (
        "ironthistle",
        &[elsewhere(&Service), elsewhere(&Person), elsewhere(&Job)],
    ),
    (
        "juniperlatch",
        &[quiet(&Service), quiet(&Ci), quiet(&Dormant)],
    ),
    (
        "kelpmarrow",
        &[quiet(&Service), quiet(&Job), elsewhere(&Person)],
    ),
    (
        "lanternmoss",
        &[
            quiet(&Service),
            elsewhere(&Ci),
            quiet(&Person),
            quiet(&Sparse),
        ],
    ),
];

fn script(scale: f64) -> Script {
    let span = span(END);
    let mut members: Vec<Member> = Vec::new();
    let mut abuses = Vec::new();
    for (account, (kind, stored, event)) in cast(scale) {
        if let Some((abuse, minutes)) = event {
            let start = BREACH.plus(minutes * Timestamp::MINUTE);
            abuses.push(Casting {
                abuse,
                victims: Victims::Member(members.len()),
                room: Room {
                    starts: Window { start, end: start },
                    end: span.end,
                },
                group: None,
            });
        }
        let sisters = members
            .iter()
            .filter(|member| member.kind.name() == kind.name());
        members.push(Member {
            kind,
            number: sisters.count() as u64,
            account: account.to_owned(),
            vendors: if stored {
                vec![VENDOR.to_owned()]
            } else {
                Vec::new()
            },
            born: None,
        });
    }
    Script {
        scenario: "braintrust",
        span,
        scored: Window {
            start: START.plus(QUIET_DAYS * Timestamp::DAY),
            end: span.end,
        },
        members,
        abuses,
        oddities: Vec::new(),
        changes: vec![notice()],
        counts_requests: false,
    }
}

/// Returns the roster, with the keys to which nothing happens repeated or cut to `scale`.
fn cast(scale: f64) -> Vec<(&'static str, Key)> {
    let keys = ROSTER
        .iter()
        .flat_map(|(account, keys)| keys.iter().map(move |key| (*account, *key)));
    let (hit, quiet): (Vec<_>, Vec<_>) = keys.partition(|(_, (_, _, event))| event.is_some());
    let wanted = (quiet.len() as f64 * scale).round() as usize;
    let quiet = quiet.into_iter().cycle().take(wanted);
    hit.into_iter().chain(quiet).collect()
}

fn notice() -> Change {
    let known_from = BREACH.floor_to(Timestamp::DAY);
    Change {
        time: NOTICE,
        kind: "vendor_notice".into(),
        key: None,
        account: None,
        details: BTreeMap::from([
            ("vendor".to_owned(), json!(VENDOR)),
            ("exposed_from".to_owned(), json!(known_from)),
            ("exposed_until".to_owned(), json!(NOTICE)),
            (
                "advice".to_owned(),
                json!("rotate every key stored with us"),
            ),
        ]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_moments_are_those_of_the_story() {
        assert_eq!(BREACH.to_string(), "2026-05-04T03:00:00.000Z");
        assert_eq!(START.plus(END).to_string(), "2026-05-04T18:00:00.000Z");
        assert_eq!(NOTICE.to_string(), "2026-05-05T09:00:00.000Z");
    }

    #[test]
    fn forty_keys_of_twelve_tenants_and_scale_never_drops_a_victim() {
        assert_eq!(cast(1.0).len(), 40);
        let victims = |scale| {
            cast(scale)
                .iter()
                .filter(|(_, key)| key.2.is_some())
                .count()
        };
        assert_eq!([victims(1.0), victims(0.01), victims(3.0)], [7, 7, 7]);
        assert_eq!(cast(2.0).len(), 7 + 66);
    }
}
