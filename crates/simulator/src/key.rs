//! A key and its owner: what it is called, who uses it, and everything the owner asked.

use std::sync::Arc;

use model::{KeyEntry, Timestamp, Window};
use rand::RngExt;

use crate::batch::{Batch, Grain};
use crate::caller::Caller;
use crate::chance::{self, Rng};
use crate::clock::{self, Zone};
use crate::event::KeyNames;
use crate::kinds::{Kind, Setting};

/// Which key to make: the number `number` of its kind, for an account, with vendors.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) kind: &'static dyn Kind,
    pub(crate) number: u64,
    pub(crate) account: String,
    pub(crate) vendors: Vec<String>,
    /// When it is made, where that is no matter of chance.
    pub(crate) born: Option<Timestamp>,
}

/// A key as its events know it.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) names: Arc<KeyNames>,
    /// A number that no other key of the run has.
    pub(crate) uid: u32,
    pub(crate) class: &'static str,
    pub(crate) grain: Grain,
    /// What the key pays of the input price.
    pub(crate) discount_permille: i64,
}

/// A key, its owner, and the owner's requests.
#[derive(Debug)]
pub(crate) struct Actor {
    pub(crate) key: Key,
    pub(crate) entry: KeyEntry,
    pub(crate) zone: Zone,
    /// Whether the owner works in office hours only.
    pub(crate) office_hours: bool,
    /// From the key's creation, or the start of the run, to the end of the run.
    pub(crate) exists: Window,
    pub(crate) owner: Caller,
    /// The owner's requests, sorted by time.
    pub(crate) batches: Vec<Batch>,
    /// When the collector lost whatever was sent, by whomever.
    pub(crate) lost: Vec<Window>,
    /// The key that takes over from this one.
    pub(crate) successor: Option<Box<Actor>>,
}

const PROJECTS: [&str; 10] = [
    "checkout",
    "search",
    "support",
    "ranking",
    "reports",
    "intake",
    "drafts",
    "catalogue",
    "routing",
    "summaries",
];

impl Actor {
    /// Draws the key of `member` and all that its owner does in `span`.
    pub(crate) fn make(seed: u64, member: &Member, span: Window) -> Self {
        let kind = member.kind.name();
        let rng = |purpose| chance::stream(seed, purpose, kind, member.number);
        let mut paper = rng("paper");
        let ruled = chance::happens(&mut paper, 0.5);
        let setting = Setting {
            span,
            number: member.number,
            pinned: ruled,
        };
        let sketch = member.kind.sketch(&setting, &mut rng("sketch"));
        let provider = match paper.random::<f64>() {
            share if share < 0.5 => "openai",
            share if share < 0.85 => "anthropic",
            _ => "aws.bedrock",
        };
        let identity = chance::digest(&["key", kind], seed ^ member.number.rotate_left(32));
        let project = chance::pick(&mut paper, &PROJECTS);
        let names = Arc::new(KeyNames {
            key: format!("key_{:012x}", identity >> 16),
            account: member.account.clone(),
            project: project.to_owned(),
            provider,
        });
        let owner = Caller::owner(&mut rng("owner"), provider, sketch.book, span);
        let drawn = draw_creation(&mut paper, span, sketch.long_lived);
        let created = member.born.unwrap_or(drawn);
        let exists = Window {
            start: created.max(span.start),
            end: span.end,
        };
        let mut batches = sketch
            .rhythm
            .batches(span, sketch.grain, &mut rng("traffic"));
        batches.retain(|batch| batch.time.plus(-sketch.grain.millis()) >= exists.start);
        let person = member.number + 1;
        let entry = KeyEntry {
            key: names.key.clone(),
            account: member.account.clone(),
            project: Some(project.to_owned()),
            provider: provider.to_owned(),
            environment: Some(sketch.environment.to_owned()),
            owner: Some(if sketch.personal {
                format!("person-{person}@{}.example", member.account)
            } else {
                format!("team-{project}@{}.example", member.account)
            }),
            created: Some(created),
            vendors: member.vendors.clone(),
            allowed_models: if ruled {
                allowed_models(&owner)
            } else {
                Vec::new()
            },
            allowed_cidrs: if ruled {
                owner.book.cidrs()
            } else {
                Vec::new()
            },
            ..KeyEntry::default()
        };
        let key = Key {
            names,
            uid: (identity >> 32) as u32,
            class: kind,
            grain: sketch.grain,
            discount_permille: paper.random_range(550..=1000),
        };
        Self {
            key,
            entry,
            zone: sketch.zone,
            office_hours: sketch.office_hours,
            exists,
            owner,
            batches,
            lost: Vec::new(),
            successor: None,
        }
    }

