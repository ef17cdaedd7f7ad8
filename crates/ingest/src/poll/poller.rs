//! One provider's feeds, read one after the other.

use std::sync::Arc;
use std::time::Duration;

use model::{Clock, PollPositions, RecordSink, Timestamp};
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::api::Api;
use super::feed::{self, Feed, Kind, Provider};
use super::seen::Seen;
use super::turn::Turn;
use super::{AnthropicPollConfig, OpenaiPollConfig, PollConfig, PollError, PollLimits, Sleep};
use crate::http::{Http, checked_url};

/// What a poller works with.
#[derive(Clone)]
pub struct PollDoors {
    /// Where records go.
    pub sink: Arc<dyn RecordSink>,
    /// Where positions are kept.
    pub positions: Arc<dyn PollPositions>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// How waiting is done.
    pub sleep: Arc<dyn Sleep>,
    /// What the jitter of pauses is drawn from.
    pub seed: u64,
}

/// What one turn of a feed brought.
#[derive(Debug)]
pub struct FeedReport {
    /// The feed, such as "openai/usage/completions".
    pub feed: String,
    /// Pages that were read.
    pub pages: u32,
    /// Records that were produced.
    pub records: usize,
    /// Records that said what they had said before, and were not.
    pub unchanged: usize,
    /// Whether there is more to read at once.
    pub more: bool,
    /// Why it was not read to its end.
    pub error: Option<PollError>,
}

/// How a feed stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeedStatus {
    /// The feed, such as "openai/usage/completions".
    pub feed: String,
    /// When it was read to its end last.
    pub last_success: Option<Timestamp>,
    /// Everything before it was produced; lists have none.
    pub read_to: Option<Timestamp>,
    /// Records that were produced since the start.
    pub records: u64,
    /// Why the last turn failed, if it did.
    pub error: Option<String>,
}

/// Reads the feeds of one organisation and produces them.
///
/// Feeds have turns one after the other, because a provider counts requests of them all together.
pub struct Poller {
    provider: Provider,
    topic: String,
    api: Api,
    doors: PollDoors,
    refused_pause_millis: i64,
    feeds: Vec<FeedState>,
    statuses: watch::Sender<Vec<FeedStatus>>,
}

/// A feed between its turns.
pub(super) struct FeedState {
    pub(super) feed: Feed,
    /// Read from its store at the first turn.
    pub(super) seen: Option<Seen>,
    /// The position as it was stored last.
    pub(super) stored: Option<String>,
    /// When its next turn is, in milliseconds.
    due: i64,
}

impl Poller {
    /// Makes a poller for each provider that is enabled; connects to nothing.
    ///
    /// # Errors
    /// [`PollError::Config`] when a setting does not do; one that is not enabled is not looked at.
    pub fn enabled(config: &PollConfig, doors: &PollDoors) -> Result<Vec<Self>, PollError> {
        let mut pollers = Vec::new();
        if config.openai.enabled {
            pollers.push(Self::openai(&config.openai, doors.clone())?);
        }
        if config.anthropic.enabled {
            pollers.push(Self::anthropic(&config.anthropic, doors.clone())?);
        }
        Ok(pollers)
    }

    /// Makes a poller of an OpenAI organisation.
    ///
    /// # Errors
    /// [`PollError::Config`] when a setting does not do.
    pub fn openai(config: &OpenaiPollConfig, doors: PollDoors) -> Result<Self, PollError> {
        let key = config.admin_key.expose().trim();
        let bearer = format!("Bearer {key}");
        let headers = vec![(AUTHORIZATION, header("openai", key, &bearer)?)];
        let feeds = feed::openai(config)?;
        let (url, limits) = (&config.base_url, &config.limits);
        Self::new(
            Provider::Openai,
            url,
            &config.topic,
            key,
            headers,
            feeds,
            limits,
            doors,
        )
    }

    /// Makes a poller of an Anthropic organisation.
    ///
    /// # Errors
    /// [`PollError::Config`] when a setting does not do.
    pub fn anthropic(config: &AnthropicPollConfig, doors: PollDoors) -> Result<Self, PollError> {
        let key = config.admin_key.expose().trim();
        let headers = vec![
            (
                HeaderName::from_static("x-api-key"),
                header("anthropic", key, key)?,
            ),
            (
                HeaderName::from_static("anthropic-version"),
                HeaderValue::from_static("2023-06-01"),
            ),
        ];
        let feeds = feed::anthropic(config)?;
        let (url, limits) = (&config.base_url, &config.limits);
        Self::new(
            Provider::Anthropic,
            url,
            &config.topic,
            key,
            headers,
            feeds,
            limits,
            doors,
        )
    }

