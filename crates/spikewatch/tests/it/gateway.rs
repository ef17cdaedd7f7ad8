//! The PostgreSQL wire beside a running service, as analysts' programs and attackers see it.

use std::path::Path;
use std::process::{Command, Output};

use crate::support::{
    Broker, Instance, Running, Usage, eventually, free_port, repository, tools, write_lines,
};

const PASSWORD: &str = "a password of analysts";

/// A service whose SQL is asked.
struct Service {
    instance: Instance,
    running: Running,
    port: u16,
    flight_port: u16,
    /// The requests of all usage.
    requests: u64,
    _broker: Broker,
}

impl Service {
    fn start(tools: &Path, more: &str) -> Self {
        let broker = Broker::start(tools);
        let (port, flight_port) = (free_port(), free_port());
        let config = format!(
            "[sql]\nlisten = \"127.0.0.1:{port}\"\nflight_listen = \"127.0.0.1:{flight_port}\"\ntimeout_secs = 5\nmemory_bytes = 200000000\n\
             process_memory_bytes = 1200000000\n{more}\n\
             [sql.users.analyst]\npassword = \"{PASSWORD}\"\n\
             [sql.users.limited]\npassword = \"only one account\"\naccounts = [\"acme\"]\n"
        );
        let instance = Instance::new(&broker, &config);
        let mut events = Vec::new();
        for account in ["acme", "globex"] {
            let usage = Usage {
                key: format!("key_{account}"),
                account: account.to_owned(),
                days: 5,
                spike: false,
            };
            events.extend(usage.events());
        }
        let file = instance.folder().join("events.jsonl");
        write_lines(&file, &events);
        broker.produce("usage", 2, &file);
        let running = instance.start_service();
        eventually("the gateway", || {
            let said = running.stderr();
            let listens = said.contains("PostgreSQL wire") && said.contains("Flight SQL");
            (said.contains("caught up") && listens).then_some(())
        });
        let requests = events.iter().map(|e| e["requests"].as_u64().unwrap()).sum();
        Self {
            instance,
            running,
            port,
            flight_port,
            requests,
            _broker: broker,
        }
    }

    fn stop(self) {
        self.running.signal("TERM");
        self.running.wait().good();
        eventually("the end of the gateway", || {
            std::net::TcpStream::connect(("127.0.0.1", self.port))
                .is_err()
                .then_some(())
        });
    }
}

fn python(tools: &Path, script: &str) -> Command {
    let mut command = Command::new(tools.join("bin/python"));
    command.arg(repository("crates/spikewatch/tests/it/support").join(script));
    command
}

fn good(output: Output) -> String {
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{error}");
    said
}

#[test]
fn a_java_program_asks_and_lists_what_there_is() {
    const DRIVER: &str = "/usr/share/java/postgresql.jar";
    let Some(tools) = tools("a_java_program_asks_and_lists_what_there_is") else {
        return;
    };
    let has_java = Command::new("java").arg("-version").output().is_ok();
    if !has_java || !Path::new(DRIVER).exists() {
        eprintln!("*** SKIPPED: JDBC: there is no Java or no {DRIVER}");
        return;
    }
    let service = Service::start(&tools, "");
    let mut jdbc = python(&tools, "jdbc.py");
    jdbc.args([DRIVER, &service.port.to_string(), "analyst", PASSWORD]);
    jdbc.arg(service.requests.to_string());
    good(jdbc.output().unwrap());
    service.stop();
}

/// Visits Flight SQL with ADBC.
fn visit_by_adbc(tools: &Path, service: &Service, certificate: Option<&str>) {
    let (port, requests) = (
        service.flight_port.to_string(),
        service.requests.to_string(),
    );
    let mut adbc = python(tools, "adbc.py");
    adbc.args([&port, "analyst", PASSWORD, &requests, "acme", "globex"]);
    adbc.arg(repository("fixtures/sql/hostile.sql"));
    adbc.args(certificate);
    assert_eq!(good(adbc.output().unwrap()).trim(), "ok");
}

#[test]
fn a_program_with_adbc_takes_columns_and_does_nothing_else() {
    let Some(tools) = tools("a_program_with_adbc_takes_columns_and_does_nothing_else") else {
        return;
    };
    let mut service = Service::start(&tools, "");
    visit_by_adbc(&tools, &service, None);
    assert!(
        service.running.ended().is_none(),
        "{}",
        service.running.stderr()
    );
    service.stop();
}

#[test]
fn who_stands_in_a_door_or_guesses_keeps_nobody_out() {
    let Some(tools) = tools("who_stands_in_a_door_or_guesses_keeps_nobody_out") else {
        return;
    };
    const TIMEOUT_SECS: &str = "3";
    let service = Service::start(
        &tools,
        &format!("max_connections = 2\nsign_in_timeout_secs = {TIMEOUT_SECS}\n"),
    );
    let (port, flight_port) = (service.port.to_string(), service.flight_port.to_string());
    let mut doors = python(&tools, "doors.py");
    doors.args([&port, &flight_port, "analyst", PASSWORD, TIMEOUT_SECS]);
    assert_eq!(good(doors.output().unwrap()).trim(), "ok");
    service.stop();

    let service = Service::start(&tools, "");
    let mut guesses = python(&tools, "guesses.py");
    guesses.args([&service.flight_port.to_string(), "analyst", PASSWORD]);
    assert_eq!(good(guesses.output().unwrap()).trim(), "ok");
    service.stop();
}

