//! `spikewatch run`.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use ingest::StopAt;
use model::OffsetRange;
use pipeline::{AfterCrash, PoisonFile, RunSummary};
use serde_json::json;
use tracing::{error, info, warn};

use crate::cli::RunArgs;
use crate::reload::{self, Reload};
use crate::{config, gateway_process, lease, process, upkeep, wiring};

/// How long the last messages may take before the process ends.
const DRAIN: Duration = Duration::from_secs(10);

pub(crate) async fn run(file: Option<&Path>, args: RunArgs) -> anyhow::Result<ExitCode> {
    // A finite run ends with its terminal. Before all else: the first hang-up would end it, too.
    let hang_ups = (!args.until_end).then(reload::hang_ups).transpose()?;
    process::keep_name();
    let config = config::load(file)?;
    // A wrong gateway is told now, and not once a second by its process.
    let gateway_config = gateway_process::config(&config)?;
    if let Some(gateway_config) = &gateway_config {
        let wrong = |err: gateway::GatewayError| {
            config::ConfigError::value(&config.file, "sql", format!("cannot be used: {err}"))
        };
        gateway_config.check().map_err(wrong)?;
    }
    let cancel = process::stop_on_signal()?;
    let stop_at = if args.until_end {
        StopAt::End
    } else {
        StopAt::Never
    };
    let link_base = format!("http://{}", config.server.listen);
    let service = wiring::assemble(
        &config,
        wiring::Choices {
            stop_at,
            on_alerts: Box::new(|alerts| {
                for alert in alerts {
                    info!(
                        alert = %alert.alert_id,
                        revision = alert.revision,
                        severity = alert.severity.as_str(),
                        account = alert.account,
                        key = alert.name(),
                        "alert"
                    );
                }
            }),
            link_base: Some(link_base),
        },
    )
    .await?;
    // A finite run has no pages: it may stand beside a service.
    let pages = if args.until_end {
        None
    } else {
        let server = server::bind(&config.server, service.app_state).await?;
        info!(address = %server.local_addr(), "pages are served");
        Some(tokio::spawn(server.serve(cancel.child_token())))
    };
    if let Some(socket) = service.live_socket {
        tokio::spawn(socket.serve());
    }
    let gateway = (gateway_config.is_some() && !args.until_end)
        .then(|| tokio::spawn(gateway_process::keep(config.clone(), cancel.child_token())));
    let mut leases = Vec::new();
    let mut lease_of = |name| match &config.instances {
        Some(instances) => {
            let (casebook, name_of_it) = (service.casebook.clone(), instances.name.clone());
            let (held, keeping) = lease::keep(casebook, name, name_of_it, cancel.child_token());
            leases.push(keeping);
            held
        }
        None => lease::always(),
    };
    let upkeep = if args.until_end {
        None
    } else {
        let held = lease_of("look after the history");
        Some(upkeep::start(&config, held, cancel.child_token())?)
    };
    // A finite run reads what is there; what is only in an API comes later.
    let pollers = if args.until_end {
        Vec::new()
    } else {
        service.pollers
    };
    if !pollers.is_empty() {
        let held = lease_of("poll");
        for poller in pollers {
            tokio::spawn(lease::poll(poller, held.clone(), cancel.child_token()));
        }
    }
    let delivering = cancel.child_token();
    let deliverer = std::sync::Arc::new(service.deliverer);
    let deliveries = (!args.until_end).then(|| {
        let (deliverer, delivering) = (deliverer.clone(), delivering.clone());
        tokio::spawn(async move { deliverer.run(delivering).await })
    });
    // A finite run is looked at by who started it.
    if !args.until_end {
        tokio::spawn(service.watch.run(cancel.child_token()));
    }
    let reload = match hang_ups {
        Some(hang_ups) => {
            let (vitals, cancel) = (service.vitals.clone(), cancel.clone());
            Reload::on(hang_ups, file.map(Path::to_owned), vitals, cancel)
        }
        None => Reload::default(),
    };
    let progress = args
        .until_end
        .then(|| tokio::spawn(report(service.vitals.clone())));

    let summary = service.pipeline.run(cancel.clone()).await;
    let crash = match &summary {
        // Noted before anything else may fail.
        Err(pipeline::Error::Crashed(crashed)) => Some(Crash::note(service.poison, crashed)),
        _ => None,
    };
    if let Some(progress) = progress {
        progress.abort();
    }
    cancel.cancel();
    if let Some(gateway) = gateway {
        gateway.await.context("end the SQL gateway")?;
    }
    if let Some(upkeep) = upkeep
        && tokio::task::spawn_blocking(|| upkeep.join())
            .await?
            .is_err()
    {
        warn!("the history's upkeep did not end cleanly");
    }
    if let Some(deliveries) = deliveries {
        deliveries.await.context("deliver messages")?;
    }
    for lease in leases {
        lease.await.context("give a lease back")?;
    }
    if let Some(crash) = crash {
        service.casebook.close().await;
        return Err(crash?.begin_anew());
    }
    if let Err(lost @ pipeline::Error::Lost(_)) = &summary
        && !process::is_asked_to_stop()
    {
        error!(%lost, "begin anew, and join the group anew");
        service.casebook.close().await;
        return Err(process::begin_anew().context("begin anew after a partition was lost"));
    }
    let summary = summary?;
    let begins_anew = reload.is_wanted() && !process::is_asked_to_stop();
    if !begins_anew {
        deliverer.drain(DRAIN).await;
    }
    if let Some(pages) = pages
        && let Ok(Err(error)) = tokio::time::timeout(Duration::from_secs(5), pages).await?
    {
        warn!(%error, "the pages did not end cleanly");
    }
    service.casebook.close().await;
    drop(service.lock);
    if !begins_anew {
        tell(&summary);
    }
    if let Some(stats) = &args.stats {
        write_stats(stats, &summary)?;
    }
    if begins_anew && !process::is_asked_to_stop() {
        return Err(process::begin_anew().context("begin anew with the changed configuration"));
    }
    Ok(ExitCode::SUCCESS)
}

