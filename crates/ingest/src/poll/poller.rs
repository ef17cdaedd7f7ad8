//! One provider's feeds, read one after the other.

use std::sync::Arc;
use std::time::Duration;

use model::{Clock, PollPositions, RecordSink, Timestamp};
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::api::Api;
use super::feed::{self, Buckets, Feed, Kind, Provider};
use super::page::{self, Outgoing, Page};
use super::seen::Seen;
use super::{AnthropicPollConfig, OpenaiPollConfig, PollConfig, PollError, PollLimits, Sleep};
use crate::http::{Http, checked_url};

/// Events are asked for in slices of this length, so that a long absence is made up for bit by
/// bit, each bit with a position of its own.
const SLICE_MILLIS: i64 = Timestamp::DAY;

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

struct FeedState {
    feed: Feed,
    /// Read from its store at the first turn.
    seen: Option<Seen>,
    /// The position as it was stored last.
    stored: Option<String>,
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

/// One turn of one feed.
struct Turn<'t> {
    provider: Provider,
    topic: &'t str,
    api: &'t mut Api,
    doors: &'t PollDoors,
    state: &'t mut FeedState,
    report: &'t mut FeedReport,
}

impl Turn<'_> {
    async fn read(mut self) -> Result<(), PollError> {
        if self.state.seen.is_none() {
            self.restore().await?;
        }
        match self.state.feed.kind.clone() {
            Kind::Buckets(report) => self.buckets(&report).await,
            Kind::Events => self.events().await,
            Kind::Keys => {
                let path = self.state.feed.path.clone();
                self.keys(&path, None).await
            }
            Kind::ProjectKeys => self.project_keys().await,
        }
    }

    /// Reads the position; lists have none.
    async fn restore(&mut self) -> Result<(), PollError> {
        let feed = &self.state.feed;
        let stored = match feed.kind {
            Kind::Keys | Kind::ProjectKeys => None,
            Kind::Buckets(_) | Kind::Events => {
                let read = self.doors.positions.position(&feed.name).await;
                read.map_err(|source| self.position_error(source))?
            }
        };
        let max_remembered = self.api.limits().max_remembered;
        self.state.seen = Some(Seen::read(stored.as_deref(), max_remembered));
        self.state.stored = stored;
        Ok(())
    }

    fn position_error(&self, source: model::StoreError) -> PollError {
        PollError::Position {
            feed: self.state.feed.name.clone(),
            source,
        }
    }

    fn seen(&mut self) -> &mut Seen {
        self.state
            .seen
            .get_or_insert_with(|| Seen::read(None, usize::MAX))
    }

    /// Reads a report from its position on, less the overlap.
    async fn buckets(&mut self, report: &Buckets) -> Result<(), PollError> {
        let now = self.doors.clock.now().millis();
        let open = now - now.rem_euclid(report.width_millis);
        let feed = &self.state.feed;
        let (overlap, back, path) = (feed.overlap_millis, feed.back_millis, feed.path.clone());
        let from = self.seen().next.map_or(now.saturating_sub(back), |next| {
            next.min(open).saturating_sub(overlap)
        });
        let from = from.max(Timestamp::EARLIEST.millis());
        let from = from - from.rem_euclid(report.width_millis);
        let (mut limit, mut cursor) = (report.limit, None::<String>);
        loop {
            let mut query = self.provider.report_query(report, from);
            query.extend(cursor.clone().map(|cursor| ("page".to_owned(), cursor)));
            let page = self.sized_page(&path, query, &mut limit).await?;
            let mut outgoing = Vec::new();
            let mut read_to = None;
            for bucket in page.data {
                let span = page::span(self.provider, &bucket);
                let span = span.ok_or_else(|| self.no_page("a bucket has no times"))?;
                let of_bucket = page::of_bucket(self.provider, bucket, span);
                let of_bucket = of_bucket.ok_or_else(|| self.no_page("a bucket has no results"));
                outgoing.extend(of_bucket?);
                read_to = read_to.max(Some(span.end));
            }
            self.produce(outgoing).await?;
            let last = !page.has_more;
            if let Some(read_to) = if last { Some(open) } else { read_to } {
                self.seen().advance(read_to.min(open));
            }
            if last {
                self.seen().forget_before(from);
            }
            self.store().await?;
            if last {
                return Ok(());
            }
            cursor = Some(self.next_cursor(cursor, page.next_page)?);
            if self.report.pages >= self.api.limits().max_pages {
                // The next turn goes on from the position; it would not if a page of the overlap
                // alone took all of this one.
                self.report.more = self.seen().next.is_some_and(|next| next - overlap > from);
                return if self.report.more {
                    Ok(())
                } else {
                    Err(self.endless("there are more than `max_pages`"))
                };
            }
        }
    }

    /// Reads events from the position on, less the overlap, a slice at a time.
    async fn events(&mut self) -> Result<(), PollError> {
        let now = self.doors.clock.now().millis();
        let feed = &self.state.feed;
        let (overlap, back, path) = (feed.overlap_millis, feed.back_millis, feed.path.clone());
        let from = self.seen().next.map_or(now.saturating_sub(back), |next| {
            next.min(now).saturating_sub(overlap)
        });
        let mut from = from.max(Timestamp::EARLIEST.millis());
        from -= from.rem_euclid(Timestamp::SECOND);
        let mut limit = 100;
        loop {
            let end = Some(from + SLICE_MILLIS).filter(|end| *end <= now);
            let mut cursor = None::<String>;
            let mut pages = 0;
            loop {
                let mut query = self.provider.events_query(from, end);
                query.extend(
                    cursor
                        .clone()
                        .map(|id| (self.provider.after().to_owned(), id)),
                );
                let page = self.sized_page(&path, query, &mut limit).await?;
                let (has_more, last_id) = (page.has_more, page.last_id());
                let mut outgoing = Vec::new();
                for event in page.data {
                    let record = page::of_event(self.provider, event);
                    outgoing.push(record.ok_or_else(|| self.no_page("an event has no id"))?);
                }
                // The feed is newest first; within a page it is turned round.
                outgoing.reverse();
                self.produce(outgoing).await?;
                if !has_more {
                    break;
                }
                cursor = Some(self.next_cursor(cursor, last_id)?);
                pages += 1;
                if pages >= self.api.limits().max_pages {
                    return Err(self.endless("there are more than `max_pages` in a day"));
                }
            }
            self.seen().advance(end.unwrap_or(now));
            let horizon = end
                .unwrap_or(now)
                .saturating_sub(overlap + Timestamp::SECOND);
            self.seen().forget_before(horizon);
            self.store().await?;
            match end {
                Some(end) => from = end,
                None => return Ok(()),
            }
        }
    }

    /// Reads the keys of every project.
    async fn project_keys(&mut self) -> Result<(), PollError> {
        let path = self.state.feed.path.clone();
        let (mut limit, mut cursor) = (self.provider.list_limit(), None::<String>);
        loop {
            let after = cursor
                .clone()
                .map(|id| (self.provider.after().to_owned(), id));
            let query = after.into_iter().collect();
            let page = self.sized_page(&path, query, &mut limit).await?;
            for project in &page.data {
                let id = page::text(project, "id");
                let id = id.ok_or_else(|| self.no_page("a project has no id"))?;
                let mut path = path.clone();
                path.extend([id.clone(), "api_keys".to_owned()]);
                match self.keys(&path, Some(&id)).await {
                    // It was archived in between.
                    Err(PollError::Refused { status: 404, .. }) => {}
                    outcome => outcome?,
                }
            }
            if !page.has_more {
                return Ok(());
            }
            cursor = Some(self.next_cursor(cursor, page.last_id())?);
        }
    }

    /// Reads a list of keys.
    async fn keys(&mut self, path: &[String], project: Option<&str>) -> Result<(), PollError> {
        let (mut limit, mut cursor) = (self.provider.list_limit(), None::<String>);
        let mut pages = 0;
        loop {
            let after = cursor
                .clone()
                .map(|id| (self.provider.after().to_owned(), id));
            let query = after.into_iter().collect();
            let page = self.sized_page(path, query, &mut limit).await?;
            let (has_more, last_id) = (page.has_more, page.last_id());
            let mut outgoing = Vec::new();
            for key in page.data {
                let record = page::of_key(key, project);
                outgoing.push(record.ok_or_else(|| self.no_page("a key has no id"))?);
            }
            self.produce(outgoing).await?;
            if !has_more {
                return Ok(());
            }
            cursor = Some(self.next_cursor(cursor, last_id)?);
            pages += 1;
            if pages >= self.api.limits().max_pages {
                return Err(self.endless("there are more than `max_pages`"));
            }
        }
    }

    /// Asks for a page; for a smaller one where it is too long.
    async fn sized_page(
        &mut self,
        path: &[String],
        query: Vec<(String, String)>,
        limit: &mut u32,
    ) -> Result<Page, PollError> {
        loop {
            let mut query = query.clone();
            query.push(("limit".to_owned(), limit.to_string()));
            let feed = &self.state.feed.name;
            self.report.pages += 1;
            match self.api.page(feed, path, &query).await {
                Err(PollError::TooLarge { .. }) if *limit > 1 => *limit /= 2,
                outcome => return outcome,
            }
        }
    }

    /// Returns the next cursor, unless it leads nowhere.
    fn next_cursor(
        &self,
        before: Option<String>,
        next: Option<String>,
    ) -> Result<String, PollError> {
        match next.filter(|next| !next.is_empty()) {
            None => Err(self.endless("there is more, and no cursor to it")),
            next if next == before => Err(self.endless("a cursor leads to itself")),
            Some(next) => Ok(next),
        }
    }

    /// Produces what was not produced before, and remembers it once it is acknowledged.
    async fn produce(&mut self, mut outgoing: Vec<Outgoing>) -> Result<(), PollError> {
        let all = outgoing.len();
        let seen = self.seen();
        outgoing.retain(|record| !seen.has(record.mark));
        self.report.unchanged += all - outgoing.len();
        if outgoing.is_empty() {
            return Ok(());
        }
        let marks: Vec<_> = outgoing.iter().map(|record| record.mark).collect();
        let records = outgoing
            .into_iter()
            .map(|record| (record.key, record.payload));
        let records: Vec<_> = records.collect();
        let appended = self.doors.sink.append(self.topic, &records).await;
        appended.map_err(|source| PollError::Produce {
            feed: self.state.feed.name.clone(),
            source,
        })?;
        self.report.records += records.len();
        for mark in marks {
            self.seen().insert(mark);
        }
        Ok(())
    }

    /// Stores the position, if it is another one.
    async fn store(&mut self) -> Result<(), PollError> {
        let text = self.seen().text();
        if text.is_none() || text == self.state.stored {
            return Ok(());
        }
        let (name, now) = (&self.state.feed.name, self.doors.clock.now());
        let positions = &self.doors.positions;
        let stored = positions.set_position(name, text.as_deref().unwrap_or_default(), now);
        stored.await.map_err(|source| self.position_error(source))?;
        self.state.stored = text;
        Ok(())
    }

    fn endless(&self, reason: &'static str) -> PollError {
        PollError::Endless {
            feed: self.state.feed.name.clone(),
            reason,
        }
    }

    fn no_page(&self, reason: &str) -> PollError {
        PollError::Unavailable {
            who: self.provider.name(),
            feed: self.state.feed.name.clone(),
            reason: format!("the answer is no page: {reason}"),
            retry_after: None,
        }
    }
}
