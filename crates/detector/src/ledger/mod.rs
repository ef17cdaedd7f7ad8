//! Ledgers: what is billed by project, account, provider and service.
//!
//! Billing lines come hours to days late, in any order, and are restated. So a ledger is summed
//! by the period that a line is about, whenever it arrives: hours or days, as the lines have
//! them. A period can be judged as soon as it has an amount: it is compared upwards only, and
//! what is still missing makes it larger. See `docs/adr/0011`.
//!
//! Whatever has no key belongs to no partition either: lines of one ledger lie in many, and the
//! key that explains them in another. As [`crate::Campaigns`], [`Ledgers`] joins what all
//! partitions have read, bucket by bucket of arrival.

mod alarm;
mod book;
mod cause;
mod forecast;
mod grain;
mod line;
mod rarity;
mod telling;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use columns::SnapshotError;
use model::{Alert, AlertId, Entity, EntityLevel, Nanos, Timestamp};

use crate::archive::Archive;
use crate::clock::{hour_of, start_of};
use crate::config::DetectorConfig;
use crate::directory::KeyDirectory;
use crate::episode::{score, severity_of};
use crate::standing::{FamilyStanding, Standing};
use alarm::{Alarm, Exceeding, Told};
use book::Book;
use cause::{Cause, Causes, EXPLAINS, Effect, Explanation};
use forecast::Forecast;
use grain::Grain;
use line::{Added, KnownLines, Payer};
use rarity::{Rarities, Settled};
use serde::{Deserialize, Serialize};

pub(crate) use line::{Line, arrived_at};

/// The part of the budget that a ledger may spend by day. A line is judged at up to four levels;
/// they see the same excess and one of them tells it, so that the parts may add up to more than
/// the whole (measured in tests/it/ledgers.rs).
const LEDGER_SHARE: f64 = 0.5;
/// How much an alarm's money must have grown for another revision.
const TOLD_AGAIN: f64 = 1.5;
/// Lines and alerts that wait at most.
const MOST_WAITING: usize = 50_000;

/// What a partition has read that belongs to no key, since it was last asked.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Unkeyed {
    pub(crate) lines: Vec<Line>,
    /// Alerts on usage without a key: told unless an alert on a key explains them.
    pub(crate) alerts: Vec<Alert>,
}

impl Unkeyed {
    /// Takes at most so many lines and so many alerts of it.
    pub fn split(&mut self, most: usize) -> Self {
        let lines = self.lines.split_off(most.min(self.lines.len()));
        let alerts = self.alerts.split_off(most.min(self.alerts.len()));
        Self {
            lines: std::mem::replace(&mut self.lines, lines),
            alerts: std::mem::replace(&mut self.alerts, alerts),
        }
    }

    /// Returns whether there is nothing of that kind.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.alerts.is_empty()
    }
}

/// What has arrived in one bucket.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct News {
    lines: Vec<Line>,
    alerts: Vec<Alert>,
    keys: Vec<(AlertId, Cause)>,
}

/// A ledger of a grain.
type Place = (Grain, u32);

/// The ledgers of all partitions, and the one place that sees alerts on keys, on usage without
/// one and on bills together.
#[derive(Clone)]
pub struct Ledgers {
    config: DetectorConfig,
    directory: Arc<KeyDirectory>,
    books: [Book; 2],
    rarities: [Rarities; 2],
    lines: KnownLines,
    causes: Causes,
    alarms: BTreeMap<Place, Vec<Alarm>>,
    /// Alerts on usage without a key that were told.
    unkeyed_told: BTreeSet<AlertId>,
    waiting: BTreeMap<i64, News>,
    waiting_count: usize,
    closed: Option<i64>,
    /// The last period of each grain after which an alarm is over.
    past: [i64; 2],
    /// The time of the newest erasure that was carried out: each is once.
    erased: Option<Timestamp>,
}

impl Ledgers {
    /// Makes an empty one.
    pub fn new(config: DetectorConfig, directory: Arc<KeyDirectory>) -> Self {
        Self {
            config,
            directory,
            books: Grain::ALL.map(Book::new),
            rarities: Grain::ALL.map(Rarities::new),
            lines: KnownLines::default(),
            causes: Causes::default(),
            alarms: BTreeMap::new(),
            unkeyed_told: BTreeSet::new(),
            waiting: BTreeMap::new(),
            waiting_count: 0,
            closed: None,
            past: [i64::MIN; 2],
            erased: None,
        }
    }

