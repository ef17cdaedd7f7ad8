//! Killed at bad moments, the program ends up where it would have been undisturbed.

use std::collections::{BTreeMap, BTreeSet};

use casebook::{Casebook, Delivery};
use model::IncidentId;
use serde_json::Value;

use crate::support::{Broker, HttpServer, Instance, Running, eventually, program, run, tools};

/// A moment at which the power goes.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// The service has opened everything and begins to read.
    Started,
    /// So many commits have been made since the start.
    Commits(usize),
    /// The files of a commit lie there, and perhaps no commit names them yet.
    MidCommit,
    /// An alert is durable, the usage it is about is not.
    Alert,
    /// Slack has been told, and nobody may have written that down.
    Told,
}

const MOMENTS: [Moment; 6] = [
    Moment::Started,
    Moment::Commits(2),
    Moment::MidCommit,
    Moment::Commits(4),
    Moment::Alert,
    Moment::Told,
];

pub(crate) fn slack(answer: &'static str) -> HttpServer {
    HttpServer::start(move |_| (200, answer.to_owned()))
}

fn instance(broker: &Broker, slack: &HttpServer) -> Instance {
    let more = format!(
        "[history]\ncommit_rows = 4000\n\n[snapshots]\ninterval_secs = 0\n\n[notify.slack]\nenabled = true\n\
         webhook_url = \"{}/services/T0/B0/x\"\nmin_interval_millis = 1\n",
        slack.url
    );
    Instance::new(broker, &more)
}

/// Waits for the moment; the run must not be over by then.
fn wait_for(moment: Moment, running: &mut Running, instance: &Instance, slack: &HttpServer) {
    let (commits, files) = (instance.commits(), instance.parquet_files().len());
    eventually(&format!("{moment:?}"), || {
        if let Some(status) = running.ended() {
            panic!("ended before {moment:?}: {status}: {}", running.stderr());
        }
        let come = match moment {
            Moment::Started => running.stderr().contains("partitions changed"),
            Moment::Commits(more) => instance.commits() >= commits + more,
            Moment::MidCommit => instance.parquet_files().len() > files,
            Moment::Alert => running.stderr().contains(" alert alert="),
            Moment::Told => !slack.requests().is_empty(),
        };
        come.then_some(())
    });
}

/// Everything that history holds, in the order of the log.
pub(crate) fn whole_history(instance: &Instance) -> String {
    instance.sql("SELECT * FROM usage_events ORDER BY topic, \"partition\", \"offset\"")
}

pub(crate) fn messages(instance: &Instance) -> Vec<Delivery> {
    let path = instance.data_dir().join("casebook.db");
    messages_in(instance, async || Casebook::open(&path).await.unwrap())
}

/// Returns every message of a casebook.
pub(crate) fn messages_in(
    instance: &Instance,
    open: impl AsyncFnOnce() -> Casebook,
) -> Vec<Delivery> {
    let incidents: Vec<IncidentId> = instance
        .incidents()
        .iter()
        .map(|incident| IncidentId::from_text(incident["incident_id"].as_str().unwrap()))
        .collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let casebook = open().await;
        let mut messages = Vec::new();
        for incident in &incidents {
            messages.extend(casebook.deliveries(incident).await.unwrap());
        }
        casebook.close().await;
        messages
    })
}

