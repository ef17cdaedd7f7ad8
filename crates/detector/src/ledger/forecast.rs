//! What a ledger's past says of one of its periods.
//!
//! Amounts are log-normal around level × season × growth, so the logarithm of an amount is
//! compared with what earlier ones predict, by Student's t: few periods make a wide band. A
//! period without any amount says nothing of how large one is; to leave it out errs on the side
//! of silence.

use super::grain::Grain;
use crate::clock::month_edge;
use crate::tail::student_sf;

/// Evidence halves in so many days, by grain.
const HALF_LIFE_DAYS: [f64; 2] = [5.0, 21.0];
/// Fewer amounts than this say too little.
const LEAST_PERIODS: [usize; 2] = [48, 8];
/// The prior of the growth a day: none, with this deviation; and its bound.
const GROWTH_DEVIATION: f64 = 0.01;
const LARGEST_GROWTH: f64 = 0.03;
/// The prior of the effect of an hour or weekday: none, with about this deviation.
const SEASON_DEVIATION: f64 = 0.5;
/// The deviation of the logarithm before anything is known, its weight in periods, and the
/// least that is believed.
const PRIOR_DEVIATION: f64 = 0.3;
const PRIOR_PERIODS: f64 = 3.0;
const LEAST_DEVIATION: f64 = 0.08;
/// Residuals beyond so many deviations count as so many: one odd day is no new level.
const WINSORIZED_AT: f64 = 2.5;
const PASSES: usize = 4;
/// The season's bins: hours of a working day and of a weekend day, or weekdays.
const BINS: usize = 48;

/// Returns how many periods with an amount a ledger is judged from.
pub(crate) const fn least_periods(grain: Grain) -> usize {
    LEAST_PERIODS[grain as usize]
}

/// One earlier period with an amount.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Past {
    pub(crate) period: i64,
    pub(crate) nanos: i64,
    /// Whether it teaches what is usual; one that was an alert only says what months do.
    pub(crate) teaches: bool,
}

/// What is expected of one period.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Forecast {
    /// Mean and deviation of the logarithm of nano-dollars, and the degrees of freedom.
    mean: f64,
    deviation: f64,
    freedom: f64,
    /// The deviation of the ledger's own residuals.
    pub(crate) scatter: f64,
    /// How many periods it rests on, and the largest amount of them.
    pub(crate) periods: usize,
    pub(crate) most: i64,
}

impl Forecast {
    /// Returns what `past`, in order of time, says of a period; `None` where it is too little.
    pub(crate) fn of(past: &[Past], period: i64, grain: Grain) -> Option<Self> {
        let taught: Vec<&Past> = past.iter().filter(|past| past.teaches).collect();
        if taught.len() < LEAST_PERIODS[grain as usize] {
            return None;
        }
        let half_life = HALF_LIFE_DAYS[grain as usize];
        // Days before the judged period, negative; what lies at 0 is predicted.
        let day = |of: i64| (of - period) as f64 * grain.days();
        let points: Vec<Point> = taught
            .iter()
            .map(|past| Point {
                day: day(past.period),
                ln: (past.nanos as f64).ln(),
                weight: 0.5f64.powf(-day(past.period) / half_life),
                bin: grain.bin(past.period),
            })
            .collect();
        let fit = Fit::of(&points);
        let freedom = fit.freedom() + PRIOR_PERIODS;
        let bin = grain.bin(period);
        let variance = fit.scatter.powi(2)
            * (1.0 + fit.level_variance + 1.0 / (fit.bin_weight[bin] + fit.season_prior()));
        let month = match grain {
            Grain::Day => month_effect(past, period, |past| {
                (past.nanos as f64).ln() - fit.at(day(past.period), grain.bin(past.period))
            }),
            Grain::Hour => 0.0,
        };
        Some(Self {
            mean: fit.at(0.0, bin) + month,
            deviation: variance.sqrt(),
            freedom,
            scatter: fit.scatter,
            periods: taught.len(),
            most: taught.iter().map(|past| past.nanos).max().unwrap_or(0),
        })
    }

    /// Returns the forecast of `factor` times as much.
    pub(crate) fn times(self, factor: f64) -> Self {
        Self {
            mean: self.mean + factor.ln(),
            ..self
        }
    }

    /// Returns the median, in nano-dollars.
    pub(crate) fn expected(&self) -> f64 {
        self.mean.exp()
    }

