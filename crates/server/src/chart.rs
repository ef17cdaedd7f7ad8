//! Geometry of the chart: observed bars against the expected band, as SVG coordinates.
//!
//! Everything is finite and inside the view box, whatever an alert holds; the template only
//! writes it down.

use model::{Alert, Metric, SeriesPoint, Timestamp};

use crate::format::{
    amount, clock, day, finite, grouped, moment, noun, number, short_moment, visible,
};

/// Points drawn, the newest; a month of hours.
const POINTS_MAX: usize = 744;

/// How large a chart is drawn. Two sizes, because text inside a scaled SVG scales with it and
/// could not be read on a phone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) name: &'static str,
    pub(crate) width: f64,
    pub(crate) height: f64,
    left: f64,
    time_ticks_max: i64,
}

impl Size {
    pub(crate) const WIDE: Size = Size {
        name: "wide",
        width: 1_000.0,
        height: 260.0,
        left: 62.0,
        time_ticks_max: 9,
    };
    pub(crate) const NARROW: Size = Size {
        name: "narrow",
        width: 340.0,
        height: 220.0,
        left: 48.0,
        time_ticks_max: 4,
    };
}

const TOP: f64 = 22.0;
const RIGHT: f64 = 12.0;
const BOTTOM: f64 = 26.0;

/// One bar: what was seen in one window.
#[derive(Clone, Debug)]
pub(crate) struct Bar {
    pub(crate) x: String,
    pub(crate) y: String,
    pub(crate) width: String,
    pub(crate) height: String,
    /// Whether it stands above the expected band.
    pub(crate) above: bool,
    pub(crate) tip: String,
}

/// A mark on an axis.
#[derive(Clone, Debug)]
pub(crate) struct Tick {
    pub(crate) at: String,
    pub(crate) label: String,
}

/// A chart ready to be written down.
#[derive(Clone, Debug)]
pub(crate) struct Chart {
    pub(crate) name: &'static str,
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) left: String,
    pub(crate) right: String,
    pub(crate) top: String,
    pub(crate) bottom: String,
    pub(crate) tick_label_x: String,
    pub(crate) tick_label_y: String,
    /// The outline of the expected band.
    pub(crate) band: String,
    /// The line of the expected value.
    pub(crate) expected: String,
    pub(crate) bars: Vec<Bar>,
    pub(crate) window_x: String,
    pub(crate) window_width: String,
    pub(crate) plot_height: String,
    pub(crate) peak_x: String,
    pub(crate) peak_y: String,
    pub(crate) peak_anchor: &'static str,
    pub(crate) peak_label: String,
    pub(crate) values: Vec<Tick>,
    pub(crate) times: Vec<Tick>,
    pub(crate) title: String,
    pub(crate) description: String,
}

/// Maps time and value to coordinates.
struct Scale {
    start: f64,
    end: f64,
    top_value: f64,
    size: Size,
}

impl Scale {
    fn x(&self, time: Timestamp) -> f64 {
        let share = (time.millis() as f64 - self.start) / (self.end - self.start);
        let plot = self.size.width - self.size.left - RIGHT;
        self.size.left + finite(share).clamp(0.0, 1.0) * plot
    }

    fn y(&self, value: f64) -> f64 {
        let share = (value / self.top_value).clamp(0.0, 1.0);
        let plot = self.size.height - TOP - BOTTOM;
        self.size.height - BOTTOM - finite(share) * plot
    }
}

