//! The tables that the casebook feeds: their schemas, and model words to columns.

use std::io::Cursor;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_json::ReaderBuilder;
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use serde::Serialize;

use crate::Error;

/// A table of SQL that is not usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// Alerts, one row each, at their newest revision.
    Alerts,
    /// Incidents.
    Incidents,
    /// Actions on keys.
    Actions,
    /// The audit chain.
    Audit,
    /// The key inventory.
    Keys,
    /// Records that could not be read.
    DeadLetters,
    /// Announced and accepted changes, and notices of vendors.
    Changes,
    /// Scores of judged windows.
    Scores,
    /// What is usual for each key, as the detector has learned it.
    Baselines,
    /// How each partition that is read is doing.
    FeedHealth,
    /// What models cost that were used.
    Prices,
}

impl Table {
    /// Every table that the casebook keeps.
    pub const KEPT: [Table; 7] = [
        Table::Alerts,
        Table::Incidents,
        Table::Actions,
        Table::Audit,
        Table::Keys,
        Table::DeadLetters,
        Table::Changes,
    ];

    /// Every table that a running service has in memory, beside usage.
    pub const LIVE: [Table; 4] = [
        Table::Baselines,
        Table::Scores,
        Table::FeedHealth,
        Table::Prices,
    ];

    /// Returns the name in SQL.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Alerts => "alerts",
            Self::Incidents => "incidents",
            Self::Actions => "actions",
            Self::Audit => "audit",
            Self::Keys => "keys",
            Self::DeadLetters => "dead_letters",
            Self::Changes => "changes",
            Self::Scores => "scores",
            Self::Baselines => "baselines",
            Self::FeedHealth => "feed_health",
            Self::Prices => "prices",
        }
    }

    /// Returns the schema.
    pub fn schema(self) -> SchemaRef {
        let fields = match self {
            Self::Alerts => alert_fields(),
            Self::Incidents => vec![
                text("incident_id"),
                text("account"),
                text("state"),
                text("severity"),
                time("first_seen"),
                time("last_seen"),
                int("keys"),
                money("cost_so_far_usd"),
                float("burn_usd_per_hour"),
                time("known_at"),
            ],
            Self::Actions => vec![
                text("action_id"),
                text("rung"),
                text("provider"),
                text("account"),
                text("key_id"),
                text("reason"),
                text("actor"),
                time("requested_at"),
                text("state"),
                text("status_before"),
                text("last_error"),
                time("known_at"),
            ],
            Self::Audit => vec![
                int("sequence"),
                time("time"),
                text("actor"),
                text("event"),
                text("subject"),
                text("details"),
                text("hash"),
                time("known_at"),
            ],
            Self::Keys => vec![
                text("key_id"),
                text("account"),
                text("project"),
                text("provider"),
                text("environment"),
                text("owner"),
                time("created"),
                list("vendors", DataType::Utf8),
                list("allowed_models", DataType::Utf8),
                list("allowed_cidrs", DataType::Utf8),
                text("replaces"),
                Field::new("break_glass", DataType::Boolean, true),
                time("known_at"),
            ],
            Self::DeadLetters => vec![
                text("reason"),
                text("detail"),
                text("topic"),
                int("partition"),
                int("offset"),
                time("record_time"),
                text("payload"),
                int("payload_bytes"),
                time("known_at"),
            ],
            Self::Scores => vec![
                text("key_id"),
                text("account"),
                text("provider"),
                text("metric"),
                time("window_start"),
                time("window_end"),
                float("observed"),
                float("expected"),
                float("expected_low"),
                float("expected_high"),
                float("p_value"),
                float("neg_log_p"),
                float("score"),
                time("known_at"),
            ],
            Self::Changes => vec![
                time("time"),
                text("type"),
                text("key_id"),
                text("account"),
                text("vendor"),
                text("details"),
                time("known_at"),
            ],
            Self::Baselines => vec![
                text("key_id"),
                text("account"),
                text("provider"),
                text("metric"),
                text("class"),
                int("feed_minutes"),
                time("known_since"),
                float("expected_10m"),
                float("expected_1h"),
                float("expected_24h"),
                float("recent_1h"),
                float("highest_10m"),
                float("highest_1h"),
                time("known_at"),
            ],
            Self::FeedHealth => vec![
                text("topic"),
                int("partition"),
                int("next_offset"),
                int("records"),
                int("rows"),
                int("dead_letters"),
                int("duplicates"),
                time("newest_event_time"),
                time("newest_known_at"),
                time("read_at"),
                Field::new("unreadable", DataType::Boolean, true),
                time("known_at"),
            ],
            Self::Prices => vec![
                text("provider"),
                text("model"),
                text("tier"),
                text("token_class"),
                int("above_input_tokens"),
                money("usd_per_million"),
                time("day"),
                text("version"),
                time("known_at"),
            ],
        };
        Arc::new(Schema::new(fields))
    }

    /// Turns rows into columns: each row is an object whose members are named like the columns.
    ///
    /// # Errors
    /// When a row does not fit the schema.
    pub fn batch(self, rows: &[impl Serialize]) -> Result<RecordBatch, Error> {
        let mut lines = Vec::new();
        for row in rows {
            serde_json::to_writer(&mut lines, row).map_err(|source| Error::Row {
                table: self.name(),
                source,
            })?;
            lines.push(b'\n');
        }
        let schema = self.schema();
        let mut reader = ReaderBuilder::new(schema.clone())
            .with_batch_size(rows.len().max(1))
            .build(Cursor::new(lines))?;
        match reader.next() {
            Some(batch) => Ok(batch?),
            None => Ok(RecordBatch::new_empty(schema)),
        }
    }
}

