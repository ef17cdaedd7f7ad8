//! What the tests share: the program, the broker, the servers beside it, and waiting for things.

mod broker;
mod http_server;
mod instance;
mod mailbox;
mod program;
mod usage;
mod wait;

use std::path::PathBuf;

pub(crate) use broker::{Broker, Encoded};
pub(crate) use http_server::{HttpServer, Request};
pub(crate) use instance::Instance;
pub(crate) use mailbox::Mailbox;
pub(crate) use program::{Outcome, Running, program, run};
pub(crate) use usage::{Usage, events, four_keys, write_lines};
pub(crate) use wait::eventually;

/// Returns the folder of the tools, or says that a test is skipped.
pub(crate) fn tools(test: &str) -> Option<PathBuf> {
    let tools = std::env::var_os("SPIKEWATCH_TEST_TOOLS").map(PathBuf::from);
    if tools.is_none() {
        eprintln!("*** SKIPPED: {test}: SPIKEWATCH_TEST_TOOLS is not set; use ./scripts/test");
    }
    tools
}

/// Returns a path below the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

/// Returns a file beside these helpers.
pub(crate) fn script(name: &str) -> PathBuf {
    repository("crates/spikewatch/tests/it/support").join(name)
}

/// Returns a port of loopback that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