    /// Returns the range that holds 99 of 100 periods.
    pub(crate) fn band(&self) -> (f64, f64) {
        let spread = 2.576 * self.deviation;
        ((self.mean - spread).exp(), (self.mean + spread).exp())
    }

    /// Returns the negative logarithm of the chance of as much or more; 0 up to the expected.
    pub(crate) fn rarity(&self, nanos: i64) -> f64 {
        if nanos <= 0 || (nanos as f64) <= self.expected() {
            return 0.0;
        }
        let t = ((nanos as f64).ln() - self.mean) / self.deviation;
        -student_sf(t, self.freedom).max(1e-300).ln()
    }
}

#[derive(Clone, Copy, Debug)]
struct Point {
    day: f64,
    ln: f64,
    weight: f64,
    bin: usize,
}

/// Level, growth and season of the logarithms.
struct Fit {
    level: f64,
    growth: f64,
    season: [f64; BINS],
    bin_weight: [f64; BINS],
    scatter: f64,
    weight: f64,
    /// The variance of the level at day 0, in those of one period.
    level_variance: f64,
}

impl Fit {
    /// Fits by turns season, then level and growth (weighted ridge regression), then scatter,
    /// residuals winsorized by the scatter of the pass before.
    fn of(points: &[Point]) -> Self {
        let mut sorted: Vec<f64> = points.iter().map(|point| point.ln).collect();
        sorted.sort_by(f64::total_cmp);
        let median = sorted[sorted.len() / 2];
        let mut away: Vec<f64> = sorted.iter().map(|ln| (ln - median).abs()).collect();
        away.sort_by(f64::total_cmp);
        let mut fit = Self {
            level: median,
            growth: 0.0,
            season: [0.0; BINS],
            bin_weight: [0.0; BINS],
            scatter: (1.483 * away[away.len() / 2]).max(LEAST_DEVIATION),
            weight: points.iter().map(|point| point.weight).sum(),
            level_variance: 0.0,
        };
        for point in points {
            fit.bin_weight[point.bin] += point.weight;
        }
        for _ in 0..PASSES {
            fit.fit_season(points);
            fit.fit_line(points);
            fit.fit_scatter(points);
        }
        fit
    }

    fn at(&self, day: f64, bin: usize) -> f64 {
        self.level + self.growth * day + self.season[bin]
    }

    /// Returns a residual, winsorized.
    fn residual(&self, point: &Point) -> f64 {
        let bound = WINSORIZED_AT * self.scatter;
        (point.ln - self.at(point.day, point.bin)).clamp(-bound, bound)
    }

    /// Returns the periods that the prior of a season's effect is worth: one at least, and the
    /// more a ledger scatters, the more it takes to believe one.
    fn season_prior(&self) -> f64 {
        1.0 + (self.scatter / SEASON_DEVIATION).powi(2)
    }

    /// Returns the periods of evidence that level, growth and season leave over.
    fn freedom(&self) -> f64 {
        let prior = self.season_prior();
        let season: f64 = self
            .bin_weight
            .iter()
            .map(|weight| weight / (weight + prior))
            .sum();
        (self.weight - 2.0 - season).max(0.0)
    }

    fn fit_season(&mut self, points: &[Point]) {
        let prior = self.season_prior();
        let mut sums = [0.0; BINS];
        for point in points {
            sums[point.bin] += point.weight * (self.residual(point) + self.season[point.bin]);
        }
        for ((season, sum), weight) in self.season.iter_mut().zip(sums).zip(self.bin_weight) {
            *season = sum / (weight + prior);
        }
    }

    fn fit_line(&mut self, points: &[Point]) {
        let (mut days, mut squares, mut sum, mut product) = (0.0, 0.0, 0.0, 0.0);
        for point in points {
            let residual = self.residual(point);
            days += point.weight * point.day;
            squares += point.weight * point.day * point.day;
            sum += point.weight * residual;
            product += point.weight * point.day * residual;
        }
        // The prior says that growth is near none, whatever it was taken for before.
        let ridge = (self.scatter / GROWTH_DEVIATION).powi(2);
        product -= ridge * self.growth;
        squares += ridge;
        let determinant = self.weight * squares - days * days;
        self.level += (squares * sum - days * product) / determinant;
        self.growth += (self.weight * product - days * sum) / determinant;
        self.growth = self.growth.clamp(-LARGEST_GROWTH, LARGEST_GROWTH);
        self.level_variance = squares / determinant;
    }

