//! What the pipeline shows to queries beside usage: baselines, scores, prices, and how
//! feeds are doing.

use std::collections::VecDeque;
use std::sync::Arc;

use codec::{Codec, Price};
use columns::{LiveTable, Table, TableSource};
use detector::Usual;
use model::{Anomaly, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};
use tracing::warn;

use crate::feeds::Feeds;

/// Of more keys than this no more baselines are shown: each is three rows.
pub(crate) const BASELINES_MAX: usize = 50_000;

/// How many prices are shown.
const PRICES_MAX: usize = 10_000;

/// How many scores are shown: the newest.
const SCORES_MAX: usize = 20_000;

/// The tables that a running pipeline fills.
#[derive(Clone)]
pub struct LiveTables {
    baselines: LiveTable,
    scores: LiveTable,
    feed_health: LiveTable,
    prices: LiveTable,
}

impl Default for LiveTables {
    fn default() -> Self {
        Self {
            baselines: LiveTable::new(Table::Baselines),
            scores: LiveTable::new(Table::Scores),
            feed_health: LiveTable::new(Table::FeedHealth),
            prices: LiveTable::new(Table::Prices),
        }
    }
}

impl LiveTables {
    /// Returns the tables as queries see them.
    pub fn sources(&self) -> Vec<Arc<dyn TableSource>> {
        let tables = [
            &self.baselines,
            &self.scores,
            &self.feed_health,
            &self.prices,
        ];
        tables
            .map(|table| Arc::new(table.clone()) as Arc<dyn TableSource>)
            .into()
    }

    /// Shows what is usual for keys. Making columns of it is done beside the loop.
    pub(crate) fn set_baselines(&self, usual: Vec<Usual>) {
        let table = self.baselines.clone();
        tokio::task::spawn_blocking(move || {
            let rows: Vec<Value> = usual.iter().map(baseline).collect();
            set(&table, Table::Baselines, &rows);
        });
    }

    /// Shows the scores of judged windows that are new since the last time.
    pub(crate) fn set_scores(&self, scores: &mut Scores) {
        if !std::mem::take(&mut scores.is_new) {
            return;
        }
        let (table, newest) = (self.scores.clone(), scores.newest.clone());
        tokio::task::spawn_blocking(move || {
            let rows: Vec<ScoreRow<'_>> = newest.iter().map(ScoreRow::from).collect();
            set(&table, Table::Scores, &rows);
        });
    }

    /// Shows the prices of what was used.
    ///
    /// Names of models come from events: there may be many, and listing them is done beside the loop.
    pub(crate) fn set_prices(&self, codec: Codec, now: Timestamp) {
        #[derive(Serialize)]
        struct Row<'p> {
            #[serde(flatten)]
            price: &'p Price,
            known_at: Timestamp,
        }
        let table = self.prices.clone();
        tokio::task::spawn_blocking(move || {
            let prices = codec.prices();
            let rows: Vec<Row<'_>> = prices
                .iter()
                .take(PRICES_MAX)
                .map(|price| Row {
                    price,
                    known_at: now,
                })
                .collect();
            set(&table, Table::Prices, &rows);
        });
    }

    /// Shows how the partitions are doing.
    pub(crate) fn set_feed_health(&self, feeds: &Feeds, now: Timestamp) {
        let rows = feeds.rows(now);
        set(&self.feed_health, Table::FeedHealth, &rows);
    }
}

fn set(table: &LiveTable, of: Table, rows: &[impl Serialize]) {
    match of.batch(rows) {
        Ok(batch) => table.set(batch),
        Err(error) => warn!(%error, table = of.name(), "could not show a table"),
    }
}

fn baseline(usual: &Usual) -> Value {
    let [expected_10m, expected_1h, expected_24h] = usual.expected;
    let [highest_10m, highest_1h] = usual.highest.map_or([None; 2], |highest| highest.map(Some));
    json!({
        "key_id": &usual.entity.key,
        "account": &usual.entity.account,
        "provider": &usual.entity.provider,
        "metric": usual.metric.as_str(),
        "class": usual.class,
        "feed_minutes": usual.feed_minutes,
        "known_since": usual.known_since,
        "expected_10m": expected_10m,
        "expected_1h": expected_1h,
        "expected_24h": expected_24h,
        "recent_1h": usual.recent_hour,
        "highest_10m": highest_10m,
        "highest_1h": highest_1h,
        "known_at": usual.as_of,
    })
}

/// The score of one judged window, as the table of scores has it.
#[derive(Debug, Serialize)]
pub struct ScoreRow<'a> {
    key_id: &'a str,
    account: &'a str,
    provider: &'a str,
    metric: &'static str,
    window_start: Timestamp,
    window_end: Timestamp,
    observed: f64,
    expected: f64,
    expected_low: f64,
    expected_high: f64,
    p_value: f64,
    neg_log_p: f64,
    score: f64,
    known_at: Timestamp,
}

impl<'a> From<&'a Anomaly> for ScoreRow<'a> {
    fn from(anomaly: &'a Anomaly) -> Self {
        Self {
            key_id: &anomaly.entity.key,
            account: &anomaly.entity.account,
            provider: &anomaly.entity.provider,
            metric: anomaly.metric.as_str(),
            window_start: anomaly.window.start,
            window_end: anomaly.window.end,
            observed: anomaly.observed,
            expected: anomaly.expected,
            expected_low: anomaly.expected_low,
            expected_high: anomaly.expected_high,
            p_value: (-anomaly.neg_log_p).exp(),
            neg_log_p: anomaly.neg_log_p,
            score: anomaly.score,
            known_at: anomaly.judged_at,
        }
    }
}

/// The newest scores of judged windows.
#[derive(Debug, Default)]
pub(crate) struct Scores {
    newest: VecDeque<Anomaly>,
    is_new: bool,
}

impl Scores {
    pub(crate) fn extend(&mut self, scores: Vec<Anomaly>) {
        self.is_new |= !scores.is_empty();
        self.newest.extend(scores);
        let surplus = self.newest.len().saturating_sub(SCORES_MAX);
        self.newest.drain(..surplus);
    }
}
