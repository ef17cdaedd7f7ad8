//! The story of the demo, told to people, and what stops it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::{
    Broker, HttpServer, Instance, Mailbox, Request, program, repository, run, tools,
};

/// Writes the story to a folder.
fn simulate(folder: &Path) -> PathBuf {
    let out = folder.join("story");
    let args = ["simulate", "--scenario", "braintrust", "--seed", "1"];
    run(program(folder).args(args).arg("--out").arg(&out)).good();
    out
}

/// The abused keys of each account, the account that lost most first.
fn abused(story: &Path) -> Vec<(String, Vec<String>)> {
    let labels = std::fs::read(story.join("labels.json")).unwrap();
    let labels: Value = serde_json::from_slice(&labels).unwrap();
    let mut accounts: BTreeMap<String, (f64, Vec<String>)> = BTreeMap::new();
    for abuse in labels["abuses"].as_array().unwrap() {
        let text = |name: &str| abuse[name].as_str().unwrap().to_owned();
        let (cost, keys) = accounts.entry(text("account")).or_default();
        *cost += abuse["cost_usd"].as_f64().unwrap();
        keys.push(text("key"));
    }
    let mut accounts: Vec<_> = accounts.into_iter().collect();
    accounts.sort_by(|(_, (one, _)), (_, (other, _))| other.total_cmp(one));
    let keys = accounts
        .into_iter()
        .map(|(account, (_, keys))| (account, keys));
    keys.collect()
}

