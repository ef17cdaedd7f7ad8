//! Callers: from which networks and with which clients, and what they try out.

use model::Metric;

use super::{Case, Newness, judged_from};
use crate::calibration::Rarity;
use crate::finding::{Finding, Round, Voice};
use crate::signal::{Family, Scale, Signal};
use crate::state::State;
use crate::tail::neg_ln_sf_negative_binomial;
use crate::windows::Channel;

/// Strange requests, and their ratio to what is expected, from which they are an exceedance.
const STRANGE_REQUESTS: u64 = 3;
const STRANGE_RATIO: f64 = 0.1;

/// What it says beside a strange network that its client is new too, and that the familiar
/// callers go on beside it: how seldom that is so when a service moves.
const WITH_NEW_CLIENT: f64 = 0.2;
const BESIDE_THE_FAMILIAR: f64 = 0.3;

impl State {
    /// Requests from networks that are new to the key, against all that are expected.
    pub(super) fn judge_strange(&self, case: &Case<'_>, newness: &Newness, round: &mut Round) {
        if case.open.tally.with_address == 0
            || case.prediction.age_buckets < judged_from(Scale::Hour)
        {
            return;
        }
        round.has_data(Voice::Caller);
        for (signal, count, requests, slack) in [
            (
                Signal::Strange10m,
                newness.strange_bucket,
                Signal::Requests10m,
                2.0,
            ),
            (
                Signal::Strange1h,
                newness.strange_hour,
                Signal::Requests1h,
                3.0,
            ),
        ] {
            if case.prediction.grain > signal.scale().minutes() {
                continue;
            }
            let expected = case.prediction.count(requests).mean();
            let ratio = count as f64 / (expected + slack);
            if count < STRANGE_REQUESTS || ratio < STRANGE_RATIO {
                continue;
            }
            let rarity = strange_rarity(signal, ratio);
            let episodes = self.episodes(case, signal, rarity);
            let hour = self
                .windows
                .hour_ending(case.slot, Channel::Requests, case.bucket);
            let familiar = hour.saturating_sub(newness.strange_hour) as f64;
            let expected_hour = case.prediction.count(Signal::Requests1h).mean();
            let mut said = episodes;
            let new_client = !case.early
                && newness.new_client as f64 >= 0.5 * newness.strange_bucket.max(1) as f64;
            if new_client {
                said *= WITH_NEW_CLIENT;
            }
            if expected_hour >= 5.0 && familiar >= 0.6 * expected_hour {
                said *= BESIDE_THE_FAMILIAR;
            }
            let share =
                100.0 * newness.strange_bucket as f64 / case.open.tally.requests.max(1) as f64;
            let finding = Finding {
                family: Family::Caller,
                signal: Some(signal),
                metric: Metric::Requests,
                window: signal.scale().window(case.bucket, case.minute),
                observed: count as f64,
                expected: 0.0,
                low: 0.0,
                high: 0.0,
                neg_ln_p: rarity.nominal,
                size: rarity.size,
                episodes_per_day: said,
                share: signal.share(),
                note: Some(format!(
                    "{count} requests in {} come from networks that are new to this key ({share:.0} % of the last ten minutes){}",
                    signal.scale().words(),
                    if new_client {
                        ", with a client that is new to it"
                    } else {
                        ""
                    },
                )),
            };
            round.add(finding, said);
        }
    }

    /// Calls that are refused or only list what there is: somebody tries a key out.
    pub(super) fn judge_probing(&self, case: &Case<'_>, round: &mut Round) {
        round.has_data(Voice::Probing);
        let (probes, requests) = (case.open.tally.probes, case.open.tally.requests);
        if probes < 5
            || case.prediction.grain > 10
            || case.prediction.age_buckets < judged_from(Scale::TenMinutes)
        {
            return;
        }
        // What is usual of the key's usual volume, not of the volume that is judged.
        let usual = case
            .prediction
            .count(Signal::Requests10m)
            .mean()
            .min(requests as f64);
        let mean = f64::from(case.prediction.probing_share) * usual + 0.3;
        let rarity = Rarity {
            nominal: neg_ln_sf_negative_binomial(probes as f64, mean, 1.0),
            size: (probes as f64 / mean).ln(),
        };
        let signal = Signal::Probing;
        if rarity.nominal <= signal.threshold() {
            return;
        }
        let episodes = self.episodes(case, signal, rarity);
        let finding = Finding {
            family: Family::Probing,
            signal: Some(signal),
            metric: Metric::Requests,
            window: Scale::TenMinutes.window(case.bucket, case.minute),
            observed: probes as f64,
            expected: mean,
            low: 0.0,
            high: 3.0 * mean + 3.0,
            neg_ln_p: rarity.nominal,
            size: rarity.size,
            episodes_per_day: episodes,
            share: signal.share(),
            note: Some(format!(
                "{probes} of {requests} requests in ten minutes were refused or only listed models, {mean:.1} are usual"
            )),
        };
        round.add(finding, episodes);
    }
}

/// Returns how rare it is that strange networks make `ratio` times the expected requests: a
/// statistic that grows with the logarithm of the ratio, so that the exponential tail by which
/// it is calibrated is a power law of the ratio.
fn strange_rarity(signal: Signal, ratio: f64) -> Rarity {
    let above = (ratio / 0.3).ln().max(0.0);
    Rarity {
        nominal: signal.threshold() + 0.01 + 4.0 * above,
        size: ratio.max(0.01).ln(),
    }
}