impl Chart {
    /// Draws the series of an alert, or `None` if there is none.
    pub(crate) fn of(alert: &Alert, size: Size) -> Option<Self> {
        let points = drawable(&alert.series);
        let (first, last) = (points.first()?, points.last()?);
        let peak = points
            .iter()
            .max_by(|one, other| one.observed.total_cmp(&other.observed))?;
        let highest = points.iter().fold(0.0_f64, |top, point| {
            top.max(point.observed).max(point.high)
        });
        let step = value_step(highest);
        let scale = Scale {
            start: first.start.millis() as f64,
            end: last.end.millis() as f64,
            top_value: step * (highest / step).ceil().max(1.0),
            size,
        };
        let window = (scale.x(alert.window_start), scale.x(alert.window_end));
        let peak_x = (scale.x(peak.start) + scale.x(peak.end)) / 2.0;
        let metric = alert.metric;
        Some(Self {
            name: size.name,
            width: size.width,
            height: size.height,
            left: coordinate(size.left),
            right: coordinate(size.width - RIGHT),
            top: coordinate(TOP),
            bottom: coordinate(size.height - BOTTOM),
            tick_label_x: coordinate(size.left - 8.0),
            tick_label_y: coordinate(size.height - BOTTOM + 17.0),
            band: band(&points, &scale),
            expected: stairs(&points, &scale, |point| point.expected),
            bars: points
                .iter()
                .map(|point| bar(point, &scale, metric))
                .collect(),
            window_x: coordinate(window.0),
            window_width: coordinate((window.1 - window.0).max(1.0).min(size.width - window.0)),
            plot_height: coordinate(size.height - TOP - BOTTOM),
            peak_x: coordinate(peak_x),
            peak_y: coordinate((scale.y(peak.observed) - 7.0).max(12.0)),
            peak_anchor: anchor(peak_x, size),
            peak_label: amount(alert.metric, peak.observed),
            values: value_ticks(&scale, step, metric),
            times: time_ticks(&scale),
            title: format!(
                "{} of key {} over time",
                noun(metric),
                visible(&alert.name())
            ),
            description: description(alert, &points, peak),
        })
    }
}

/// Keeps what can be drawn: windows that end after they start, in order, with values that are
/// numbers and not negative.
fn drawable(series: &[SeriesPoint]) -> Vec<SeriesPoint> {
    // Above this, sums and products of the geometry could leave the range of a float.
    let value = |value: f64| finite(value).clamp(0.0, 1e100);
    let mut points: Vec<SeriesPoint> = series
        .iter()
        .filter(|point| point.start < point.end)
        .map(|point| {
            let (low, high) = (value(point.low), value(point.high));
            SeriesPoint {
                observed: value(point.observed),
                expected: value(point.expected),
                low: low.min(high),
                high: high.max(low),
                ..*point
            }
        })
        .collect();
    points.sort_by_key(|point| (point.start, point.end));
    let surplus = points.len().saturating_sub(POINTS_MAX);
    points.drain(..surplus);
    points
}

fn bar(point: &SeriesPoint, scale: &Scale, metric: Metric) -> Bar {
    let (from, to) = (scale.x(point.start), scale.x(point.end));
    let gap = if to - from > 4.0 { 1.0 } else { 0.0 };
    let y = scale.y(point.observed);
    Bar {
        x: coordinate(from + gap / 2.0),
        y: coordinate(y),
        width: coordinate((to - from - gap).max(0.3)),
        height: coordinate(scale.size.height - BOTTOM - y),
        above: point.observed > point.high,
        tip: format!(
            "{} to {} UTC: {} {}, expected {} to {}",
            short_moment(point.start),
            clock(point.end),
            noun(metric),
            amount(metric, point.observed),
            amount(metric, point.low),
            amount(metric, point.high),
        ),
    }
}

/// Walks the upper edge forward and the lower edge back.
fn band(points: &[SeriesPoint], scale: &Scale) -> String {
    let corner = |time, y: f64| format!("{},{}", coordinate(scale.x(time)), coordinate(y));
    let mut corners = Vec::with_capacity(points.len() * 4);
    for point in points {
        // A band far below the spike would vanish; a hair of it stays to be seen.
        let high = scale.y(point.high).min(scale.y(point.low) - 1.5);
        corners.push(corner(point.start, high));
        corners.push(corner(point.end, high));
    }
    for point in points.iter().rev() {
        corners.push(corner(point.end, scale.y(point.low)));
        corners.push(corner(point.start, scale.y(point.low)));
    }
    corners.join(" ")
}

fn stairs(points: &[SeriesPoint], scale: &Scale, value: impl Fn(&SeriesPoint) -> f64) -> String {
    let corners: Vec<String> = points
        .iter()
        .flat_map(|point| {
            let y = coordinate(scale.y(value(point)));
            [point.start, point.end].map(|time| format!("{},{y}", coordinate(scale.x(time))))
        })
        .collect();
    corners.join(" ")
}