#[test]
fn drivers_and_psql_ask_what_they_may_see() {
    let Some(tools) = tools("drivers_and_psql_ask_what_they_may_see") else {
        return;
    };
    let service = Service::start(&tools, "");
    let (port, requests) = (service.port.to_string(), service.requests.to_string());
    let visit = [&port, "analyst", PASSWORD, &requests, "acme", "globex"];
    let visit = python(&tools, "visit.py").args(visit).output().unwrap();
    assert_eq!(good(visit).trim(), "ok");
    let asked = python(&tools, "programs.py")
        .args([&port, "analyst", PASSWORD])
        .arg(repository("fixtures/sql/programs.sql"))
        .output()
        .unwrap();
    good(asked);

    let psql = |command: &str| {
        Command::new("psql")
            .args([
                "-X",
                "-h",
                "127.0.0.1",
                "-p",
                &port,
                "-U",
                "analyst",
                "-d",
                "spikewatch",
            ])
            .args(["-At", "-v", "ON_ERROR_STOP=1", "-c", command])
            .env("PGPASSWORD", PASSWORD)
            .output()
    };
    match psql("SELECT sum(requests) FROM usage_events") {
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("*** SKIPPED: psql is not installed");
        }
        sum => {
            assert_eq!(good(sum.unwrap()).trim(), requests);
            let tables = good(psql("\\d").unwrap());
            assert!(tables.contains("public|usage_events|table"), "{tables}");
            assert!(tables.contains("public|v_usage_latest|view"), "{tables}");
            // It asks for a number with one statement, and what has it with the next.
            for _ in 0..3 {
                let columns = good(psql("\\d incidents").unwrap());
                assert!(columns.starts_with("incident_id|text"), "{columns}");
            }
        }
    }
    service.stop();
}

#[test]
fn nothing_is_read_outside_written_or_stopped_by_hostile_statements() {
    let Some(tools) = tools("nothing_is_read_outside_written_or_stopped_by_hostile_statements")
    else {
        return;
    };
    let mut service = Service::start(&tools, "");
    let port = service.port.to_string();
    let before = service.instance.data_dir().read_dir().unwrap().count();
    let asked = python(&tools, "hostile.py")
        .args([&port, "analyst", PASSWORD])
        .arg(repository("fixtures/sql/hostile.sql"))
        .output()
        .unwrap();
    let counts = good(asked);
    let statements: usize = counts.split(' ').next().unwrap().parse().unwrap();
    assert!(statements >= 40, "{counts}");
    assert!(
        service.running.ended().is_none(),
        "{}",
        service.running.stderr()
    );
    assert_eq!(
        service.instance.data_dir().read_dir().unwrap().count(),
        before
    );
    assert!(!Path::new("/tmp/pwned.csv").exists() && !Path::new("/tmp/pwned.parquet").exists());
    service.stop();
}

#[test]
fn with_a_certificate_nothing_is_said_in_clear() {
    let Some(tools) = tools("with_a_certificate_nothing_is_said_in_clear") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    good(
        python(&tools, "certificate.py")
            .arg(folder.path())
            .output()
            .unwrap(),
    );
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (cert, key) = (path("cert.pem"), path("key.pem"));
    let tls = format!("[sql.tls]\ncert_file = \"{cert}\"\nkey_file = \"{key}\"\n");
    let service = Service::start(&tools, &tls);
    let connect = |mode: &str| {
        let address = format!(
            "host=127.0.0.1 port={} user=analyst dbname=spikewatch sslmode={mode} sslrootcert={cert}",
            service.port
        );
        let code = "import psycopg, sys\n\
                    with psycopg.connect(sys.argv[1], password=sys.argv[2]) as connection:\n    \
                    print(connection.execute('SELECT 1').fetchone(), connection.pgconn.ssl_in_use)";
        let mut command = Command::new(tools.join("bin/python"));
        command
            .args(["-c", code, &address, PASSWORD])
            .output()
            .unwrap()
    };
    assert_eq!(good(connect("verify-full")).trim(), "(1,) True");
    assert_eq!(good(connect("require")).trim(), "(1,) True");
    visit_by_adbc(&tools, &service, Some(&cert));
    let clear = connect("disable");
    let error = String::from_utf8_lossy(&clear.stderr);
    assert!(
        !clear.status.success() && error.contains("TLS is needed here"),
        "{error}"
    );
    service.stop();
}

#[test]
fn an_address_of_the_network_without_a_certificate_is_refused() {
    let more = "[sql]\nlisten = \"0.0.0.0:5433\"\n";
    let instance = Instance::at("127.0.0.1:9", more);
    let outcome = instance.run(["run"]);
    assert_eq!(outcome.code, Some(78));
    assert!(
        outcome.stderr.contains("[sql.tls] cert_file"),
        "{}",
        outcome.stderr
    );
    let more = "[sql]\nlisten = \"127.0.0.1:0\"\n[sql.users.analyst]\npassword = \"\"\n";
    let outcome = Instance::at("127.0.0.1:9", more).run(["run"]);
    assert!(
        outcome.stderr.contains("[sql.users.analyst] password"),
        "{}",
        outcome.stderr
    );
}