    /// Carries everything but configuration and inventory into a snapshot or out of one.
    ///
    /// # Errors
    /// When the disk fails, or a snapshot is damaged or of other state.
    pub fn archive(&mut self, archive: &mut Archive<'_>) -> Result<(), SnapshotError> {
        let Self {
            config: _,
            directory: _,
            books,
            rarities,
            lines,
            causes,
            alarms,
            unkeyed_told,
            waiting,
            waiting_count,
            closed,
            past,
            erased,
        } = self;
        for (book, name) in books.iter_mut().zip(["hours", "days"]) {
            archive.part(name, |archive| book.archive(archive))?;
        }
        for (rarities, name) in rarities.iter_mut().zip(["hour_tails", "day_tails"]) {
            archive.part(name, |archive| rarities.archive(archive))?;
        }
        archive.part("lines", |archive| lines.archive(archive))?;
        archive.value("causes", causes)?;
        archive.map("alarms", alarms)?;
        archive.value("unkeyed_told", unkeyed_told)?;
        archive.map("waiting", waiting)?;
        archive.value("waiting_count", waiting_count)?;
        archive.value("closed", closed)?;
        archive.value("past", past)?;
        archive.value("erased", erased)?;
        if archive.is_reading() {
            // What was written down before it was erased.
            self.forget_erased();
        }
        Ok(())
    }

    /// Takes another inventory; what is judged from now on follows it.
    pub fn set_directory(&mut self, directory: Arc<KeyDirectory>) {
        self.directory = directory;
        self.forget_erased();
    }

    /// Takes the names of erased keys out of what explains alerts.
    fn forget_erased(&mut self) {
        let (directory, done) = (self.directory.clone(), self.erased);
        for (key, time) in directory.erased_after(done) {
            self.erased = self.erased.max(Some(time));
            self.causes.forget(&key, time);
            for (_, cause) in self.waiting.values_mut().flat_map(|news| &mut news.keys) {
                cause.forget(&key, time);
            }
            let alarms = self.alarms.values_mut().flatten();
            for explained in alarms.filter_map(|alarm| alarm.explained.as_mut()) {
                explained.forget(&key, time);
            }
        }
    }

    /// Takes what one partition has read.
    pub fn take(&mut self, unkeyed: Unkeyed) {
        for line in unkeyed.lines {
            self.news(line.bucket).lines.push(line);
        }
        for alert in unkeyed.alerts {
            self.news(bucket_of_alert(&alert)).alerts.push(alert);
        }
    }

    /// Hears of alerts on keys: they may explain what is billed.
    pub fn hear(&mut self, alerts: &[Alert]) {
        let keys = alerts
            .iter()
            .filter(|alert| alert.entity_level == EntityLevel::Key);
        for alert in keys {
            let heard = (alert.alert_id.clone(), Cause::of(alert));
            self.news(bucket_of_alert(alert)).keys.push(heard);
        }
    }

    fn news(&mut self, bucket: i64) -> &mut News {
        // What comes after its bucket was judged counts with the next one.
        let bucket = self.closed.map_or(bucket, |closed| bucket.max(closed + 1));
        self.waiting_count += 1;
        self.waiting.entry(bucket).or_default()
    }

    /// Judges the oldest of what waits, where too much does: a partition is far behind, or they are
    /// read one after another. No line is lost; only its order may be another.
    pub fn relieve(&mut self) -> Vec<Alert> {
        let mut alerts = Vec::new();
        while self.waiting_count > MOST_WAITING {
            let Some((&bucket, _)) = self.waiting.first_key_value() else {
                break;
            };
            alerts.extend(self.close_before(bucket + 1));
        }
        alerts
    }

    /// Judges what has arrived in every bucket before this one, of which no more is waited for.
    pub fn close_before(&mut self, until: i64) -> Vec<Alert> {
        let mut alerts = Vec::new();
        while let Some((&bucket, _)) = self.waiting.first_key_value() {
            if bucket >= until {
                break;
            }
            let news = self.waiting.remove(&bucket).unwrap_or_default();
            self.waiting_count -= news.lines.len() + news.alerts.len() + news.keys.len();
            alerts.extend(self.judge(bucket, news));
            self.closed = Some(bucket);
        }
        alerts
    }

