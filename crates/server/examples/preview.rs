//! Serves three invented incidents to look at: `cargo run -p server --example preview [PORT] [empty]`.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use casebook::Casebook;
use model::{
    Action, ActionId, ActionState, ActionStore, Alert, AlertId, Clock, Contributor, Detector,
    Entity, EntityLevel, Evidence, IncidentId, Metric, Nanos, Receipt, Rung, SeriesPoint, Severity,
    SystemClock, Timestamp,
};
use server::{AppState, ServerConfig, UnpricedModel, Vitals};
use tokio_util::sync::CancellationToken;

/// What makes one invented alert different from the next.
struct Story {
    account: &'static str,
    key: &'static str,
    provider: &'static str,
    metric: Metric,
    severity: Severity,
    usual: f64,
    spike: f64,
    began_hours_ago: i64,
    lasted_hours: i64,
    vendors: &'static [&'static str],
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().map_or(Ok(8080), |port| port.parse())?;
    let is_empty = arguments.next().is_some();
    let now = SystemClock.now();
    let casebook = Casebook::in_memory().await?;
    if !is_empty {
        fill(&casebook, now).await?;
    }
    let config = ServerConfig {
        allow_non_loopback: false,
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        ..ServerConfig::default()
    };
    let state = AppState {
        casebook,
        vitals: Arc::new(vitals(now)),
    };
    let server = server::bind(&config, state).await?;
    println!("http://{}/", server.local_addr());
    let cancel = CancellationToken::new();
    let on_signal = cancel.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            on_signal.cancel();
        }
    });
    server.serve(cancel).await?;
    Ok(())
}

fn vitals(now: Timestamp) -> Vitals {
    Vitals {
        started_at: now.plus(-3 * Timestamp::DAY),
        events: 184_203_551,
        events_per_second: 1_240.0,
        rows: 184_190_220,
        dead_letters: 12,
        duplicates: 4_310,
        alerts: 41,
        keys_tracked: 3_182,
        lag_records: Some(0),
        watermark: Some(now.plus(-7 * Timestamp::SECOND)),
        caught_up: true,
        last_checkpoint: Some(now.plus(-21 * Timestamp::SECOND)),
        history_rows: 184_190_220,
        state_bytes: 5_120_000,
        snapshots: 7,
        snapshot_failures: 1,
        snapshot_bytes: 4096,
        snapshot_seconds: 0.25,
        snapshot_pause_seconds: 0.02,
        rows_waiting: 1_200,
        rows_waiting_limit: 1_000_000,
        commit_seconds: 0.4,
        unreadable: Vec::new(),
        unpriced: vec![UnpricedModel {
            provider: "openai".to_owned(),
            model: "ft:support-bot".to_owned(),
            events: 812,
            tokens: 1_204_000,
        }],
        last_error: None,
        ..Vitals::default()
    }
}

async fn fill(casebook: &Casebook, now: Timestamp) -> Result<(), Box<dyn std::error::Error>> {
    let stories = [
        Story {
            account: "acme",
            key: "key_checkout_prod",
            provider: "openai",
            metric: Metric::Requests,
            severity: Severity::Critical,
            usual: 420.0,
            spike: 9_600.0,
            began_hours_ago: 6,
            lasted_hours: 6,
            vendors: &["braintrust", "langfuse"],
        },
        Story {
            account: "acme",
            key: "key_search_prod",
            provider: "anthropic",
            metric: Metric::Tokens,
            severity: Severity::High,
            usual: 1_800_000.0,
            spike: 21_000_000.0,
            began_hours_ago: 5,
            lasted_hours: 5,
            vendors: &["braintrust"],
        },
        Story {
            account: "globex",
            key: "AKIA-fp-91c4e07d",
            provider: "aws.bedrock",
            metric: Metric::Cost,
            severity: Severity::High,
            usual: 3.2,
            spike: 88.0,
            began_hours_ago: 3,
            lasted_hours: 3,
            vendors: &["braintrust"],
        },
        Story {
            account: "initech",
            key: "key_batch_ci",
            provider: "openai",
            metric: Metric::Cost,
            severity: Severity::Medium,
            usual: 0.8,
            spike: 14.0,
            began_hours_ago: 60,
            lasted_hours: 4,
            vendors: &[],
        },
    ];
    let channels = ["email".to_owned(), "slack".to_owned()];
    for story in &stories {
        let alert = story.alert(now);
        let mut first = alert.clone();
        first.revision = 0;
        first.ended = false;
        first.severity = Severity::Medium;
        first.raised_at = alert.first_seen.plus(12 * Timestamp::MINUTE);
        first.cost_so_far_usd = Nanos::from_usd(alert.cost_so_far_usd.to_usd() / 9.0);
        casebook.record_alerts(&[first], &channels).await?;
        for entry in casebook.due_notices(now, 10).await? {
            casebook.attempt_started(&entry, now).await?;
            let receipt = Receipt {
                answer: "250 queued".to_owned(),
            };
            casebook.delivered(&entry, &receipt, now).await?;
        }
        casebook.record_alerts(&[alert], &channels).await?;
    }
    freeze(casebook, &stories[1].entity(), now).await
}

