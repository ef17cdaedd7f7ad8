//! What happens to a key once in a while: it returns, it is new, it breaks a rule.

use model::{Metric, Nanos, Window};

use super::Case;
use super::volume::rises_over;
use crate::clock::start_of;
use crate::finding::{Finding, Round, Voice};
use crate::population::{Happening, Population};
use crate::signal::{DORMANCY_SHARE, Family, NEWBORN_SHARE, RULE_SHARE, Scale};
use crate::state::{NEWBORN_BUCKETS, State};
use crate::windows::Channel;

/// A new key that does what one of three does says nothing.
const ORDINARY_BIRTH: f64 = 0.3;

impl State {
    pub(super) fn judge_dormancy(&self, case: &Case<'_>, round: &mut Round) {
        let Some(returning) = self.returning(case.slot, case.bucket) else {
            return;
        };
        if case.open.tally.requests == 0 {
            return;
        }
        let requests = self
            .windows
            .hours_until(case.slot, Channel::Requests, case.bucket, 7);
        let rate = self.population.rate(Happening::Return);
        let episodes = rate * Population::returning_chance(requests as f64);
        // Where nothing is known of who calls, a return is no rarer than its size is for the key.
        let alone = if case.open.tally.with_address == 0 {
            let record = requests as f64 / case.prediction.highest_in(Scale::Hour).max(1.0);
            episodes.max(rate * rises_over(record))
        } else {
            episodes
        };
        let days = returning.silent_hours / 24;
        let finding = Finding {
            family: Family::Dormancy,
            signal: None,
            metric: Metric::Requests,
            window: Window {
                start: start_of(returning.bucket),
                end: start_of(case.bucket + 1),
            },
            observed: requests as f64,
            expected: 0.0,
            low: 0.0,
            high: 0.0,
            neg_ln_p: -episodes.ln(),
            size: 0.0,
            episodes_per_day: alone,
            share: DORMANCY_SHARE,
            note: Some(format!(
                "the key was silent for {days} days and has made {requests} requests since it returned"
            )),
        };
        round.add(finding, alone);
    }

    pub(super) fn judge_newborn(&self, case: &Case<'_>, round: &mut Round) {
        let Some(newborn) = self.newborns.get(&(case.slot as u32)) else {
            return;
        };
        if !newborn.is_birth || case.bucket - newborn.bucket >= NEWBORN_BUCKETS {
            return;
        }
        let (slot, bucket) = (case.slot, case.bucket);
        let requests = self.windows.hour_ending(slot, Channel::Requests, bucket);
        let cost = self.windows.hour_ending(slot, Channel::Cost, bucket);
        let dollars = cost as f64 / Nanos::USD as f64;
        let chance = self.population.busiest_chance(requests as f64, dollars);
        if case.open.tally.requests == 0 || chance > ORDINARY_BIRTH {
            return;
        }
        let episodes = self.population.rate(Happening::Birth) * chance;
        let finding = Finding {
            family: Family::Newborn,
            signal: None,
            metric: if cost > 0 {
                Metric::Cost
            } else {
                Metric::Requests
            },
            window: Scale::Hour.window(bucket, case.minute),
            observed: if cost > 0 { dollars } else { requests as f64 },
            expected: 0.0,
            low: 0.0,
            high: 0.0,
            neg_ln_p: -episodes.max(1e-300).ln(),
            size: 0.0,
            episodes_per_day: episodes.max(1e-300),
            share: NEWBORN_SHARE,
            note: Some(format!(
                "the key was first seen {} hours ago and makes {requests} requests for {dollars:.2} dollars an hour; one new key in {:.0} does as much",
                (bucket - newborn.bucket) / 6,
                1.0 / chance.max(1e-9)
            )),
        };
        round.add(finding, episodes);
    }

    /// What the inventory forbids.
    pub(super) fn judge_rules(&self, case: &Case<'_>, round: &mut Round) {
        let at = start_of(case.bucket + 1);
        if !case.directory.has_rules(case.entity, at) {
            return;
        }
        round.has_data(Voice::Rule);
        let Some((rule, breaking)) = case.open.tally.broken_rule() else {
            return;
        };
        // One stray call is a slip of configuration more often than a theft.
        let few = if breaking < 3 { 5.0 } else { 1.0 };
        let episodes = self.population.rate(Happening::BrokenRule) * few;
        let finding = Finding {
            family: Family::Rule,
            signal: None,
            metric: Metric::Requests,
            window: Scale::TenMinutes.window(case.bucket, case.minute),
            observed: breaking as f64,
            expected: 0.0,
            low: 0.0,
            high: 0.0,
            neg_ln_p: -episodes.ln(),
            size: 0.0,
            episodes_per_day: episodes,
            share: RULE_SHARE,
            note: Some(rule.to_string()),
        };
        round.add(finding, episodes);
    }
}
