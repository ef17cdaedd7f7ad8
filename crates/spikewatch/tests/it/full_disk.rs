//! A disk that is full holds the program up, and nothing is lost once there is room.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::{Broker, Instance, eventually, program, run, tools};

/// A small disk in memory at a folder; it is gone when dropped.
struct Disk(PathBuf);

impl Disk {
    /// Makes it, if this machine lets us.
    fn mount(folder: &Path, size: &str) -> Option<Self> {
        std::fs::create_dir_all(folder).unwrap();
        mount(
            &["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"],
            folder,
        )
        .then(|| Self(folder.to_owned()))
    }

    fn resize(&self, size: &str) {
        assert!(mount(&["-o", &format!("remount,size={size}")], &self.0));
    }
}

fn mount(args: &[&str], folder: &Path) -> bool {
    let status = Command::new("mount")
        .args(args)
        .arg(folder)
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily, because a failed test may leave files open.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_waited_for_and_nothing_is_lost() {
    let Some(tools) = tools("a_full_disk_is_waited_for_and_nothing_is_lost") else {
        return;
    };
    let broker = Broker::start(&tools);
    let more = "[history]\ncommit_rows = 5000\n\n[snapshots]\ninterval_secs = 0\n";
    let instance = Instance::new(&broker, more);
    let Some(disk) = Disk::mount(&instance.data_dir(), "4m") else {
        eprintln!("*** SKIPPED: a disk of its own cannot be mounted here, that takes root");
        return;
    };
    let out = instance.folder().join("story");
    let args = ["simulate", "--scenario", "braintrust", "--seed", "1"];
    run(program(instance.folder())
        .args(args)
        .args(["--scale", "0.3", "--out"])
        .arg(&out))
    .good();
    let produced = broker.produce("usage", 4, &out.join("events.jsonl"));

    let mut running = instance.start_until_end();
    eventually("the disk to be full", || {
        if let Some(status) = running.ended() {
            panic!("ended on a full disk: {status}: {}", running.stderr());
        }
        running
            .stderr()
            .contains("could not commit to history, waiting")
            .then_some(())
    });
    disk.resize("400m");
    running.wait().good();

    let stats = instance.stats();
    assert_eq!(stats["events"], produced);
    let rows = produced - stats["duplicates"].as_u64().unwrap();
    let counts = instance.sql("SELECT count(*), count(DISTINCT event_id) FROM usage_events");
    assert_eq!(counts, format!("{rows},{rows}"));
    assert!(!instance.alerts().is_empty());
    assert_eq!(
        instance.run_until_end()["events"],
        0,
        "a snapshot was saved in the end"
    );
}
