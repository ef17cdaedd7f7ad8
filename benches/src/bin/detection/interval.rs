//! 95 % intervals of counts.

use simulator::{FalseAlerts, Interval};

/// The 97.5 % quantile of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// Returns an interval for the mean of a Poisson count, by Byar's approximation (Breslow and Day
/// 1987, formula 2.13): the one that the simulator gives rates.
fn poisson(count: u64) -> Interval {
    let limit = |count: f64, z: f64| {
        let root = 1.0 - 1.0 / (9.0 * count) + z / (3.0 * count.sqrt());
        count * root.powi(3)
    };
    let low = match count {
        0 => 0.0,
        _ => limit(count as f64, -Z).max(0.0),
    };
    (low, limit(count as f64 + 1.0, Z)).into()
}

/// Returns the rate of a count in some key-days, with its interval.
pub(crate) fn rate(count: u64, key_days: f64) -> FalseAlerts {
    let thousands = key_days / 1000.0;
    FalseAlerts {
        count,
        key_days,
        per_1000_key_days: match thousands > 0.0 {
            true => count as f64 / thousands,
            false => 0.0,
        },
        per_1000_key_days_interval: divided(poisson(count), thousands),
    }
}

/// Returns the interval with both ends divided by `divisor`; all of 0 where that is 0.
pub(crate) fn divided(interval: Interval, divisor: f64) -> Interval {
    if divisor > 0.0 {
        (interval.low / divisor, interval.high / divisor).into()
    } else {
        Interval::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::tests::{alert, labels};

    #[test]
    fn the_simulator_has_the_same_rate_and_interval() {
        for count in [0u64, 1, 7] {
            let names: Vec<String> = (0..10).map(|number| format!("key_{number}")).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let labels = labels(&names);
            let alerts = names[..count as usize].iter().map(|key| alert(key, 22.0));
            let row = simulator::evaluate(&labels, alerts).false_alerts;
            let ours = rate(count, row.key_days);
            let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{count}: {a} {b}");
            let interval = row.per_1000_key_days_interval;
            near(ours.per_1000_key_days, row.per_1000_key_days);
            near(ours.per_1000_key_days_interval.low, interval.low);
            near(ours.per_1000_key_days_interval.high, interval.high);
        }
    }

    #[test]
    fn no_time_has_no_rate() {
        assert_eq!(rate(0, 0.0), FalseAlerts::default());
    }
}
