//! A Kafka broker as a process of its own, and a producer and a consumer that are not ours.

use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::{eventually, free_port, run, script};

/// A broker on loopback with its data in a temporary folder; it is killed when dropped.
pub(crate) struct Broker {
    pub(crate) address: String,
    tools: PathBuf,
    /// Home of the broker and of what is produced to it.
    folder: tempfile::TempDir,
    child: Child,
}

impl Broker {
    /// Starts one and waits until it listens.
    pub(crate) fn start(tools: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Another program may take the port between our asking and the broker's.
        for _ in 0..5 {
            let port = free_port();
            let mut child = start(tools, folder.path(), port);
            let address = SocketAddr::from(([127, 0, 0, 1], port));
            let listens = eventually("the broker to listen", || {
                if child.try_wait().unwrap().is_some() {
                    return Some(false);
                }
                TcpStream::connect(address).is_ok().then_some(true)
            });
            if listens {
                return Self {
                    address: address.to_string(),
                    tools: tools.to_owned(),
                    folder,
                    child,
                };
            }
        }
        panic!("the broker does not start; see noida-db");
    }

    /// Ends it in peace, so that it saves what it has, and starts it again at the same address.
    pub(crate) fn restart(&mut self) {
        self.signal("TERM");
        self.child.wait().unwrap();
        let address: SocketAddr = self.address.parse().unwrap();
        eventually("the broker to be gone", || {
            TcpStream::connect(address).is_err().then_some(())
        });
        self.child = start(&self.tools, self.folder.path(), address.port());
        eventually("the broker to listen again", || {
            TcpStream::connect(address).is_ok().then_some(())
        });
    }

    /// Sends a signal to the broker by its name: `STOP` makes it a black hole, whose connections
    /// stay open and answer nothing, until `CONT`.
    pub(crate) fn signal(&self, name: &str) {
        let group = format!("-{}", self.child.id());
        let sent = Command::new("kill")
            .args(["-s", name, "--", &group])
            .status();
        assert!(sent.unwrap().success());
    }

    fn python(&self, name: &str, topic: &str) -> Command {
        let mut command = Command::new(self.tools.join("bin/python"));
        command
            .arg(script(name))
            .args(["--brokers", &self.address, "--topic", topic]);
        command
    }

    /// Writes the lines of a file to a topic of so many partitions; returns how many there were.
    pub(crate) fn produce(&self, topic: &str, partitions: u32, file: &Path) -> u64 {
        let mut command = self.python("produce.py", topic);
        command
            .args(["--partitions", &partitions.to_string()])
            .arg(file);
        run(&mut command).good().trim().parse().unwrap()
    }

    /// Writes values that are no lines; returns the partition and offset of each.
    pub(crate) fn produce_encoded(
        &self,
        topic: &str,
        partitions: u32,
        records: &[Encoded],
    ) -> Vec<(u64, u64)> {
        let file = self.folder.path().join("encoded.jsonl");
        let positions = self.folder.path().join("positions");
        let lines: Vec<u8> = records.iter().flat_map(Encoded::line).collect();
        std::fs::write(&file, lines).unwrap();
        let mut command = self.python("produce.py", topic);
        command
            .args(["--partitions", &partitions.to_string(), "--encoded"])
            .arg("--positions")
            .arg(&positions)
            .arg(&file);
        let sent: usize = run(&mut command).good().trim().parse().unwrap();
        assert_eq!(sent, records.len());
        let positions = std::fs::read_to_string(&positions).unwrap();
        let places = positions.lines().map(|line| {
            let (partition, offset) = line.split_once(' ').unwrap();
            (partition.parse().unwrap(), offset.parse().unwrap())
        });
        places.collect()
    }

    /// Makes a topic and writes one committed and one aborted transaction to each partition.
    pub(crate) fn transact(&self, topic: &str, partitions: u32, file: &Path) -> u64 {
        let mut command = self.python("transact.py", topic);
        command
            .args(["--partitions", &partitions.to_string()])
            .arg(file);
        run(&mut command).good().trim().parse().unwrap()
    }

    /// Reads a whole topic: partition, offset, key and value of every record.
    pub(crate) fn consume(&self, topic: &str) -> Vec<Value> {
        let lines = run(&mut self.python("consume.py", topic)).good();
        let records = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap());
        records.collect()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // The tool starts the broker as a child of its own: the whole group is ended.
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill")
            .args(["-s", "KILL", "--", &group])
            .status();
        let _ = self.child.wait();
    }
}

fn start(tools: &Path, home: &Path, port: u16) -> Child {
    Command::new(tools.join("bin/noida-db"))
        .args(["start", "--only", "kafka", "--kafka-port"])
        .arg(port.to_string())
        .arg("--data-dir")
        .arg(home.join("broker"))
        .env("HOME", home)
        .current_dir(home)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// A record whose value may be any bytes.
pub(crate) struct Encoded {
    pub(crate) key: Option<String>,
    pub(crate) value: Vec<u8>,
}

impl Encoded {
    fn line(&self) -> Vec<u8> {
        let line = json!({ "key": self.key, "base64": BASE64_STANDARD.encode(&self.value) });
        format!("{line}\n").into_bytes()
    }
}