    #[allow(clippy::too_many_arguments, reason = "two callers, right above")]
    fn new(
        provider: Provider,
        base_url: &str,
        topic: &str,
        key: &str,
        headers: Vec<(HeaderName, HeaderValue)>,
        feeds: Vec<Feed>,
        limits: &PollLimits,
        doors: PollDoors,
    ) -> Result<Self, PollError> {
        let who = provider.name();
        let refused = |field: &str, reason: &str| PollError::Config {
            field: format!("poll.{who}.{field}"),
            reason: reason.to_owned(),
        };
        if topic.is_empty() {
            return Err(refused("topic", "it is empty"));
        }
        if !(1..=600).contains(&limits.timeout_secs) {
            return Err(refused(
                "limits.timeout_secs",
                "it must lie between 1 and 600",
            ));
        }
        let positive = limits.max_pages > 0 && limits.max_attempts > 0 && limits.max_body_bytes > 0;
        if !positive {
            return Err(refused("limits", "a bound of 0 lets nothing through"));
        }
        let base_url = checked_url(base_url).map_err(|reason| refused("base_url", reason))?;
        let http = Http::new(
            who,
            &base_url,
            Duration::from_secs(limits.timeout_secs),
            headers,
            vec![key.to_owned()],
            limits.max_body_bytes,
        )
        .map_err(PollError::HttpClient)?;
        let api = Api::new(provider, http, base_url, limits.clone(), &doors);
        let states = feeds.into_iter().map(|feed| FeedState {
            feed,
            seen: None,
            stored: None,
            due: i64::MIN,
        });
        let feeds: Vec<_> = states.collect();
        let statuses = feeds.iter().map(|state| FeedStatus {
            feed: state.feed.name.clone(),
            ..FeedStatus::default()
        });
        Ok(Self {
            provider,
            topic: topic.to_owned(),
            api,
            statuses: watch::Sender::new(statuses.collect()),
            doors,
            refused_pause_millis: i64::try_from(limits.refused_pause_secs)
                .unwrap_or(i64::MAX)
                .saturating_mul(Timestamp::SECOND),
            feeds,
        })
    }

