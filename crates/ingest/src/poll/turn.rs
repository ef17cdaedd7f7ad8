//! One turn of one feed: pages until there are no more, records, and the position behind them.

use model::Timestamp;

use super::PollError;
use super::api::Api;
use super::feed::{Buckets, Kind, Provider};
use super::page::{self, Outgoing, Page};
use super::poller::{FeedReport, FeedState, PollDoors};
use super::seen::Seen;

/// Events are asked for in slices of this length, so that a long absence is made up for bit by
/// bit, each bit with a position of its own.
const SLICE_MILLIS: i64 = Timestamp::DAY;

/// One turn of one feed.
pub(super) struct Turn<'t> {
    pub(super) provider: Provider,
    pub(super) topic: &'t str,
    pub(super) api: &'t mut Api,
    pub(super) doors: &'t PollDoors,
    pub(super) state: &'t mut FeedState,
    pub(super) report: &'t mut FeedReport,
}

impl Turn<'_> {
    /// Reads the feed as far as this turn goes.
    pub(super) async fn read(mut self) -> Result<(), PollError> {
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
                let events = page.data.into_iter();
                let events = events.map(|event| page::of_event(self.provider, event, from));
                let mut outgoing: Vec<_> = events.collect();
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
            let keys = page.data.into_iter();
            let keys = keys.map(|key| page::of_key(self.provider, key, project));
            self.produce(keys.collect()).await?;
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
