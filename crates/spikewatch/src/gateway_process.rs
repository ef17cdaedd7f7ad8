//! The SQL gateway as a process of its own: started, watched, started again.

use std::collections::BTreeMap;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use gateway::{ANALYST, GatewayConfig, UserConfig};
use model::Secret;
use tokio::process::{Child, ChildStdin, Command};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::config::Config;
use crate::files;
use crate::lock::make_data_dir;

/// How long to wait before the process is started again, at first and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// A process that lived as long has answered, and is not ended by what it begins with.
const LIVED: Duration = Duration::from_secs(1);

/// Returns where the gateway listens and for whom, or `None` where there is none.
pub(crate) fn configured(config: &Config) -> Option<GatewayConfig> {
    let sql = &config.sql;
    sql.listen.or(sql.flight_listen)?;
    Some(GatewayConfig {
        listen: sql.listen,
        flight_listen: sql.flight_listen,
        tls: sql.tls.clone(),
        users: sql.users.clone(),
        max_connections: sql.max_connections,
        sign_in_timeout: Duration::from_secs(sql.sign_in_timeout_secs),
        max_queries_per_user: sql.max_queries_per_user,
        max_rows: sql.max_rows,
        flight_max_rows: sql.flight_max_rows,
    })
}

/// The same, with the one user that there is without `[sql.users]`, whose password is made at
/// the first time.
///
/// # Errors
/// When that password cannot be read or made.
pub(crate) fn config(config: &Config) -> anyhow::Result<Option<GatewayConfig>> {
    let Some(mut gateway) = configured(config) else {
        return Ok(None);
    };
    if gateway.users.is_empty() {
        make_data_dir(&config.data_dir)?;
        let password = files::own_secret(&config.sql_password_file(), "SQL password")?;
        let password = Secret::new(password);
        let accounts = None;
        gateway.users = BTreeMap::from([(ANALYST.to_owned(), UserConfig { password, accounts })]);
    }
    Ok(Some(gateway))
}

/// Keeps the gateway running until it is cancelled. Whatever a query does to the process, the
/// service does not notice, and the next query finds another.
pub(crate) async fn keep(config: Config, cancel: CancellationToken) {
    let mut pause = PAUSES.0;
    while !cancel.is_cancelled() {
        let started = Instant::now();
        let ended = match start(&config) {
            Ok(mut child) => {
                // Its standard input is held: to wait for a child would close it.
                let held = child.stdin.take();
                tokio::select! {
                    () = cancel.cancelled() => return end(child, held).await,
                    status = child.wait() => status,
                }
            }
            Err(err) => Err(err),
        };
        tell(ended);
        if started.elapsed() > LIVED {
            pause = PAUSES.0;
        }
        tokio::select! {
            () = cancel.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
        pause = (pause * 2).min(PAUSES.1);
    }
}

fn start(config: &Config) -> std::io::Result<Child> {
    Command::new(std::env::current_exe()?)
        .arg("--config")
        .arg(&config.file)
        .arg("sql-gateway")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
}

/// Ends the process as it ends by itself when the service is gone.
async fn end(mut child: Child, held: Option<ChildStdin>) {
    drop(held);
    let patience = Duration::from_secs(2);
    // What does not end is killed when it is dropped.
    let _ = tokio::time::timeout(patience, child.wait()).await;
}

fn tell(ended: std::io::Result<ExitStatus>) {
    match ended {
        Ok(status) => warn!(%status, "the SQL gateway ended, and is started again"),
        Err(err) => error!(error = %err, "the SQL gateway cannot be started"),
    }
}
