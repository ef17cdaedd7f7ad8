//! `spikewatch sql-gateway`: the process that answers the PostgreSQL wire and Flight SQL.
//!
//! `run` starts it and holds its standard input: when that ends, the service is gone, however it
//! went, and so is this.

use std::io::Read;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{config, gateway_process, lake, process, reload, wiring};

/// How often the memory of the process is looked at. A query cannot take much more meanwhile than
/// the machine can hand out in that time.
const LOOK: Duration = Duration::from_millis(50);

/// How the process ends that had more memory than it may.
const OUT_OF_MEMORY: i32 = 137;

pub(crate) async fn run(file: Option<&Path>) -> anyhow::Result<ExitCode> {
    // A changed configuration is the service's matter, which begins this process anew.
    let _hang_ups = reload::hang_ups()?;
    let config = config::load(file)?;
    let Some(gateway_config) = gateway_process::config(&config)? else {
        anyhow::bail!("neither [sql] listen nor flight_listen is set");
    };
    let casebook = wiring::existing_casebook(&config).await?;
    let lake = lake::open(&config, &casebook)?;
    let gateway = gateway::bind(&gateway_config, Arc::new(lake)).await?;
    for (what, address) in gateway.addresses() {
        info!(%address, "{what} is answered");
    }
    end_beyond(config.sql.process_memory_bytes)?;
    let cancel = process::stop_on_signal()?;
    end_with_parent(cancel.clone())?;
    let served = gateway.serve(cancel).await;
    casebook.close().await;
    served?;
    Ok(ExitCode::SUCCESS)
}

/// Ends the process when its standard input does.
fn end_with_parent(cancel: CancellationToken) -> std::io::Result<()> {
    let wait = move || {
        let mut said = [0u8; 64];
        while std::io::stdin().read(&mut said).is_ok_and(|read| read > 0) {}
        cancel.cancel();
    };
    let thread = std::thread::Builder::new().name("parent".to_owned());
    thread.spawn(wait).map(drop)
}

/// Ends the process once it holds more memory than it may: a query that took it would otherwise
/// have the system end the service.
fn end_beyond(limit: u64) -> std::io::Result<()> {
    // On a thread of its own: workers may all be busy with what takes the memory.
    let guard = move || {
        loop {
            std::thread::sleep(LOOK);
            if process::memory_bytes().is_some_and(|held| held > limit) {
                eprintln!("error: the SQL gateway held more than {limit} bytes, and ends");
                std::process::exit(OUT_OF_MEMORY);
            }
        }
    };
    let thread = std::thread::Builder::new().name("memory-guard".to_owned());
    thread.spawn(guard).map(drop)
}