    /// Returns the provider, as events spell it.
    pub fn name(&self) -> &'static str {
        self.provider.name()
    }

    /// Returns how the feeds stand, also while they are read.
    pub fn statuses(&self) -> watch::Receiver<Vec<FeedStatus>> {
        self.statuses.subscribe()
    }

    /// Asks each feed for its smallest page and produces nothing, for `spikewatch check`.
    ///
    /// It has the patience of the settings: set `limits.max_attempts` to 1 for a quick answer.
    pub async fn probe(&mut self) -> Vec<(String, Result<(), PollError>)> {
        let now = self.doors.clock.now().millis();
        let mut outcomes = Vec::new();
        for state in &self.feeds {
            let feed = &state.feed;
            let mut query = match &feed.kind {
                Kind::Buckets(report) => {
                    let from = now - 2 * report.width_millis;
                    self.provider.report_query(report, from)
                }
                Kind::Events => self.provider.events_query(now - Timestamp::HOUR, None),
                Kind::Keys | Kind::ProjectKeys => Vec::new(),
            };
            query.push(("limit".to_owned(), "1".to_owned()));
            let outcome = self.api.page(&feed.name, &feed.path, &query).await;
            outcomes.push((feed.name.clone(), outcome.map(|_| ())));
        }
        outcomes
    }

    /// Gives every feed turns until it has been read to its end or has failed.
    ///
    /// A key that is not accepted ends it: the other feeds have the same.
    pub async fn poll_once(&mut self) -> Vec<FeedReport> {
        let mut reports = Vec::new();
        for index in 0..self.feeds.len() {
            loop {
                let report = self.turn(index).await;
                let (more, ends) = (report.more, is_unauthorized(&report));
                reports.push(report);
                if ends {
                    return reports;
                }
                if !more {
                    break;
                }
            }
        }
        reports
    }

    /// Gives each feed its turn when it is due, until it is told to stop.
    ///
    /// Stopping in the middle of a turn loses nothing: what was produced is known by its ids, and
    /// a position is stored only behind it.
    pub async fn run(&mut self, cancel: &CancellationToken) {
        loop {
            let due = self.feeds.iter().map(|state| state.due).enumerate();
            let Some((index, due)) = due.min_by_key(|(_, due)| *due) else {
                return cancel.cancelled().await;
            };
            let wait = due.saturating_sub(self.doors.clock.now().millis());
            if let Ok(wait @ 1..) = u64::try_from(wait) {
                tokio::select! {
                    () = cancel.cancelled() => return,
                    () = self.doors.sleep.sleep(Duration::from_millis(wait)) => continue,
                }
            }
            tokio::select! {
                biased;
                () = cancel.cancelled() => return,
                _ = self.turn(index) => {}
            }
        }
    }

    /// Gives one feed its turn, and says when the next one is.
    async fn turn(&mut self, index: usize) -> FeedReport {
        let mut report = FeedReport {
            feed: self.feeds[index].feed.name.clone(),
            pages: 0,
            records: 0,
            unchanged: 0,
            more: false,
            error: None,
        };
        let read = Turn {
            provider: self.provider,
            topic: &self.topic,
            api: &mut self.api,
            doors: &self.doors,
            state: &mut self.feeds[index],
            report: &mut report,
        };
        let outcome = read.read().await;
        report.error = outcome.err();
        report.more &= report.error.is_none();
        self.settle(index, &report);
        report
    }

    /// Says when the next turns are, and how the feed stands.
    fn settle(&mut self, index: usize, report: &FeedReport) {
        let now = self.doors.clock.now().millis();
        let state = &mut self.feeds[index];
        state.due = now.saturating_add(if report.more {
            0
        } else {
            state.feed.every_millis
        });
        let mut pause_of_all = 0;
        match &report.error {
            Some(PollError::Unavailable {
                retry_after: Some(pause),
                ..
            }) => pause_of_all = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX),
            Some(err) if !err.is_transient() => {
                let refused = now.saturating_add(self.refused_pause_millis);
                state.due = state.due.max(refused);
                if is_unauthorized(report) {
                    pause_of_all = self.refused_pause_millis;
                }
            }
            _ => {}
        }
        let read_to = state.seen.as_ref().and_then(|seen| seen.next);
        if pause_of_all > 0 {
            for state in &mut self.feeds {
                state.due = state.due.max(now.saturating_add(pause_of_all));
            }
        }
        self.statuses.send_modify(|statuses| {
            let status = &mut statuses[index];
            status.records += report.records as u64;
            status.read_to = read_to.map(Timestamp::from_millis);
            let before = status.error.take();
            match &report.error {
                None => status.last_success = Some(Timestamp::from_millis(now)),
                Some(err) => status.error = Some(chain(err)),
            }
            tell(report, before.is_some());
        });
    }
}

fn is_unauthorized(report: &FeedReport) -> bool {
    matches!(report.error, Some(PollError::Refused { status: 401, .. }))
}

fn tell(report: &FeedReport, failed_before: bool) {
    let FeedReport {
        feed,
        records,
        unchanged,
        pages,
        ..
    } = report;
    match &report.error {
        None if failed_before => info!(feed, records, "feed is read again"),
        None => debug!(feed, records, unchanged, pages, "feed was read"),
        Some(err) if err.is_transient() => warn!(feed, "could not read feed: {}", chain(err)),
        Some(err) => error!(feed, "could not read feed: {}", chain(err)),
    }
}

/// Writes an error with its causes on one line.
fn chain(err: &PollError) -> String {
    let mut text = err.to_string();
    let mut cause = std::error::Error::source(err);
    while let Some(err) = cause {
        text.push_str(": ");
        text.push_str(&err.to_string());
        cause = err.source();
    }
    text
}

/// Makes a header of the admin key.
fn header(who: &str, key: &str, value: &str) -> Result<HeaderValue, PollError> {
    let refused = |reason: &str| PollError::Config {
        field: format!("poll.{who}.admin_key"),
        reason: reason.to_owned(),
    };
    if key.is_empty() {
        return Err(refused("it is empty"));
    }
    HeaderValue::from_str(value).map_err(|_| refused("it is not printable ASCII"))
}
