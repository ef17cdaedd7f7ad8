//! A broker's process, and a consumer that does nothing.

use std::collections::BTreeMap;
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ingest::{KafkaConfig, KafkaSink};
use model::{RecordSink, Records};

use crate::Failure;

/// Makes a topic of so many partitions.
const MAKE_TOPIC: &str = "
import sys, time
from confluent_kafka.admin import AdminClient, NewTopic
brokers, topic, partitions = sys.argv[1], sys.argv[2], int(sys.argv[3])
admin = AdminClient({'bootstrap.servers': brokers})
admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result(30)
while len(admin.list_topics(topic, timeout=10).topics[topic].partitions) != partitions:
    time.sleep(0.05)
";

/// Reads so many records in batches and prints the seconds from the first to the last.
const CONSUME: &str = "
import sys, time, uuid
from confluent_kafka import Consumer
brokers, topic, events = sys.argv[1], sys.argv[2], int(sys.argv[3])
consumer = Consumer({
    'bootstrap.servers': brokers, 'group.id': str(uuid.uuid4()), 'auto.offset.reset': 'earliest',
    'enable.auto.commit': False, 'fetch.wait.max.ms': 50, 'check.crcs': True,
    'queued.min.messages': 100000,
})
consumer.subscribe([topic])
read, began = 0, None
while read < events:
    batch = consumer.consume(10000, timeout=1)
    if batch and began is None:
        began = time.monotonic()
    read += len(batch)
print(time.monotonic() - began)
";

/// A broker on loopback; one that was started ends with this.
pub(crate) struct Broker {
    pub(crate) address: String,
    tools: PathBuf,
    child: Option<(Child, PathBuf)>,
}

impl Broker {
    /// Starts one of the tools, unless one runs already.
    pub(crate) fn at(tools: &Path, running: Option<String>) -> Result<Self, Failure> {
        let tools = tools.canonicalize().map_err(|err| {
            format!(
                "{}: {err}; `./scripts/test -E 'none()'` makes the tools",
                tools.display()
            )
        })?;
        if let Some(address) = running {
            return Ok(Self {
                address,
                tools,
                child: None,
            });
        }
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let home = std::env::temp_dir().join(format!("spikewatch-broker-{}", std::process::id()));
        std::fs::create_dir_all(&home)?;
        let child = Command::new(tools.join("bin/noida-db"))
            .args(["start", "--only", "kafka", "--kafka-port"])
            .arg(port.to_string())
            .arg("--data-dir")
            .arg(home.join("data"))
            .env("HOME", &home)
            .current_dir(&home)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let broker = Self {
            address: format!("127.0.0.1:{port}"),
            tools,
            child: Some((child, home)),
        };
        let began = Instant::now();
        while TcpStream::connect(&broker.address).is_err() {
            if began.elapsed() > Duration::from_secs(30) {
                return Err("the broker does not start".into());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(broker)
    }

    /// Returns the configuration of a member of a group of its own.
    pub(crate) fn config(&self, topic: &str, group: &str) -> KafkaConfig {
        KafkaConfig {
            brokers: self.address.clone(),
            group: format!("bench-{group}"),
            cluster: "bench".into(),
            topics: vec![topic.into()],
            dead_letter_topic: "dead-letters".into(),
            properties: BTreeMap::new(),
        }
    }

    pub(crate) fn make_topic(&self, topic: &str, partitions: usize) -> Result<(), Failure> {
        self.python(MAKE_TOPIC, &[topic, &partitions.to_string()])?;
        Ok(())
    }

    /// Writes records to a topic, a key's to one partition.
    pub(crate) async fn write(
        &self,
        topic: &str,
        partitions: usize,
        records: &Records,
    ) -> Result<(), Failure> {
        self.make_topic(topic, partitions)?;
        let sink = KafkaSink::open(&self.config(topic, "writer"))?;
        let mut chunk = Vec::new();
        for (at, record) in records.iter().enumerate() {
            chunk.push((key_of(record.payload)?, record.payload.to_vec()));
            if chunk.len() == 20_000 || at + 1 == records.len() {
                sink.append(topic, &chunk).await?;
                chunk.clear();
            }
        }
        Ok(())
    }

    /// Reads a topic in another program that does nothing with it; returns events a second.
    pub(crate) fn consume(&self, topic: &str, events: usize) -> Result<f64, Failure> {
        let seconds: f64 = self
            .python(CONSUME, &[topic, &events.to_string()])?
            .trim()
            .parse()?;
        Ok(events as f64 / seconds)
    }

    fn python(&self, program: &str, args: &[&str]) -> Result<String, Failure> {
        let output = Command::new(self.tools.join("bin/python"))
            .args(["-c", program, &self.address])
            .args(args)
            .output()?;
        match output.status.success() {
            true => Ok(String::from_utf8(output.stdout)?),
            false => Err(String::from_utf8_lossy(&output.stderr).into()),
        }
    }
}

/// Returns the key of a generated event.
fn key_of(payload: &[u8]) -> Result<String, Failure> {
    #[derive(serde::Deserialize)]
    struct Event<'a> {
        key: &'a str,
    }
    let event: Event<'_> = serde_json::from_slice(payload)?;
    Ok(event.key.to_owned())
}

impl Drop for Broker {
    fn drop(&mut self) {
        let Some((child, home)) = &mut self.child else {
            return;
        };
        // The tool starts the broker as a child of its own: the whole group is ended.
        let group = format!("-{}", child.id());
        let _ = Command::new("kill")
            .args(["-s", "KILL", "--", &group])
            .status();
        let _ = child.wait();
        let _ = std::fs::remove_dir_all(home);
    }
}