    /// Makes another key of the same owner, which nobody uses yet.
    pub(crate) fn next_key(&self, created: Timestamp, rng: &mut Rng) -> Self {
        let identity = rng.random::<u64>();
        let old = &self.key.names;
        let names = Arc::new(KeyNames {
            key: format!("key_{:012x}", identity >> 16),
            account: old.account.clone(),
            project: old.project.clone(),
            provider: old.provider,
        });
        Self {
            entry: KeyEntry {
                key: names.key.clone(),
                created: Some(created),
                ..self.entry.clone()
            },
            key: Key {
                names,
                uid: identity as u32,
                ..self.key
            },
            exists: Window {
                start: created,
                end: self.exists.end,
            },
            owner: self.owner.clone(),
            batches: Vec::new(),
            lost: self.lost.clone(),
            successor: None,
            ..*self
        }
    }

    /// Returns whether the owner sends anything in the ten days before `time`.
    pub(crate) fn is_in_use(&self, time: Timestamp) -> bool {
        let start = time.plus(-10 * Timestamp::DAY);
        self.count(Window { start, end: time }) > 0.0
    }

    /// Returns the owner's batches in `window`.
    pub(crate) fn within(&self, window: Window) -> &[Batch] {
        let from = self.batches.partition_point(|b| b.time < window.start);
        let to = self.batches.partition_point(|b| b.time < window.end);
        &self.batches[from..to.max(from)]
    }

    /// Returns how many requests the owner sends in `window`.
    pub(crate) fn count(&self, window: Window) -> f64 {
        let batches = self.within(window);
        batches.iter().map(|batch| f64::from(batch.requests)).sum()
    }

    /// Returns the owner's requests an hour from the beginning to `time`, nights included.
    pub(crate) fn mean_per_hour(&self, time: Timestamp) -> f64 {
        let window = Window {
            start: self.exists.start,
            end: time,
        };
        let millis = window.width_millis().max(Timestamp::HOUR);
        self.count(window) * Timestamp::HOUR as f64 / millis as f64
    }

    /// Returns the share of hours before `time` in which the owner sends anything.
    pub(crate) fn active_hours(&self, time: Timestamp) -> f64 {
        let window = Window {
            start: self.exists.start,
            end: time,
        };
        let hour_of = |batch: &Batch| batch.time.floor_to(Timestamp::HOUR);
        let batches = self
            .within(window)
            .chunk_by(|a, b| hour_of(a) == hour_of(b));
        let hours = window.width_millis().max(Timestamp::HOUR) / Timestamp::HOUR;
        batches.count() as f64 / hours as f64
    }

    /// Returns whether the key serves production.
    pub(crate) fn is_production(&self) -> bool {
        self.entry.environment.as_deref() == Some("prod")
    }

    /// Returns the owner's requests an hour before `time` on working days between 9 and 17.
    pub(crate) fn daytime_per_hour(&self, time: Timestamp) -> f64 {
        let by_day = (self.zone.day(self.exists.start)..self.zone.day(time))
            .filter(|day| !clock::day_is_weekend(*day))
            .map(|day| {
                self.count(Window {
                    start: self.zone.at(day, 9.0),
                    end: self.zone.at(day, 17.0),
                })
            });
        let (days, requests) =
            by_day.fold((0.0, 0.0), |(days, sum), count| (days + 1.0, sum + count));
        if days > 0.0 {
            requests / days / 8.0
        } else {
            0.0
        }
    }

    /// Returns the owner's requests by local hour before `time`: those of working days, then
    /// those of weekends, each as a mean per hour.
    pub(crate) fn daily_curve(&self, time: Timestamp) -> [[f64; 24]; 2] {
        let mut curve = [[0.0; 24]; 2];
        let window = Window {
            start: self.exists.start,
            end: time,
        };
        for batch in self.within(window) {
            let middle = batch.time.plus(-self.key.grain.millis() / 2);
            let weekend = usize::from(self.zone.is_weekend(middle));
            curve[weekend][self.zone.hour(middle) as usize] += f64::from(batch.requests);
        }
        let days = self.zone.day(self.exists.start)..self.zone.day(time);
        let weekend_days = days
            .clone()
            .filter(|day| clock::day_is_weekend(*day))
            .count();
        let working_days = days.count() - weekend_days;
        for (row, days) in curve.iter_mut().zip([working_days, weekend_days]) {
            row.iter_mut().for_each(|sum| *sum /= days.max(1) as f64);
        }
        curve
    }
}

/// Most keys are older than the run; a few are made in its first weeks.
fn draw_creation(rng: &mut Rng, span: Window, long_lived: bool) -> Timestamp {
    let is_new = chance::happens(rng, 0.04);
    let days_after = chance::between(rng, 2.0, 16.0);
    let days_before = chance::log_between(rng, 10.0, 700.0);
    let days = if is_new && !long_lived {
        days_after
    } else {
        -days_before
    };
    let created = span.start.plus(clock::hours(days * 24.0));
    created.floor_to(Timestamp::MINUTE)
}

fn allowed_models(owner: &Caller) -> Vec<String> {
    let second = owner.second.map(|(model, _)| model);
    let models = std::iter::once(owner.model).chain(second);
    models.map(|model| model.name.to_owned()).collect()
}