fn text(name: &str) -> Field {
    Field::new(name, DataType::Utf8, true)
}

fn int(name: &str) -> Field {
    Field::new(name, DataType::Int64, true)
}

fn float(name: &str) -> Field {
    Field::new(name, DataType::Float64, true)
}

fn money(name: &str) -> Field {
    Field::new(name, DataType::Decimal128(18, 9), true)
}

fn time(name: &str) -> Field {
    Field::new(
        name,
        DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
        true,
    )
}

fn list(name: &str, item: DataType) -> Field {
    Field::new(
        name,
        DataType::List(Arc::new(Field::new("item", item, true))),
        true,
    )
}

fn alert_fields() -> Vec<Field> {
    let evidence = Fields::from(vec![text("family"), text("text"), float("neg_log_p")]);
    let contributor = Fields::from(vec![
        text("dimension"),
        text("value"),
        float("share"),
        Field::new("first_seen", DataType::Boolean, true),
    ]);
    vec![
        text("alert_id"),
        int("revision"),
        time("raised_at"),
        text("entity_level"),
        text("key_id"),
        text("key_hint"),
        list("key_ids", DataType::Utf8),
        text("account"),
        text("project"),
        text("service"),
        text("provider"),
        text("vendor"),
        list("stored_with", DataType::Utf8),
        text("owner"),
        text("detector"),
        text("severity"),
        float("score"),
        float("p_value"),
        float("neg_log_p"),
        float("episodes_per_day"),
        text("metric"),
        time("window_start"),
        time("window_end"),
        float("observed"),
        float("expected"),
        float("expected_low"),
        float("expected_high"),
        list("evidence", DataType::Struct(evidence)),
        list("top_contributors", DataType::Struct(contributor)),
        text("incident_id"),
        time("first_seen"),
        money("cost_so_far_usd"),
        float("burn_usd_per_hour"),
        list("attack_techniques", DataType::Utf8),
        Field::new("ended", DataType::Boolean, true),
        time("known_at"),
    ]
}

#[cfg(test)]
mod tests {
    use arrow_array::Array;
    use arrow_array::cast::AsArray;
    use arrow_array::types::Decimal128Type;
    use model::{Incident, IncidentId, IncidentState, Nanos, Severity, Timestamp};

    use super::*;

    #[test]
    fn an_incident_becomes_a_row_with_exact_money() {
        let time = Timestamp::parse("2026-05-04T12:00:00Z").unwrap();
        let incident = Incident {
            incident_id: IncidentId::compute("acme", time),
            account: "acme".into(),
            state: IncidentState::Open,
            severity: Severity::High,
            first_seen: time,
            last_seen: time,
            keys: 2,
            cost_so_far_usd: Nanos::new(1_830_001),
            burn_usd_per_hour: 1.5,
        };
        let batch = Table::Incidents.batch(&[incident]).unwrap();
        let cost = batch.column_by_name("cost_so_far_usd").unwrap();
        assert_eq!(cost.as_primitive::<Decimal128Type>().value(0), 1_830_001);
        assert_eq!(
            batch
                .column_by_name("severity")
                .unwrap()
                .as_string::<i32>()
                .value(0),
            "high"
        );
    }

    #[test]
    fn every_table_has_an_empty_batch_of_its_schema() {
        for table in Table::KEPT.into_iter().chain(Table::LIVE) {
            let batch = table.batch(&[] as &[serde_json::Value]).unwrap();
            assert_eq!((batch.num_rows(), batch.schema()), (0, table.schema()));
            assert!(batch.columns().iter().all(|column| column.is_empty()));
        }
    }
}
