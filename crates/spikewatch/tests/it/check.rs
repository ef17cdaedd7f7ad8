//! A wrong configuration is told by file, line and key; wrong use and wrong servers by exit code.

use std::path::PathBuf;

use crate::support::{Broker, Instance, Outcome, free_port, program, run, tools};

/// Runs `check` on a file of this text.
fn check(text: &str, more: &[&str]) -> (Outcome, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.toml");
    std::fs::write(&file, text).unwrap();
    let mut command = program(folder.path());
    (
        run(command.args(["check", "--config"]).arg(&file).args(more)),
        file,
    )
}

#[test]
fn a_misspelt_key_of_a_topics_table_is_named() {
    let text = "data_dir = \"/nowhere\"\n\n[kafka]\nbrokers = \"127.0.0.1:1\"\n\
                topics = [{ name = \"usage\", acount = \"acme\" }]\n";
    let (outcome, _) = check(text, &["--no-environment"]);
    assert_eq!(outcome.code, Some(78), "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("kafka.topics[0].acount"),
        "{}",
        outcome.stderr
    );
    assert!(
        outcome
            .stderr
            .contains("did you mean \"kafka.topics[0].account\"?")
    );
}

#[test]
fn a_misspelt_key_is_named_with_its_place_and_the_likely_one() {
    let start = "data_dir = \"/nowhere\"\n\n[kafka]\nbrokers = \"127.0.0.1:1\"\n";
    for (text, line, key, meant) in [
        (
            format!("{start}\n[detector]\npage_form_usd = 5.0\n"),
            "7:1",
            "detector.page_form_usd",
            "detector.page_from_usd",
        ),
        (
            format!("{start}topic = [\"usage\"]\n"),
            "5:1",
            "kafka.topic",
            "kafka.topics",
        ),
        (
            format!("{start}\n[notify.slak]\nenabled = true\n"),
            "6:9",
            "notify.slak",
            "notify.slack",
        ),
        (
            format!("{start}\n[respond.aws_iam]\nenable = true\n"),
            "7:1",
            "respond.aws_iam.enable",
            "respond.aws_iam.enabled",
        ),
    ] {
        let (outcome, file) = check(&text, &["--no-environment"]);
        let place = format!("{}:{line}: {key}", file.display());
        let hint = format!("did you mean \"{meant}\"?");
        outcome.fails(78, &[&place, &hint]);
        assert!(outcome.stdout.is_empty(), "talk goes to stderr");
    }
}

#[test]
fn every_command_that_needs_it_refuses_a_bad_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("spikewatch.toml");
    std::fs::write(&file, "data_dri = \"/nowhere\"\n").unwrap();
    for args in [
        ["run", "--until-end"].as_slice(),
        &["check"],
        &["sql", "SELECT 1"],
        &["alerts"],
        &["config", "show"],
        &["undo", "act_1"],
    ] {
        // Found in the folder it is started in.
        let outcome = run(program(folder.path()).args(args));
        outcome.fails(78, &["spikewatch.toml:1:1: data_dri", "data_dir"]);
    }
}

#[test]
fn a_missing_or_broken_file_is_a_bad_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let mut nowhere = program(folder.path());
    run(nowhere.args(["check", "--config", "not-there.toml"])).fails(78, &["not-there.toml"]);
    run(program(folder.path()).arg("check")).fails(78, &["spikewatch.toml", "--config"]);
    let (outcome, file) = check("data_dir = \"/x\"\n[kafka\n", &[]);
    outcome.fails(78, &[&format!("{}:2:", file.display())]);
    let variable = "data_dir = \"${SPIKEWATCH_NOT_SET}\"\n[kafka]\nbrokers = \"a\"\n";
    check(variable, &[])
        .0
        .fails(78, &["SPIKEWATCH_NOT_SET", ":1:1: data_dir"]);
}

#[test]
fn a_secret_of_the_configuration_is_never_said() {
    let text = "data_dir = \"/nowhere\"\n[kafka]\nbrokers = \"127.0.0.1:1\"\n[notify.slack]\n\
                enabled = true\nwebhook_url = \"ftp://127.0.0.1/hunter2hunter2\"\n";
    let (outcome, _) = check(text, &["--no-environment"]);
    assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&outcome.stdout),
        outcome.stderr
    );
    assert!(!said.contains("hunter2"), "{said}");
    assert!(said.contains("webhook_url"), "{said}");
}

#[test]
fn a_good_configuration_passes_without_its_servers() {
    let instance = Instance::at("127.0.0.1:1", "");
    let said = instance.run(["check", "--no-environment"]).good();
    assert!(said.lines().all(|line| line.starts_with("ok ")), "{said}");
    assert!(!instance.data_dir().exists(), "a check makes nothing");
}

#[test]
fn a_broker_that_is_not_there_is_named() {
    let address = format!("127.0.0.1:{}", free_port());
    let outcome = Instance::at(&address, "").run(["check"]);
    outcome.fails(1, &["1 of the checks failed"]);
    let said = String::from_utf8_lossy(&outcome.stdout).into_owned();
    let failed = said.lines().find(|line| line.starts_with("fail"));
    assert!(failed.unwrap().contains(&address), "{said}");
}

#[test]
fn a_broker_that_is_there_is_reached() {
    let Some(tools) = tools("a_broker_that_is_there_is_reached") else {
        return;
    };
    let broker = Broker::start(&tools);
    let instance = Instance::new(&broker, "");
    let said = instance.run(["check"]).good();
    assert!(said.contains("topic usage: does not exist yet"), "{said}");
    broker.produce_encoded("usage", 4, &[]);
    let said = instance.run(["check"]).good();
    assert!(said.contains("topic usage: 4 partitions"), "{said}");
}

#[test]
fn wrong_use_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    for args in [
        ["check", "--no-enviroment"].as_slice(),
        &["chek"],
        &[],
        &[
            "simulate",
            "--scenario",
            "nonsense",
            "--seed",
            "1",
            "--out",
            "x",
        ],
        &["decode", "--format", "nonsense", "x"],
        &["act", "melt", "--key", "k", "--reason", "r"],
    ] {
        let outcome = run(program(folder.path()).args(args));
        assert_eq!(outcome.code, Some(2), "{args:?}: {}", outcome.stderr);
        assert!(outcome.stdout.is_empty(), "{args:?}");
        assert!(!outcome.stderr.is_empty(), "{args:?}");
    }
    let misspelt = run(program(folder.path()).args(["check", "--no-enviroment"]));
    misspelt.fails(2, &["--no-environment"]);
}
