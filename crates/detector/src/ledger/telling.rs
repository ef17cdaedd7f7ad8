//! A ledger's alarm in words: the alert.

use model::{
    Alert, AlertId, Detector, EntityLevel, Evidence, IncidentId, Metric, Nanos, SeriesPoint,
    Severity, Timestamp,
};

use super::alarm::{Alarm, Exceeding};
use super::forecast::Forecast;
use super::grain::Grain;
use super::line::Payer;
use super::{Ledgers, Place, rarity};
use crate::clock::{BUCKET_MILLIS, start_of};
use crate::detector::ALLOWED_LATENESS_MILLIS;
use crate::episode::score;
use crate::explain::frequency;

/// Periods that an alert shows.
const SERIES_PERIODS: i64 = 48;

impl Ledgers {
    pub(super) fn alert(
        &self,
        (grain, slot): Place,
        alarm: &Alarm,
        (period, worst): (i64, Exceeding),
        severity: Severity,
        bucket: i64,
    ) -> Alert {
        let payer = self.books[grain as usize].payer(slot);
        let first = grain.start(alarm.first);
        let observed = match alarm.exceeding.contains_key(&period) {
            true => worst.nanos,
            false => self.books[grain as usize].amount(slot, period),
        };
        let mut names = payer.names().to_vec();
        names.push(grain.words().0);
        Alert {
            alert_id: AlertId::compute_without_key(payer.level, &names, first),
            revision: alarm.revision,
            raised_at: start_of(bucket).plus(BUCKET_MILLIS + ALLOWED_LATENESS_MILLIS),
            entity_level: payer.level,
            key_id: String::new(),
            key_hint: None,
            account: payer.account.clone(),
            project: named(&payer.project),
            service: named(&payer.service),
            provider: payer.provider.clone(),
            vendor: None,
            stored_with: Vec::new(),
            owner: None,
            detector: Detector::Spend,
            severity,
            score: score(self.config.alpha(), worst.alert_rate),
            p_value: (-worst.neg_ln_p).exp(),
            neg_log_p: worst.neg_ln_p,
            episodes_per_day: worst.alert_rate.min(1e3),
            metric: Metric::Cost,
            window_start: grain.start(period),
            window_end: grain.start(period + 1),
            observed: usd(observed as f64),
            expected: usd(worst.expected),
            expected_low: usd(worst.band.0),
            expected_high: usd(worst.band.1),
            evidence: self.evidence((grain, slot), alarm, (period, worst), observed),
            top_contributors: Vec::new(),
            incident_id: IncidentId::compute(&payer.account, first),
            first_seen: first,
            cost_so_far_usd: alarm.cost(),
            burn_usd_per_hour: alarm.burn_usd_per_hour(grain),
            attack_techniques: vec!["T1496.004".to_owned(), "AML.T0034".to_owned()],
            ended: alarm.ended,
            series: self.series((grain, slot), period),
        }
    }

    fn evidence(
        &self,
        (grain, slot): Place,
        alarm: &Alarm,
        (period, worst): (i64, Exceeding),
        observed: i64,
    ) -> Vec<Evidence> {
        let payer = self.books[grain as usize].payer(slot);
        let money = |nanos: f64| money(nanos, &payer.currency);
        let when = moment(grain.start(period), grain);
        let mut evidence = Vec::new();
        if alarm.exceeding.is_empty() {
            evidence.push(said(format!(
                "restated: {} was billed {} for {when}, not {} as first told; that is no alert",
                subject(payer),
                money(observed as f64),
                money(worst.nanos as f64),
            )));
        }
        if let Some(explained) = &alarm.explained {
            evidence.push(said(format!("the same cause as {}", explained.words)));
        }
        let mut first = said(format!(
            "{} was billed {} for {when} by {}, expected {} ({} to {}); on {} {} before never more than {}",
            subject(payer),
            money(worst.nanos as f64),
            match &*payer.provider {
                "" => "an unknown provider",
                provider => provider,
            },
            money(worst.expected),
            money(worst.band.0),
            money(worst.band.1),
            worst.periods,
            grain.words().1,
            money(worst.most as f64),
        ));
        first.neg_log_p = Some(worst.neg_ln_p);
        evidence.push(first);
        evidence.push(said(format!(
            "a {} {} like this is billed as much {}",
            rarity::word(worst.scatter),
            payer.level.as_str(),
            frequency(worst.alert_rate)
        )));
        if alarm.exceeding.len() > 1 {
            evidence.push(said(format!(
                "{} {} so far are above what they may be",
                alarm.exceeding.len(),
                grain.words().1
            )));
        }
        evidence.extend(self.largest_part((grain, slot), period));
        evidence
    }

