//! A Ballista cluster, a scheduler and two executors, carries out questions over the lake.

use std::sync::Arc;

use ballista_core::config::TaskSchedulingPolicy;
use ballista_executor::executor_process::{ExecutorProcessConfig, start_executor_process};
use ballista_scheduler::cluster::BallistaCluster;
use ballista_scheduler::config::{SchedulerConfig, TaskDistributionPolicy};
use ballista_scheduler::scheduler_process::start_server;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::support::{Broker, Instance, Usage, eventually, free_port, tools, write_lines};

/// A scheduler and two executors, each with a folder for what it passes on.
struct Cluster {
    url: String,
    work: [TempDir; 2],
    _runtime: Runtime,
}

impl Cluster {
    fn start() -> Self {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        // What the program of the scheduler has.
        let builder = builder.enable_all().worker_threads(4);
        let runtime = builder.thread_stack_size(32 << 20).build().unwrap();
        let port = free_port();
        let config = SchedulerConfig {
            bind_port: port,
            scheduling_policy: TaskSchedulingPolicy::PushStaged,
            task_distribution: TaskDistributionPolicy::RoundRobin,
            ..SchedulerConfig::default()
        };
        runtime.spawn(async move {
            let cluster = BallistaCluster::new_from_config(&config).await.unwrap();
            let address = format!("127.0.0.1:{port}").parse().unwrap();
            start_server(cluster, address, Arc::new(config))
                .await
                .unwrap();
        });
        let work = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        for work in &work {
            let config = ExecutorProcessConfig {
                port: free_port(),
                grpc_port: free_port(),
                scheduler_host: "127.0.0.1".to_owned(),
                scheduler_port: port,
                scheduler_connect_timeout_seconds: 30,
                task_scheduling_policy: TaskSchedulingPolicy::PushStaged,
                vcores: 1,
                work_dir: Some(work.path().display().to_string()),
                ..ExecutorProcessConfig::default()
            };
            runtime.spawn(async move { start_executor_process(Arc::new(config)).await.unwrap() });
        }
        Self {
            url: format!("df://127.0.0.1:{port}"),
            work,
            _runtime: runtime,
        }
    }
}

#[test]
fn a_cluster_finds_what_the_lake_holds() {
    let Some(tools) = tools("a_cluster_finds_what_the_lake_holds") else {
        return;
    };
    let broker = Broker::start(&tools);
    let instance = Instance::new(&broker, "[sql]\ntimeout_secs = 20\n");
    let mut events = Vec::new();
    for account in ["acme", "globex", "initech"] {
        let usage = Usage {
            key: format!("key_{account}"),
            account: account.to_owned(),
            days: 12,
            spike: false,
        };
        events.extend(usage.events());
    }
    let file = instance.folder().join("events.jsonl");
    write_lines(&file, &events);
    broker.produce("usage", 2, &file);
    instance.run_until_end();

    let cluster = Cluster::start();
    let on_cluster =
        |query: &str| instance.run(["sql", "--ballista", &cluster.url, "--format", "csv", query]);
    eventually("both executors", || {
        let answer = on_cluster("SELECT sum(requests) FROM usage_events");
        let busy = |work: &TempDir| work.path().read_dir().unwrap().next().is_some();
        (answer.code == Some(0) && cluster.work.iter().all(busy)).then_some(())
    });
    // Sums, conditions on the day, which is in no file, joins, and a table without rows.
    for query in [
        "SELECT count(*), sum(requests), sum(input_tokens), sum(cost_usd) FROM usage_events",
        "SELECT account, event_date, sum(cost_usd) FROM usage_events \
         WHERE event_date >= DATE '2026-03-05' GROUP BY account, event_date ORDER BY 1, 2",
        "SELECT window_start, key_id, sum(requests) FROM calls_1h WHERE account = 'acme' \
         GROUP BY window_start, key_id ORDER BY 1, 2",
        "SELECT a.key_id, sum(a.cost_usd), sum(b.requests) FROM calls_1h a \
         JOIN calls_1h b ON a.account = b.account AND a.window_start = b.window_start \
         GROUP BY a.key_id ORDER BY 1",
        "SELECT count(*) FROM cost_events",
    ] {
        let here = instance.run(["sql", "--format", "csv", query]).good();
        assert!(here.lines().count() > 1, "{here}");
        assert_eq!(on_cluster(query).good(), here, "{query}");
    }
    // What is not in the lake, what writes, and a cluster that is not there.
    let refused = |answer: crate::support::Outcome, word: &str| {
        assert_eq!(answer.code, Some(1), "{}", answer.stderr);
        assert!(answer.stderr.contains(word), "{}", answer.stderr);
    };
    refused(
        on_cluster("SELECT * FROM keys"),
        "\"keys\" is not one of them",
    );
    let latest = "SELECT count(*) FROM v_usage_latest";
    refused(on_cluster(latest), "\"v_usage_latest\" is not one of them");
    refused(on_cluster("SELECT * FROM no_such_table"), "no_such_table");
    refused(
        on_cluster("COPY usage_events TO '/tmp/pwned.csv'"),
        "only reading here",
    );
    let gone = format!("df://127.0.0.1:{}", free_port());
    refused(
        instance.run([
            "sql",
            "--ballista",
            &gone,
            "SELECT count(*) FROM usage_events",
        ]),
        &gone.replace("df://", ""),
    );
}
