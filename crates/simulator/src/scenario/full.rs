//! Every kind of key, abuse and oddity over five weeks; and a quarter of it.

use model::{Timestamp, Window};

use super::{QUIET_DAYS, START, Scenario, ScenarioInfo, scaled, span};
use crate::abuse::{self, Room};
use crate::chance::{self, Rng};
use crate::key::Member;
use crate::kinds;
use crate::oddity;
use crate::stage::{Casting, Script, Victims};

pub(super) const FULL: Scenario = Scenario {
    info: ScenarioInfo {
        name: "full",
        summary: "about 260 keys of all kinds over 35 days, 6 abuses of each type, legitimate oddities",
    },
    script: |seed, scale| script("full", seed, scale),
};

pub(super) const SMALL: Scenario = Scenario {
    info: ScenarioInfo {
        name: "small",
        summary: "a quarter of the keys, abuses and oddities of \"full\" over the same 35 days",
    },
    script: |seed, scale| script("small", seed, scale * 0.25),
};

const ACCOUNTS: [&str; 24] = [
    "amberquill",
    "bluefennel",
    "copperloom",
    "dustmeadow",
    "emberfold",
    "fernhollow",
    "glasspepper",
    "hollowkite",
    "ironthistle",
    "juniperlatch",
    "kelpmarrow",
    "lanternmoss",
    "mintgravel",
    "nettlebarge",
    "ochrepebble",
    "pinecandle",
    "quietharbor",
    "rustlemill",
    "saltbramble",
    "tinferry",
    "umberlark",
    "velvetreed",
    "willowspoke",
    "yarrowdeck",
];

pub(super) const VENDORS: [&str; 5] = [
    "logburrow",
    "promptshed",
    "evalorchard",
    "tracewillow",
    "keybarnacle",
];

fn script(scenario: &'static str, seed: u64, share: f64) -> Script {
    let span = span(35 * Timestamp::DAY);
    let scored = Window {
        start: START.plus(QUIET_DAYS * Timestamp::DAY),
        end: span.end,
    };
    let room = Room {
        starts: scored,
        end: span.end,
    };
    let members = kinds::ALL.iter().flat_map(|kind| {
        let numbers = 0..u64::from(scaled(kind.count(), share));
        numbers.map(move |number| {
            let mut rng = chance::stream(seed, "place", kind.name(), number);
            Member {
                kind: *kind,
                number,
                account: draw_account(&mut rng),
                vendors: draw_vendors(&mut rng),
                born: None,
            }
        })
    });
    Script {
        scenario,
        span,
        scored,
        members: members.collect(),
        abuses: abuse::ALL
            .iter()
            .map(|abuse| Casting {
                abuse: *abuse,
                victims: Victims::Any(scaled(abuse.count(), share)),
                room,
                group: None,
            })
            .collect(),
        oddities: oddity::ALL
            .iter()
            .map(|oddity| (*oddity, scaled(oddity.count(), share)))
            .collect(),
        changes: Vec::new(),
        counts_requests: false,
    }
}

/// Some tenants have many keys, most have a few.
pub(super) fn draw_account(rng: &mut Rng) -> String {
    let place = chance::log_between(rng, 1.0, ACCOUNTS.len() as f64 + 1.0) as usize;
    ACCOUNTS[(place - 1).min(ACCOUNTS.len() - 1)].to_owned()
}

pub(super) fn draw_vendors(rng: &mut Rng) -> Vec<String> {
    let chance_of_each = chance::pick(rng, &[0.0, 0.0, 0.2, 0.5]);
    let drawn = VENDORS
        .iter()
        .filter(|_| chance::happens(rng, chance_of_each));
    drawn.map(|vendor| (*vendor).to_owned()).collect()
}