/// Returns the distance of value ticks: 1, 2 or 5 times a power of ten, about four to the top.
fn value_step(highest: f64) -> f64 {
    let rough = (highest / 4.0).max(1e-6);
    let power = 10f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|step| *step >= rough)
        .unwrap_or(10.0 * power)
}

fn value_ticks(scale: &Scale, step: f64, metric: Metric) -> Vec<Tick> {
    let sign = match metric {
        Metric::Cost => "$",
        Metric::Requests | Metric::Tokens => "",
    };
    (0..=5)
        .map(|place| f64::from(place) * step)
        .take_while(|value| *value <= scale.top_value * 1.000_001)
        .map(|value| Tick {
            at: coordinate(scale.y(value)),
            label: format!("{sign}{}", short_number(value, scale.top_value)),
        })
        .collect()
}

/// Writes a number for an axis, where space is short, in the unit that suits its top.
fn short_number(value: f64, top: f64) -> String {
    let (unit, suffix) = match top {
        top if top >= 1e15 => (1.0, ""),
        top if top >= 1e9 => (1e9, "G"),
        top if top >= 1e6 => (1e6, "M"),
        top if top >= 1e4 => (1e3, "k"),
        _ => (1.0, ""),
    };
    if value == 0.0 {
        return "0".to_owned();
    }
    format!("{}{suffix}", number(value / unit))
}

/// Places ticks on whole hours or midnights, as many as can be read.
fn time_ticks(scale: &Scale) -> Vec<Tick> {
    const HOURS: [i64; 12] = [1, 2, 3, 6, 12, 24, 48, 96, 168, 336, 672, 1_344];
    let (start, end) = (scale.start as i64, scale.end as i64);
    let width = end.saturating_sub(start);
    let Some(step) = HOURS
        .into_iter()
        .map(|hours| hours * Timestamp::HOUR)
        .find(|step| width / step <= scale.size.time_ticks_max)
    else {
        return Vec::new();
    };
    let first = Timestamp::from_millis(start.saturating_add(step - 1)).floor_to(step);
    let mut ticks = Vec::new();
    let mut time = first;
    while time.millis() <= end && ticks.len() <= 16 {
        let x = scale.x(time);
        let midnight = time == time.floor_to(Timestamp::DAY);
        // Labels are centred; one at the very edge would be cut.
        if x > scale.size.left + 10.0 && x < scale.size.width - RIGHT - 12.0 {
            ticks.push(Tick {
                at: coordinate(x),
                label: if midnight { day(time) } else { clock(time) },
            });
        }
        time = time.plus(step);
    }
    ticks
}

fn anchor(x: f64, size: Size) -> &'static str {
    if x > size.width - 60.0 {
        "end"
    } else if x < size.left + 40.0 {
        "start"
    } else {
        "middle"
    }
}

fn description(alert: &Alert, points: &[SeriesPoint], peak: &SeriesPoint) -> String {
    let above = points
        .iter()
        .filter(|point| point.observed > point.high)
        .count();
    format!(
        "{} windows, {} of them above the expected range. The highest {} is {} at {}, where {} to \
         {} were expected. The marked window is {} to {} UTC.",
        grouped(points.len() as u64),
        grouped(above as u64),
        noun(alert.metric),
        amount(alert.metric, peak.observed),
        moment(peak.start),
        amount(alert.metric, peak.low),
        amount(alert.metric, peak.high),
        short_moment(alert.window_start),
        short_moment(alert.window_end),
    )
}

/// Writes a coordinate with one decimal; there is nothing else it could be by now.
fn coordinate(value: f64) -> String {
    format!("{:.1}", finite(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round_and_about_four_reach_the_top() {
        for (highest, step) in [
            (0.0, 1e-6),
            (1.0, 0.5),
            (4.0, 1.0),
            (70.0, 20.0),
            (5_000.0, 2_000.0),
            (1e12, 5e11),
        ] {
            let found = value_step(highest);
            assert!((found / step - 1.0).abs() < 1e-9, "{highest}: {found}");
        }
        assert_eq!(short_number(25_000.0, 30_000.0), "25k");
        assert_eq!(short_number(5_000.0, 15_000.0), "5k");
        assert_eq!(short_number(1_500_000.0, 2e6), "1.5M");
        assert_eq!(short_number(5_000.0, 6_000.0), "5,000");
    }
}