    /// Judges what has arrived in a bucket.
    fn judge(&mut self, bucket: i64, mut news: News) -> Vec<Alert> {
        let is_new_hour = self
            .closed
            .is_none_or(|last| hour_of(last) < hour_of(bucket));
        if is_new_hour {
            self.settle(start_of(bucket).millis());
        }
        news.lines.sort_by_key(|line| (line.order, line.id));
        let mut touched = BTreeSet::new();
        for line in &news.lines {
            self.add(line, &mut touched);
        }
        for (id, cause) in news.keys {
            self.causes.hear(id, cause);
        }
        let mut alerts = self.judge_unkeyed(news.alerts);
        for (grain, slot, period) in touched {
            self.weigh((grain, slot), period);
        }
        alerts.extend(self.tell(bucket));
        alerts
    }

    /// Adds a line, or the difference to what it said before.
    fn add(&mut self, line: &Line, touched: &mut BTreeSet<(Grain, u32, i64)>) {
        let book = &mut self.books[line.grain as usize];
        let Some(slot) = book.slot(&line.payer, line.period) else {
            return;
        };
        let added = Added {
            grain: line.grain,
            slot,
            period: line.period,
            nanos: line.nanos,
        };
        let before = self.lines.replace(line.id, added);
        let changes = before.into_iter().map(|before| Added {
            nanos: -before.nanos,
            ..before
        });
        for change in changes.chain([added]) {
            let book = &mut self.books[change.grain as usize];
            book.add(change.slot, change.period, change.nanos);
            touched.extend(
                book.chain(change.slot)
                    .map(|slot| (change.grain, slot, change.period)),
            );
        }
    }

    /// Learns the periods that are old enough to be complete, and forgets what is too old.
    fn settle(&mut self, now: i64) {
        for grain in Grain::ALL {
            let complete = grain.period(now) - grain.settled_after();
            for slot in self.books[grain as usize].slots() {
                let settled = i64::from(self.books[grain as usize].settled.get(slot as usize));
                for period in settled.max(complete - grain.memory() / 2) + 1..=complete {
                    self.settle_period((grain, slot), period);
                }
                let last = settled.max(complete) as i32;
                self.books[grain as usize].settled.set(slot as usize, last);
            }
            self.past[grain as usize] = grain.period(now) - grain.lag() - 1;
            self.rarities[grain as usize].begin_day(now.div_euclid(Timestamp::DAY));
            self.books[grain as usize].sweep(complete);
            for ((of, _), alarms) in &mut self.alarms {
                if *of != grain {
                    continue;
                }
                alarms.retain(|alarm| complete - alarm.last < 2 * grain.memory());
            }
        }
        self.alarms.retain(|_, alarms| !alarms.is_empty());
        self.causes.sweep(now);
    }

    fn settle_period(&mut self, (grain, slot): Place, period: i64) {
        let book = &self.books[grain as usize];
        if period < book.born(slot) {
            return;
        }
        let Some(forecast) = Forecast::of(&book.past(slot, period), period, grain) else {
            return;
        };
        let alarms = self.alarms.get(&(grain, slot));
        let settled = Settled {
            period,
            scatter: forecast.scatter,
            nominal: forecast.rarity(book.amount(slot, period)),
            alarmed: alarms.is_some_and(|alarms| {
                alarms
                    .iter()
                    .any(|alarm| alarm.exceeding.contains_key(&period))
            }),
        };
        self.rarities[grain as usize].settle(slot, settled);
    }

    /// Judges one period, and opens or changes the alarm that it belongs to.
    fn weigh(&mut self, (grain, slot): Place, period: i64) {
        let exceeding = self.exceeding((grain, slot), period);
        let book = &mut self.books[grain as usize];
        let alarms = self.alarms.entry((grain, slot)).or_default();
        let alarm = alarms.iter_mut().find(|alarm| alarm.covers(period, grain));
        match (alarm, exceeding) {
            (Some(alarm), Some(exceeding)) => {
                alarm.exceed(period, exceeding);
                if period - alarm.first < grain.quarantine() {
                    book.quarantine(slot, period);
                }
            }
            (None, Some(exceeding)) => {
                let mut alarm = Alarm::open(period);
                alarm.exceed(period, exceeding);
                alarms.push(alarm);
                book.quarantine(slot, period);
            }
            (Some(alarm), None) => {
                alarm.exceeding.remove(&period);
                book.release(slot, period);
            }
            (None, None) => {}
        }
        alarms.retain(|alarm| alarm.told.is_some() || !alarm.exceeding.is_empty());
    }