fn check_schema(alerts: &[Value]) {
    let schema = std::fs::read(repository("schemas/alert.v1.schema.json")).unwrap();
    let schema: Value = serde_json::from_slice(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    assert!(!alerts.is_empty());
    for alert in alerts {
        let errors: Vec<String> = validator
            .iter_errors(alert)
            .map(|err| format!("{}: {err}", err.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{errors:?} in {alert}");
    }
}

#[test]
fn the_story_is_caught_and_people_are_told() {
    let Some(tools) = tools("the_story_is_caught_and_people_are_told") else {
        return;
    };
    let broker = Broker::start(&tools);
    let mailbox = Mailbox::start(&tools);
    let slack = HttpServer::start(|_| (200, "ok".to_owned()));
    let more = format!(
        "[inventory]\nfile = \"story/inventory.json\"\n\n\
         [notify.email]\nenabled = true\nhost = \"127.0.0.1\"\nport = {}\nsecurity = \"plain\"\n\
         from = \"Spikewatch <spikewatch@example.com>\"\nto = [\"oncall@example.com\"]\n\n\
         [notify.slack]\nenabled = true\nwebhook_url = \"{}/services/T0/B0/x\"\n\
         min_interval_millis = 1\n",
        mailbox.port, slack.url
    );
    let instance = Instance::new(&broker, &more);
    let story = simulate(instance.folder());
    let produced = broker.produce("usage", 4, &story.join("events.jsonl"));
    assert_eq!(instance.run_until_end()["events"], produced);

    let abused = abused(&story);
    assert_eq!(abused.len(), 4);
    let alerts = instance.alerts();
    check_schema(&alerts);
    let incidents = instance.incidents();
    let missed: Vec<&String> = abused
        .iter()
        .map(|(account, _)| account)
        .filter(|account| !incidents.iter().any(|i| i["account"] == **account))
        .collect();
    assert!(missed.is_empty(), "no incident of {missed:?}");

    // One mail and one Slack message about the account that was hit hard, with all of its keys.
    let (account, keys) = &abused[0];
    let found = |key: &&String| alerts.iter().any(|alert| alert["key_id"] == **key);
    let found: Vec<&String> = keys.iter().filter(found).collect();
    assert!(found.len() >= 2, "{found:?} of {keys:?}");
    let mails = mailbox.messages();
    let about: Vec<&Value> = mails
        .iter()
        .filter(|mail| mail["subject"].as_str().unwrap().contains(account.as_str()))
        .collect();
    assert_eq!(about.len(), 1, "{mails:?}");
    let mail = about[0];
    assert_eq!(mail["recipients"], json!(["oncall@example.com"]));
    assert_eq!(mail["sender"], "spikewatch@example.com");
    assert_eq!(mail["content_type"], "multipart/alternative");
    let (text, html) = (
        mail["text"].as_str().unwrap(),
        mail["html"].as_str().unwrap(),
    );
    assert!(html.contains("</html>"), "{html}");
    for key in &found {
        assert!(text.contains(key.as_str()), "{key} in {text}");
        assert!(html.contains(key.as_str()), "{key} in {html}");
    }
    let messages = slack.requests();
    let about: Vec<&Request> = messages
        .iter()
        .filter(|message| message.body.contains(found[0].as_str()))
        .collect();
    assert_eq!(about.len(), 1, "{messages:?}");
    assert_eq!(about[0].method, "POST");
    assert_eq!(about[0].path, "/services/T0/B0/x");
    for key in &found {
        assert!(about[0].body.contains(key.as_str()), "{}", about[0].body);
    }

    // Nobody is told again by another run.
    instance.run_until_end();
    assert_eq!(mailbox.messages().len(), mails.len());
    assert_eq!(slack.requests().len(), messages.len());
    assert_eq!(instance.alerts(), alerts);
}

#[test]
fn a_backtest_of_the_story_gives_alerts_of_the_same_form() {
    let folder = tempfile::tempdir().unwrap();
    let story = simulate(folder.path());
    let alerts = folder.path().join("alerts.jsonl");
    let mut command = program(folder.path());
    command
        .arg("backtest")
        .arg("--events")
        .arg(story.join("events.jsonl"));
    command.arg("--inventory").arg(story.join("inventory.json"));
    run(command.args(["--revisions", "--alerts"]).arg(&alerts)).good();
    let alerts = std::fs::read_to_string(&alerts).unwrap();
    let alerts: Vec<Value> = alerts
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    check_schema(&alerts);
    let accounts: Vec<&str> = alerts
        .iter()
        .filter_map(|a| a["account"].as_str())
        .collect();
    for (account, _) in abused(&story) {
        assert!(accounts.contains(&account.as_str()), "{account}");
    }
}

/// Does what Anthropic's `api_keys` endpoint does for one key, `key_1`.
fn provider(status: &Arc<Mutex<String>>) -> HttpServer {
    let status = Arc::clone(status);
    HttpServer::start(move |request| {
        let signed =
            |header: &String| header.to_lowercase() == "x-api-key: admin-key-of-the-double";
        if !request.headers.iter().any(signed) {
            return (
                401,
                json!({ "error": { "message": "invalid x-api-key" } }).to_string(),
            );
        }
        if request.path != "/v1/organizations/api_keys/key_1" {
            return (
                404,
                json!({ "error": { "message": "not found" } }).to_string(),
            );
        }
        let mut status = status.lock().unwrap();
        if request.method == "POST" {
            let body: Value = serde_json::from_str(&request.body).unwrap();
            *status = body["status"].as_str().unwrap().to_owned();
        }
        let key =
            json!({ "id": "key_1", "type": "api_key", "name": "checkout", "status": *status });
        (200, key.to_string())
    })
}

/// Returns the events of the audit, the oldest first; each has a time and an actor.
fn audit(instance: &Instance) -> Vec<String> {
    let lines = instance.run(["audit", "--json"]).good();
    let mut lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    lines.sort_by_key(|line| line["sequence"].as_i64());
    for line in &lines {
        assert_eq!(line["actor"], "cli:tester", "{line}");
        let time = line["time"].as_str().unwrap();
        assert!(model::Timestamp::parse(time).is_ok(), "{time}");
    }
    let events = lines
        .iter()
        .map(|line| line["event"].as_str().unwrap().to_owned());
    events.collect()
}

#[test]
fn a_key_is_frozen_verified_undone_and_audited() {
    let status = Arc::new(Mutex::new("active".to_owned()));
    let provider = provider(&status);
    let more = format!(
        "[respond.anthropic]\nenabled = true\nadmin_key = \"admin-key-of-the-double\"\n\
         base_url = \"{}\"\nproviders = [\"openai\"]\nkey_prefix = \"\"\n",
        provider.url
    );
    let instance = Instance::at("127.0.0.1:1", &more);
    let about = ["--provider", "openai", "--account", "acme"];
    let freeze = |key: &str, more: &[&str]| {
        let args = ["act", "freeze", "--key", key, "--reason", "stolen"];
        instance.run(args.iter().chain(&about).chain(more))
    };

    // Without a terminal nobody can be asked.
    let outcome = freeze("key_1", &[]);
    outcome.fails(2, &["--yes", "key_1", "acme"]);
    assert!(outcome.stdout.is_empty());
    assert!(provider.requests().is_empty(), "nothing was sent");
    assert_eq!(audit(&instance), [""; 0]);

    let said = freeze("key_1", &["--yes"]).good();
    assert!(said.contains("verified"), "{said}");
    assert_eq!(*status.lock().unwrap(), "inactive");
    let action = said.split_whitespace().next().unwrap().to_owned();
    assert!(action.starts_with("act_"), "{said}");
    let frozen = [
        "action.requested",
        "action.calling",
        "action.applied",
        "action.verified",
    ];
    assert_eq!(audit(&instance), frozen);

    let undo = ["undo", action.as_str()];
    instance.run(undo).fails(2, &["--yes"]);
    assert_eq!(*status.lock().unwrap(), "inactive");
    let said = instance.run(undo.iter().chain(&["--yes"])).good();
    assert!(said.contains("undone"), "{said}");
    assert_eq!(*status.lock().unwrap(), "active");
    let undone = [
        "undo.requested",
        "undo.calling",
        "undo.applied",
        "undo.verified",
    ];
    let events = audit(&instance);
    assert_eq!(events, [frozen, undone].concat());

    let said = instance.run(["audit", "verify"]).good();
    assert_eq!(
        said,
        format!("{} lines, the chain is whole\n", events.len())
    );
    let rows = instance.sql_rows("SELECT state, actor, reason FROM actions");
    assert_eq!(
        rows,
        [json!({ "state": "undone", "actor": "cli:tester", "reason": "stolen" })]
    );

    // A key that the provider does not know is gone, and another provider's is nobody's.
    let said = freeze("key_2", &["--yes"]).good();
    assert!(said.contains("already_gone"), "{said}");
    let args = ["act", "freeze", "--key", "key_1", "--reason", "r", "--yes"];
    let other = ["--provider", "groq", "--account", "acme"];
    let outcome = instance.run(args.iter().chain(&other));
    outcome.fails(1, &["groq"]);
    // Who is meant must be said where nobody knows the key.
    let outcome = instance.run(["act", "freeze", "--key", "key_9", "--reason", "r", "--yes"]);
    outcome.fails(2, &["--provider", "--account"]);
}