#[test]
fn kill_nine_leaves_no_trace() {
    let Some(tools) = tools("kill_nine_leaves_no_trace") else {
        return;
    };
    let broker = Broker::start(&tools);
    let (calm_slack, slack) = (slack("ok"), slack("ok"));
    let (calm, killed) = (instance(&broker, &calm_slack), instance(&broker, &slack));
    let out = calm.folder().join("story");
    let args = ["simulate", "--scenario", "braintrust", "--seed", "1"];
    run(program(calm.folder())
        .args(args)
        .args(["--scale", "0.1", "--out"])
        .arg(&out))
    .good();
    let produced = broker.produce("usage", 4, &out.join("events.jsonl"));

    let stats = calm.run_until_end();
    assert_eq!(stats["events"], produced);
    let alerts = calm.alerts();
    assert!(alerts.len() >= 2, "there is something to lose: {alerts:?}");

    for moment in MOMENTS {
        let mut running = killed.start_until_end();
        wait_for(moment, &mut running, &killed, &slack);
        running.kill();
        // What is left behind can be asked at once, and holds nothing twice.
        let counts = killed.sql("SELECT count(*), count(DISTINCT event_id) FROM usage_events");
        let (rows, ids) = counts.split_once(',').unwrap();
        assert_eq!(rows, ids, "after {moment:?}");
        eprintln!("killed at {moment:?} with {rows} rows committed");
    }
    let last = killed.run_until_end();
    assert!(
        last["events"].as_u64().unwrap() < produced,
        "it goes on from a snapshot: {last}"
    );

    assert!(
        whole_history(&killed) == whole_history(&calm),
        "history differs"
    );
    let after = killed.alerts();
    let (names_after, names) = (incident_names(&after), incident_names(&alerts));
    assert_same_alerts(&after, &alerts);
    assert_eq!(
        incidents(&killed, &names_after),
        incidents(&calm, &names),
        "the same alerts belong together"
    );

    let told = messages(&killed);
    let keys: BTreeSet<&str> = told
        .iter()
        .map(|message| message.entry.idempotency_key.as_str())
        .collect();
    assert_eq!(keys.len(), told.len(), "one key a message: {told:?}");
    let told_calmly = messages(&calm);
    assert!(!told_calmly.is_empty());
    assert_eq!(
        outbox(&told, &names_after),
        outbox(&told_calmly, &names),
        "no message twice"
    );
    // The one whose answer nobody could write down may be sent again, and no other.
    let (sent, sent_calmly) = (slack.requests().len(), calm_slack.requests().len());
    assert!(
        (sent_calmly..=sent_calmly + 1).contains(&sent),
        "{sent} instead of {sent_calmly}"
    );
}

/// The same alerts, each once, with the same content; the incidents' names aside.
pub(crate) fn assert_same_alerts(after: &[Value], before: &[Value]) {
    assert_eq!(ids(after), ids(before));
    assert_eq!(after.len(), ids(before).len(), "each once");
    for (after, before) in after.iter().zip(before) {
        let fields = before.as_object().unwrap().keys();
        let differing: Vec<String> = fields
            .filter(|name| name.as_str() != "incident_id" && after[*name] != before[*name])
            .map(|name| format!("{name}: {} instead of {}", after[name], before[name]))
            .collect();
        let id = &before["alert_id"];
        assert!(differing.is_empty(), "{id}: {differing:#?}");
    }
}

fn ids(alerts: &[Value]) -> BTreeSet<String> {
    let id = |alert: &Value| alert["alert_id"].to_string();
    alerts.iter().map(id).collect()
}

/// Names each incident by its alerts. Its id is that of the alert that came first, and which of
/// two partitions is read first is chance.
fn incident_names(alerts: &[Value]) -> BTreeMap<String, Vec<String>> {
    let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for alert in alerts {
        let incident = alert["incident_id"].as_str().unwrap().to_owned();
        let alert = alert["alert_id"].as_str().unwrap().to_owned();
        names.entry(incident).or_default().push(alert);
    }
    names
}

/// Every incident under its name, without its id.
fn incidents(
    instance: &Instance,
    names: &BTreeMap<String, Vec<String>>,
) -> BTreeMap<Vec<String>, Value> {
    let incidents = instance.incidents().into_iter().map(|mut incident| {
        let id = incident.as_object_mut().unwrap().remove("incident_id");
        (names[id.unwrap().as_str().unwrap()].clone(), incident)
    });
    incidents.collect()
}

/// Every message under its incident's name, and what became of it.
fn outbox(
    messages: &[Delivery],
    names: &BTreeMap<String, Vec<String>>,
) -> BTreeSet<(Vec<String>, String, u32, &'static str)> {
    let row = |message: &Delivery| {
        let entry = &message.entry;
        (
            names[entry.incident_id.as_str()].clone(),
            entry.channel.clone(),
            entry.sequence,
            message.state.as_str(),
        )
    };
    messages.iter().map(row).collect()
}