    /// Returns how a period exceeds what is expected of it, if it is beyond the budget.
    fn exceeding(&self, (grain, slot): Place, period: i64) -> Option<Exceeding> {
        let book = &self.books[grain as usize];
        let payer = book.payer(slot);
        let end = grain.start(period + 1);
        let announced = self.directory.announced(&entity(payer), end);
        if announced.any_volume {
            return None;
        }
        let nanos = book.amount(slot, period);
        let forecast =
            Forecast::of(&book.past(slot, period), period, grain)?.times(announced.factor);
        let neg_ln_p = forecast.rarity(nanos);
        let rarities = &self.rarities[grain as usize];
        let episodes = rarities.episodes_per_day(slot, forecast.scatter, neg_ln_p);
        let alert_rate = episodes / LEDGER_SHARE;
        (alert_rate < self.config.alpha()).then(|| Exceeding {
            nanos,
            expected: forecast.expected(),
            band: forecast.band(),
            neg_ln_p,
            alert_rate,
            periods: forecast.periods,
            most: forecast.most,
            scatter: forecast.scatter,
        })
    }

    /// Returns what was told of usage without a key, unless alerts on keys explain it.
    fn judge_unkeyed(&mut self, alerts: Vec<Alert>) -> Vec<Alert> {
        let mut told = Vec::new();
        for alert in alerts {
            let effect = Effect {
                provider: &alert.provider,
                account: &alert.account,
                project: alert.project.as_deref().unwrap_or_default(),
                from: alert.first_seen.millis(),
                until: alert.raised_at.max(alert.window_end).millis(),
                usd: alert.cost_so_far_usd.to_usd(),
                counted: Some((alert.metric, alert.observed - alert.expected)),
            };
            let is_told = self.unkeyed_told.contains(&alert.alert_id);
            if is_told || self.causes.explain(&effect, EntityLevel::Service).is_none() {
                self.unkeyed_told.insert(alert.alert_id.clone());
                self.causes.hear(alert.alert_id.clone(), Cause::of(&alert));
                told.push(alert);
            }
        }
        told
    }

    /// Tells every alarm that has changed enough to matter, the lowest level first: what a
    /// service explains its project does not tell again.
    fn tell(&mut self, bucket: i64) -> Vec<Alert> {
        let mut places: Vec<Place> = self.alarms.keys().copied().collect();
        places.sort_by_key(|&(grain, slot)| (self.books[grain as usize].payer(slot), grain));
        let mut alerts = Vec::new();
        for place in places {
            let count = self.alarms.get(&place).map_or(0, Vec::len);
            for at in 0..count {
                alerts.extend(self.tell_alarm(place, at, bucket));
            }
        }
        alerts
    }

    fn tell_alarm(&mut self, place: Place, at: usize, bucket: i64) -> Option<Alert> {
        let alarm = &self.alarms[&place][at];
        let is_over = self.past[place.0 as usize] > alarm.last;
        if alarm
            .told
            .is_some_and(|told| is_over && told.ended && told.excess == alarm.excess())
        {
            return None;
        }
        let explained = match &alarm.explained {
            Some(known) => Some(known.clone()),
            None => self.explanation(place, alarm),
        };
        let rarest = alarm.rarest();
        let fallen = rarest.is_none();
        let ended = is_over || fallen || explained.is_some();
        let excess = alarm.excess();
        let burn = match ended {
            true => 0.0,
            false => alarm.burn_usd_per_hour(place.0),
        };
        let shown = rarest.or(alarm.worst)?;
        let severity = severity_of(
            &self.config,
            score(self.config.alpha(), shown.1.alert_rate),
            excess / Nanos::USD as f64,
            0.0,
            burn,
        );
        let now = Told {
            severity,
            excess,
            ended,
            fallen,
        };
        let is_news = match alarm.told {
            None => explained.is_none() && !fallen,
            Some(told) => {
                told.ended != ended
                    || told.fallen != fallen
                    || told.severity != severity
                    || excess > TOLD_AGAIN * told.excess
                    || excess * TOLD_AGAIN < told.excess
            }
        };
        let telling = is_news.then(|| {
            let mut alarm = alarm.clone();
            alarm.ended = ended;
            alarm.explained.clone_from(&explained);
            self.alert(place, &alarm, shown, severity, bucket)
        });
        let alarm = &mut self.alarms.get_mut(&place)?[at];
        if alarm.told.is_some() || is_news {
            alarm.explained = explained;
        }
        if is_news {
            alarm.told = Some(now);
            alarm.worst = rarest.or(alarm.worst);
            alarm.revision += 1;
        }
        telling
    }

