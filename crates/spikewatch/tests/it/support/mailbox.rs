//! A mail server as a process of its own.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::script;

/// A mail server on loopback that keeps what it is sent; it is killed when dropped.
pub(crate) struct Mailbox {
    pub(crate) port: u16,
    folder: tempfile::TempDir,
    child: Child,
}

impl Mailbox {
    /// Starts one.
    pub(crate) fn start(tools: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(tools.join("bin/python"))
            .arg(script("mailbox.py"))
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut port)
            .unwrap();
        Self {
            port: port.trim().parse().unwrap(),
            folder,
            child,
        }
    }

    /// Returns the messages so far, the oldest first.
    pub(crate) fn messages(&self) -> Vec<Value> {
        let files = (1..).map(|number| self.folder.path().join(format!("{number}.json")));
        files
            .map_while(|file| std::fs::read(file).ok())
            .map(|text| serde_json::from_slice(&text).unwrap())
            .collect()
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
