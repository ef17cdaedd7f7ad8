//! Killed at bad moments, the program ends up where it would have been undisturbed.

use std::collections::BTreeSet;

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

fn slack(answer: &'static str) -> HttpServer {
    HttpServer::start(move |_| (200, answer.to_owned()))
}

fn instance(broker: &Broker, slack: &HttpServer) -> Instance {
    let more = format!(
        "[history]\ncommit_rows = 4000\n\n[notify.slack]\nenabled = true\n\
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
fn whole_history(instance: &Instance) -> String {
    instance.sql("SELECT * FROM usage_events ORDER BY topic, \"partition\", \"offset\"")
}

fn messages(instance: &Instance) -> Vec<Delivery> {
    let incidents: Vec<IncidentId> = instance
        .incidents()
        .iter()
        .map(|incident| IncidentId::from_text(incident["incident_id"].as_str().unwrap()))
        .collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let casebook = Casebook::open(&instance.data_dir().join("casebook.db"))
            .await
            .unwrap();
        let mut messages = Vec::new();
        for incident in &incidents {
            messages.extend(casebook.deliveries(incident).await.unwrap());
        }
        casebook.close().await;
        messages
    })
}

/// What a message is and what became of it, without wall-clock times.
fn told(message: &Delivery) -> (String, String, u32, String, &'static str) {
    let entry = &message.entry;
    (
        entry.incident_id.to_string(),
        entry.channel.clone(),
        entry.sequence,
        entry.idempotency_key.clone(),
        message.state.as_str(),
    )
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
    assert_eq!(last["events"], produced);
    assert_eq!(
        last["rows_written"].as_u64().unwrap() + last["rows_known"].as_u64().unwrap(),
        stats["rows_written"].as_u64().unwrap()
    );

    assert!(
        whole_history(&killed) == whole_history(&calm),
        "history differs"
    );
    let ids: BTreeSet<String> = alerts.iter().map(|a| a["alert_id"].to_string()).collect();
    assert_eq!(ids.len(), alerts.len());
    let after = killed.alerts();
    let ids_after: BTreeSet<String> = after.iter().map(|a| a["alert_id"].to_string()).collect();
    assert_eq!(ids_after, ids);
    for (after, before) in after.iter().zip(&alerts) {
        let fields = before.as_object().unwrap().keys();
        let differing: Vec<String> = fields
            .filter(|name| after[*name] != before[*name])
            .map(|name| format!("{name}: {} instead of {}", after[name], before[name]))
            .collect();
        assert!(
            differing.is_empty(),
            "{}: {differing:#?}",
            before["alert_id"]
        );
    }
    assert_eq!(after.len(), alerts.len());
    assert_eq!(by_id(killed.incidents()), by_id(calm.incidents()));

    let messages_after = messages(&killed);
    let keys: BTreeSet<&str> = messages_after
        .iter()
        .map(|message| message.entry.idempotency_key.as_str())
        .collect();
    assert_eq!(keys.len(), messages_after.len(), "{messages_after:?}");
    let messages_before = messages(&calm);
    assert!(!messages_before.is_empty());
    assert_eq!(
        messages_after.iter().map(told).collect::<Vec<_>>(),
        messages_before.iter().map(told).collect::<Vec<_>>()
    );
    // The message whose answer nobody could write down may come again, and no other.
    let (sent, in_doubt) = (calm_slack.requests().len(), 1);
    let sent_after = slack.requests().len();
    assert!(
        (sent..=sent + in_doubt).contains(&sent_after),
        "{sent_after} of {sent}"
    );
}

fn by_id(mut incidents: Vec<Value>) -> Vec<Value> {
    incidents.sort_by_key(|incident| incident["incident_id"].to_string());
    incidents
}