    /// Names the part that has grown most, of those right below.
    fn largest_part(&self, (grain, slot): Place, period: i64) -> Option<Evidence> {
        let book = &self.books[grain as usize];
        let (excess, child, expected) = book
            .children(slot)
            .map(|child| {
                let past = book.past(child, period);
                let expected = Forecast::of(&past, period, grain).map(|known| known.expected());
                let mean = past.iter().map(|past| past.nanos as f64).sum::<f64>()
                    / past.len().max(1) as f64;
                let expected = expected.unwrap_or(mean);
                (
                    book.amount(child, period) as f64 - expected,
                    child,
                    expected,
                )
            })
            .max_by(|a, b| a.0.total_cmp(&b.0))?;
        (excess > 0.0).then(|| {
            let payer = book.payer(child);
            said(format!(
                "most of it is {}: {}, expected {}",
                subject(payer),
                money(book.amount(child, period) as f64, &payer.currency),
                money(expected, &payer.currency),
            ))
        })
    }

    fn series(&self, (grain, slot): Place, period: i64) -> Vec<SeriesPoint> {
        let book = &self.books[grain as usize];
        let first = (period - SERIES_PERIODS + 1).max(book.born(slot));
        (first..=period.max(book.head(slot).min(period + grain.gap())))
            .map(|period| {
                let forecast = Forecast::of(&book.past(slot, period), period, grain);
                let (low, high) = forecast.map_or((0.0, 0.0), |forecast| forecast.band());
                SeriesPoint {
                    start: grain.start(period),
                    end: grain.start(period + 1),
                    observed: usd(book.amount(slot, period) as f64),
                    expected: usd(forecast.map_or(0.0, |forecast| forecast.expected())),
                    low: usd(low),
                    high: usd(high),
                }
            })
            .collect()
    }
}

fn said(text: String) -> Evidence {
    Evidence {
        family: "spend".to_owned(),
        text,
        neg_log_p: None,
    }
}

/// Names a payer.
pub(super) fn subject(payer: &Payer) -> String {
    let Payer {
        account,
        project,
        service,
        ..
    } = payer;
    let of = |what: String, whole: &str| match whole {
        "" => what,
        whole => format!("{what} of {whole}"),
    };
    match payer.level {
        EntityLevel::Service if !project.is_empty() => {
            of(format!("service {service} of project {project}"), account)
        }
        EntityLevel::Service => of(format!("service {service}"), account),
        EntityLevel::Project => of(format!("project {project}"), account),
        EntityLevel::Account => format!("account {account}"),
        EntityLevel::Provider | EntityLevel::Key => "everything together".to_owned(),
    }
}

/// Returns a name, or `None` for one that is not known.
pub(super) fn named(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn usd(nanos: f64) -> f64 {
    nanos / Nanos::USD as f64
}

/// Writes an amount as people do: cents only where they matter.
fn money(nanos: f64, currency: &str) -> String {
    let amount = usd(nanos);
    let digits = usize::from(amount < 100.0) * 2;
    match currency {
        "USD" => format!("${amount:.digits$}"),
        other => format!("{amount:.digits$} {other}"),
    }
}

/// Writes a period as people do: `4 May`, `4 May 13:00`.
fn moment(start: Timestamp, grain: Grain) -> String {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let text = start.to_string();
    let number = |at: std::ops::Range<usize>| text.get(at).and_then(|part| part.parse().ok());
    let month: usize = number(5..7).unwrap_or(1);
    let day: u32 = number(8..10).unwrap_or(1).try_into().unwrap_or(1);
    let month = MONTHS[(month - 1).min(11)];
    match grain {
        Grain::Day => format!("{day} {month}"),
        Grain::Hour => format!("{day} {month} {}", text.get(11..16).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_and_days_are_said_as_people_do() {
        assert_eq!(money(412.3e9, "USD"), "$412");
        assert_eq!(money(4.123e9, "EUR"), "4.12 EUR");
        let start = Timestamp::parse("2026-05-04T13:00:00Z").expect("a constant");
        assert_eq!(moment(start, Grain::Day), "4 May");
        assert_eq!(moment(start, Grain::Hour), "4 May 13:00");
    }
}