    fn fit_scatter(&mut self, points: &[Point]) {
        let squares: f64 = points
            .iter()
            .map(|point| point.weight * self.residual(point).powi(2))
            .sum();
        let prior = PRIOR_PERIODS * PRIOR_DEVIATION * PRIOR_DEVIATION;
        let variance = (squares + prior) / (self.freedom() + PRIOR_PERIODS);
        self.scatter = variance.sqrt().max(LEAST_DEVIATION);
    }
}

/// Returns what the ends of months add to a day: what both of the last two ends have shown
/// there, give or take a day. It is believed from the second time on.
fn month_effect(past: &[Past], day: i64, residual: impl Fn(&Past) -> f64) -> f64 {
    let Some((_, place)) = month_edge(day) else {
        return 0.0;
    };
    let mut ends: Vec<(i64, f64)> = Vec::new();
    for past in past {
        let Some((end, there)) = month_edge(past.period) else {
            continue;
        };
        if (there - place).abs() > 1 {
            continue;
        }
        let residual = residual(past);
        match ends.last_mut() {
            Some((known, most)) if *known == end => *most = most.max(residual),
            _ => ends.push((end, residual)),
        }
    }
    match ends.as_slice() {
        [.., (_, one), (_, other)] => one.min(*other).max(0.0),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten weeks of dollars by day before day 20,000, a Friday.
    fn past(amount: impl Fn(i64) -> f64) -> Vec<Past> {
        (19_930..20_000)
            .map(|period| Past {
                period,
                nanos: (amount(period) * 1e9) as i64,
                teaches: true,
            })
            .collect()
    }

    fn forecast(amount: impl Fn(i64) -> f64, period: i64) -> Forecast {
        Forecast::of(&past(amount), period, Grain::Day).expect("ten weeks are enough")
    }

    fn wobble(period: i64) -> f64 {
        1.0 + 0.1 * ((period * 7919 % 13) as f64 / 6.5 - 1.0)
    }

    #[test]
    fn the_usual_is_expected_and_a_multiple_of_it_is_rare() {
        let steady = forecast(|period| 100.0 * wobble(period), 20_002);
        assert!((steady.expected() / 100e9 - 1.0).abs() < 0.1);
        assert!(steady.rarity(115_000_000_000) < 4.0);
        assert!(steady.rarity(300_000_000_000) > 9.0);
        assert_eq!(steady.rarity(50_000_000_000), 0.0);
    }

    #[test]
    fn weekends_and_growth_are_followed() {
        let week = |period: i64| if (period + 3) % 7 >= 5 { 10.0 } else { 100.0 };
        let of = |period| forecast(week, period).expected() / 1e9;
        // Day 20,002 is a Sunday, the next a Monday.
        assert!(of(20_002) < 25.0, "{}", of(20_002));
        assert!((of(20_003) / 100.0 - 1.0).abs() < 0.3, "{}", of(20_003));
        let growing = forecast(|period| 1.02f64.powi((period - 19_930) as i32), 20_002);
        let wanted = 1.02f64.powi(72);
        assert!((growing.expected() / 1e9 / wanted - 1.0).abs() < 0.15);
    }

    #[test]
    fn the_end_of_a_month_is_believed_from_the_second_time_on() {
        // Days before the first of a month, as the clock says it.
        let last = |period: i64| matches!(month_edge(period), Some((_, -1)));
        let ends = |period| {
            if last(period) {
                500.0
            } else {
                100.0 * wobble(period)
            }
        };
        let next = (20_000..20_040).find(|&day| last(day)).expect("months end");
        let all: Vec<Past> = past(ends)
            .into_iter()
            .chain((20_000..next - 2).map(|period| Past {
                period,
                nanos: (ends(period) * 1e9) as i64,
                teaches: true,
            }))
            .collect();
        let at = |past: &[Past]| {
            let forecast = Forecast::of(past, next, Grain::Day).expect("weeks are enough");
            forecast.rarity(500_000_000_000)
        };
        let recent: Vec<Past> = all
            .iter()
            .copied()
            .filter(|past| past.period > next - 45)
            .collect();
        assert!(at(&recent) > 5.0, "{}", at(&recent));
        assert!(at(&all) < 3.0, "{}", at(&all));
    }
}