/// A stage crashed, and what follows from that.
struct Crash {
    what: pipeline::Error,
    after: AfterCrash,
    file: PoisonFile,
}

impl Crash {
    /// Notes what was in work.
    fn note(mut file: PoisonFile, crashed: &OffsetRange) -> anyhow::Result<Self> {
        let what = pipeline::Error::Crashed(crashed.clone());
        let noted = file.note(crashed);
        let after =
            noted.with_context(|| format!("{what}; write \"{}\"", file.path().display()))?;
        Ok(Self { what, after, file })
    }

    /// Begins anew in the same process: what the stage knew is half of something, and the last
    /// snapshot has it whole. Returns only if that cannot be done, would not help, or is not
    /// wanted.
    fn begin_anew(self) -> anyhow::Error {
        let Self { what, after, file } = self;
        match after {
            AfterCrash::ReadOneByOne => error!(%what, "begin anew, and read these one by one"),
            AfterCrash::PassOver => error!(%what, "begin anew, and pass over this record"),
            AfterCrash::GiveUp => {
                return anyhow::Error::new(what).context(format!(
                    "passing over records does not help; \"{}\" has those that were",
                    file.path().display()
                ));
            }
        }
        if process::is_asked_to_stop() {
            return anyhow::Error::new(what).context("stop; the next run begins anew");
        }
        process::begin_anew().context("begin anew after a crash")
    }
}

/// Shows progress on a terminal once a second.
async fn report(vitals: std::sync::Arc<pipeline::PipelineVitals>) {
    use std::io::IsTerminal;
    use std::sync::atomic::Ordering;
    if !std::io::stderr().is_terminal() {
        return;
    }
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let read = vitals.records.load(Ordering::Relaxed);
        let alerts = vitals.alerts.load(Ordering::Relaxed);
        eprint!("\r{read} events read, {alerts} alerts ");
    }
}

fn tell(summary: &RunSummary) {
    eprintln!(
        "{} events read ({} rows new, {} known), {} dead letters, {} duplicates, {} new alerts, {:.0} events/s",
        summary.events,
        summary.rows_written,
        summary.rows_known,
        summary.dead_letters,
        summary.duplicates,
        summary.alerts,
        rate(summary),
    );
}

fn rate(summary: &RunSummary) -> f64 {
    summary.events as f64 / summary.seconds.max(1e-3)
}

fn write_stats(path: &Path, summary: &RunSummary) -> anyhow::Result<()> {
    let stats = json!({
        "events": summary.events,
        "bytes": summary.bytes,
        "seconds": summary.seconds,
        "events_per_second": rate(summary),
        "dead_letters": summary.dead_letters,
        "duplicates": summary.duplicates,
        "alerts": summary.alerts,
        "rows_written": summary.rows_written,
        "rows_known": summary.rows_known,
        "peak_memory_bytes": process::peak_memory_bytes(),
    });
    std::fs::write(path, format!("{stats:#}\n"))
        .with_context(|| format!("write \"{}\"", path.display()))
}
