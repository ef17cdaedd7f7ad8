//! The scenarios. A new one is a file here and a line in [`ALL`].

mod braintrust;
mod full;
mod goals;

use model::{Timestamp, Window};

use crate::stage::Script;

/// What is known of a scenario by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScenarioInfo {
    /// The name that `simulate` takes.
    pub name: &'static str,
    /// What it is, in one line.
    pub summary: &'static str,
}

/// A scenario and the script it makes of a seed and a scale.
pub(crate) struct Scenario {
    pub(crate) info: ScenarioInfo,
    pub(crate) script: fn(seed: u64, scale: f64) -> Script,
}

const INFOS: [ScenarioInfo; 4] = [
    full::FULL.info,
    full::SMALL.info,
    braintrust::BRAINTRUST.info,
    goals::GOALS.info,
];

/// Every scenario.
pub(crate) const ALL: [&Scenario; 4] = [
    &full::FULL,
    &full::SMALL,
    &braintrust::BRAINTRUST,
    &goals::GOALS,
];

/// Returns every scenario that [`simulate`](crate::simulate) knows.
pub fn scenarios() -> &'static [ScenarioInfo] {
    &INFOS
}

/// Runs begin on Monday, 2026-04-06, at midnight UTC, unless they say otherwise.
const START: Timestamp = Timestamp::from_millis(1_775_433_600_000);

/// Nothing is abused and nothing is scored in the first three weeks.
const QUIET_DAYS: i64 = 21;

/// Returns the span from the start to `millis` after it.
const fn span(millis: i64) -> Window {
    Window {
        start: START,
        end: START.plus(millis),
    }
}

/// Returns `count` times `factor`, rounded, and at least 1.
fn scaled(count: u32, factor: f64) -> u32 {
    ((f64::from(count) * factor).round() as u32).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn runs_begin_on_a_monday() {
        assert_eq!(START.to_string(), "2026-04-06T00:00:00.000Z");
        assert_eq!(clock::weekday(START.millis() / Timestamp::DAY), 0);
    }

    #[test]
    fn names_are_distinct_and_listed() {
        let names: std::collections::BTreeSet<_> = scenarios().iter().map(|s| s.name).collect();
        assert_eq!(names.len(), ALL.len());
        for name in ["full", "small", "braintrust", "goals"] {
            assert!(names.contains(name), "{name}");
        }
    }
}