    /// Returns what explains at least half of an alarm: alerts on keys or on usage without one;
    /// alarms of what the payer is made of; or one of what the payer is part of, told before.
    fn explanation(&self, place: Place, alarm: &Alarm) -> Option<Explanation> {
        let (grain, slot) = place;
        let payer = self.books[grain as usize].payer(slot);
        let (first, last) = (
            *alarm.exceeding.first_key_value()?.0,
            *alarm.exceeding.last_key_value()?.0,
        );
        let (from, until) = (grain.start(first).millis(), grain.start(last + 1).millis());
        let excess = alarm.excess();
        let effect = Effect {
            provider: &payer.provider,
            account: &payer.account,
            project: &payer.project,
            from,
            until,
            usd: excess / Nanos::USD as f64,
            counted: None,
        };
        let by_usage = self.causes.explain(&effect, EntityLevel::Provider);
        if by_usage.is_some() || alarm.told.is_some() {
            return by_usage;
        }
        let mut parts = 0.0;
        let mut largest: Option<(f64, &Payer)> = None;
        for (&(other_grain, other_slot), others) in &self.alarms {
            let other = self.books[other_grain as usize].payer(other_slot);
            let is_part = payer.contains(other);
            if !is_part && !other.contains(payer) {
                continue;
            }
            for told in others.iter().filter(|other| other.told.is_some()) {
                let during: f64 = told
                    .exceeding
                    .iter()
                    .filter(|&(&period, _)| {
                        let start = other_grain.start(period).millis();
                        start < until && from < start + other_grain.millis()
                    })
                    .map(|(_, exceeding)| exceeding.excess())
                    .sum();
                if during <= 0.0 {
                    continue;
                }
                if !is_part && during >= EXPLAINS * excess {
                    return Some(Explanation::by_ledger(other));
                }
                if is_part {
                    parts += during;
                    if largest.is_none_or(|(most, _)| during > most) {
                        largest = Some((during, other));
                    }
                }
            }
        }
        let (_, other) = largest.filter(|_| parts >= EXPLAINS * excess)?;
        Some(Explanation::by_ledger(other))
    }

    /// Returns how every ledger stands, in order of their names.
    pub fn standings(&self) -> Vec<Standing> {
        let mut places: Vec<Place> = Grain::ALL
            .into_iter()
            .flat_map(|grain| {
                let slots = self.books[grain as usize].slots();
                slots.map(move |slot| (grain, slot))
            })
            .collect();
        places.sort_by_key(|&(grain, slot)| (self.books[grain as usize].payer(slot), grain));
        places
            .into_iter()
            .map(|place| self.standing(place))
            .collect()
    }

    fn standing(&self, (grain, slot): Place) -> Standing {
        let book = &self.books[grain as usize];
        let payer = book.payer(slot);
        let next = book.head(slot) + 1;
        let past = book.past(slot, next);
        let forecast = Forecast::of(&past, next, grain);
        let (one, many) = grain.words();
        let (judged, because) = match &forecast {
            Some(forecast) => (
                true,
                format!(
                    "each {one} against {} complete {many}; lines count from {} {many} after",
                    forecast.periods,
                    grain.lag()
                ),
            ),
            None => (
                false,
                format!(
                    "{} complete {many} with an amount; judged from {} on",
                    past.len(),
                    forecast::least_periods(grain)
                ),
            ),
        };
        Standing {
            entity_level: payer.level,
            entity: entity(payer),
            project: telling::named(&payer.project),
            service: telling::named(&payer.service),
            known_since: grain.start(book.born(slot)),
            class: forecast.map_or("unknown", |forecast| rarity::word(forecast.scatter)),
            feed_minutes: grain.millis() / Timestamp::MINUTE,
            families: vec![FamilyStanding {
                family: "spend",
                judged,
                because,
            }],
        }
    }

    /// Returns the bytes of state.
    pub fn state_bytes(&self) -> usize {
        let books: usize = self.books.iter().map(Book::bytes).sum();
        let rarities: usize = self.rarities.iter().map(Rarities::bytes).sum();
        books + rarities + self.lines.bytes()
    }
}

/// Returns who answers for a payer, as the inventory knows them.
fn entity(payer: &Payer) -> Entity {
    Entity {
        provider: payer.provider.clone(),
        account: payer.account.clone(),
        key: String::new(),
    }
}

fn bucket_of_alert(alert: &Alert) -> i64 {
    crate::clock::bucket_of(crate::clock::minute_of(alert.raised_at.millis() - 1))
}