async fn freeze(
    casebook: &Casebook,
    entity: &Entity,
    now: Timestamp,
) -> Result<(), Box<dyn std::error::Error>> {
    let requested_at = now.plus(-9 * Timestamp::MINUTE);
    let mut action = Action {
        action_id: ActionId::compute(Rung::Freeze, entity, requested_at),
        rung: Rung::Freeze,
        entity: entity.clone(),
        reason: "abused".to_owned(),
        actor: "on-call".to_owned(),
        requested_at,
        state: ActionState::Requested,
        status_before: None,
        undo: None,
        last_error: None,
    };
    for (seconds, state) in [
        (0, ActionState::Requested),
        (1, ActionState::Calling),
        (2, ActionState::Applied),
        (5, ActionState::Verified),
    ] {
        action.state = state;
        let event = format!("action.{}", state.as_str());
        let time = requested_at.plus(seconds * Timestamp::SECOND);
        let details = serde_json::json!({});
        casebook
            .record(&action, time, "on-call", &event, details)
            .await?;
    }
    Ok(())
}

impl Story {
    fn entity(&self) -> Entity {
        Entity {
            provider: self.provider.to_owned(),
            account: self.account.to_owned(),
            key: self.key.to_owned(),
        }
    }

    fn alert(&self, now: Timestamp) -> Alert {
        let hour = now.floor_to(Timestamp::HOUR);
        let first_seen = hour.plus(-self.began_hours_ago * Timestamp::HOUR);
        let last = first_seen.plus(self.lasted_hours * Timestamp::HOUR);
        let ended = last < hour;
        let series = self.series(hour, first_seen, last);
        let (mut worst, mut total) = (series[0], 0.0);
        for point in &series {
            if point.observed / point.expected > worst.observed / worst.expected {
                worst = *point;
            }
            total += (point.observed - point.high).max(0.0);
        }
        let price = match self.metric {
            Metric::Requests => 0.021,
            Metric::Tokens => 0.000_004,
            Metric::Cost => 1.0,
        };
        let entity = self.entity();
        let contributor = |dimension: &str, value: &str, share, first_seen| Contributor {
            dimension: dimension.to_owned(),
            value: value.to_owned(),
            share,
            first_seen,
        };
        Alert {
            alert_id: AlertId::compute(&entity, first_seen),
            revision: 4,
            raised_at: if ended { last } else { now.plus(-90_000) },
            entity_level: EntityLevel::Key,
            key_id: entity.key,
            key_hint: Some("sk-…x7Qa".to_owned()),
            account: entity.account,
            project: Some("production".to_owned()),
            service: None,
            provider: entity.provider,
            vendor: None,
            stored_with: self.vendors.iter().map(ToString::to_string).collect(),
            owner: Some("payments".to_owned()),
            detector: match self.metric {
                Metric::Cost => Detector::Spend,
                _ => Detector::Volume,
            },
            severity: self.severity,
            score: 96.4,
            p_value: 0.0,
            neg_log_p: 1_204.5,
            episodes_per_day: 2.1e-7,
            metric: self.metric,
            window_start: worst.start,
            window_end: worst.end,
            observed: worst.observed,
            expected: worst.expected,
            expected_low: worst.low,
            expected_high: worst.high,
            evidence: vec![
                Evidence {
                    family: "volume".to_owned(),
                    text:
                        "The usage of the worst hour has never been reached in 41 days of history"
                            .to_owned(),
                    neg_log_p: Some(1_204.5),
                },
                Evidence {
                    family: "novelty".to_owned(),
                    text: "84 % of the requests come from 203.0.113.77, which this key had never \
                           called from"
                        .to_owned(),
                    neg_log_p: Some(38.2),
                },
                Evidence {
                    family: "hours".to_owned(),
                    text: "The usage no longer follows the working day".to_owned(),
                    neg_log_p: None,
                },
            ],
            top_contributors: vec![
                contributor("model", "claude-opus-4-5", 0.81, true),
                contributor("model", "gpt-5-mini", 0.19, false),
                contributor("source_ip", "203.0.113.77", 0.84, true),
                contributor("source_ip", "198.51.100.4", 0.11, false),
                contributor("source_ip", "192.0.2.18", 0.05, false),
                contributor("user_agent", "python-httpx/0.28", 0.84, true),
                contributor("user_agent", "openai-python/2.1", 0.16, false),
            ],
            incident_id: IncidentId::compute(self.account, first_seen),
            first_seen,
            cost_so_far_usd: Nanos::from_usd(total * price),
            burn_usd_per_hour: if ended {
                0.0
            } else {
                (worst.observed - worst.high) * price
            },
            attack_techniques: vec![
                "T1496.004".to_owned(),
                "T1078.004".to_owned(),
                "AML.T0034".to_owned(),
            ],
            ended,
            series,
        }
    }

    /// Four days of hours with a working-day rhythm and a little noise, then the spike.
    fn series(&self, hour: Timestamp, from: Timestamp, to: Timestamp) -> Vec<SeriesPoint> {
        (-96..=0_i32)
            .map(|place| {
                let start = hour.plus(i64::from(place) * Timestamp::HOUR);
                let of_day = (start.millis() / Timestamp::HOUR % 24) as f64;
                let rhythm = 0.55 + 0.45 * ((of_day - 14.0) / 24.0 * std::f64::consts::TAU).cos();
                let expected = self.usual * rhythm;
                let noise = 1.0 + 0.18 * (f64::from(place) * 12.9898).sin();
                let mut observed = expected * noise;
                if start >= from && start <= to {
                    observed += self.spike * (1.0 + 0.25 * (f64::from(place) * 7.1).sin());
                }
                SeriesPoint {
                    start,
                    end: start.plus(Timestamp::HOUR),
                    observed,
                    expected,
                    low: expected * 0.6,
                    high: expected * 1.5,
                }
            })
            .collect()
    }
}
