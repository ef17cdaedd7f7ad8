//! The course of an episode as a row of bars: blocks in text, heights in HTML.

use model::{Metric, SeriesPoint};

use crate::text::{minute, value_and_unit};

/// The number of windows that are shown, the newest ones.
const MAX_POINTS: usize = 48;
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// The height of a full bar in HTML.
const FULL_PIXELS: f64 = 56.0;

/// One bar of the chart in HTML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bar {
    /// The height of what was seen, in pixels.
    pub(crate) seen_pixels: u32,
    /// The height of the upper end of the expected range, in pixels.
    pub(crate) limit_pixels: u32,
    /// Whether more was seen than the expected range allows.
    pub(crate) above: bool,
}

/// A chart in both shapes. Both rows have the same linear scale from zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chart {
    /// What was seen, as blocks.
    pub(crate) seen: String,
    /// The upper end of the expected range, as blocks.
    pub(crate) limit: String,
    /// A caret under each window above its range.
    pub(crate) marks: String,
    /// From when to when, and what a full bar is.
    pub(crate) caption: String,
    /// The same as bars.
    pub(crate) bars: Vec<Bar>,
}

impl Chart {
    /// Draws the newest windows of `series`; `None` when there is nothing to compare.
    pub(crate) fn draw(metric: Metric, series: &[SeriesPoint]) -> Option<Self> {
        let points = &series[series.len().saturating_sub(MAX_POINTS)..];
        let (first, last) = (points.first()?, points.last()?);
        let top = points
            .iter()
            .flat_map(|point| [point.observed, point.high])
            .filter(|value| value.is_finite())
            .fold(0.0, f64::max);
        if points.len() < 2 || top <= 0.0 {
            return None;
        }
        let part = |value: f64| {
            if value.is_finite() {
                (value / top).clamp(0.0, 1.0)
            } else {
                0.0
            }
        };
        // A bar of an eighth or less is the lowest block, so that the row keeps its length.
        let block = |value: f64| BLOCKS[((part(value) * 8.0).ceil() as usize).clamp(1, 8) - 1];
        let pixels = |value: f64| ((part(value) * FULL_PIXELS).round() as u32).max(1);
        let above = |point: &SeriesPoint| point.observed > point.high;
        Some(Self {
            seen: points.iter().map(|point| block(point.observed)).collect(),
            limit: points.iter().map(|point| block(point.high)).collect(),
            marks: points
                .iter()
                .map(|point| if above(point) { '^' } else { ' ' })
                .collect::<String>()
                .trim_end()
                .to_owned(),
            caption: format!(
                "{} to {}; a full bar is {}",
                minute(first.start),
                minute(last.end),
                value_and_unit(metric, top)
            ),
            bars: points
                .iter()
                .map(|point| Bar {
                    seen_pixels: pixels(point.observed),
                    limit_pixels: pixels(point.high),
                    above: above(point),
                })
                .collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Timestamp;

    fn series(observed: &[f64]) -> Vec<SeriesPoint> {
        let point = |(hour, observed): (usize, &f64)| SeriesPoint {
            start: Timestamp::from_millis(hour as i64 * Timestamp::HOUR),
            end: Timestamp::from_millis((hour as i64 + 1) * Timestamp::HOUR),
            observed: *observed,
            expected: 5.0,
            low: 0.0,
            high: 10.0,
        };
        observed.iter().enumerate().map(point).collect()
    }

    #[test]
    fn rows_have_one_scale_and_one_length() {
        let chart = Chart::draw(Metric::Requests, &series(&[0.0, 5.0, 80.0, 40.0])).unwrap();
        assert_eq!(chart.seen, "▁▁█▄");
        assert_eq!(chart.limit, "▁▁▁▁");
        assert_eq!(chart.marks, "  ^^");
        assert_eq!(
            chart.caption,
            "1970-01-01 00:00 UTC to 1970-01-01 04:00 UTC; a full bar is 80 requests"
        );
        assert_eq!(chart.bars[2].seen_pixels, 56);
        assert!(chart.bars[2].above && !chart.bars[1].above);
    }

    #[test]
    fn long_series_show_the_newest_windows_and_odd_values_do_no_harm() {
        let mut observed = vec![1.0; 500];
        observed.push(f64::NAN);
        observed.push(f64::INFINITY);
        observed.push(-3.0);
        let chart = Chart::draw(Metric::Tokens, &series(&observed)).unwrap();
        assert_eq!(chart.seen.chars().count(), MAX_POINTS);
        assert_eq!(chart.bars.len(), MAX_POINTS);
    }

    #[test]
    fn nothing_to_compare_is_no_chart() {
        assert_eq!(Chart::draw(Metric::Cost, &[]), None);
        assert_eq!(Chart::draw(Metric::Cost, &series(&[3.0])), None);
    }
}
