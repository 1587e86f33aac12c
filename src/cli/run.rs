//! `run DELIVERY`: from settings to flowing rows.

use prometheus_client::registry::Registry;

use super::args::RunArgs;
use super::failure::{Exit, Failure};
use crate::app::{self, Assembly, Domain, Peers};
use crate::config::Settings;
use crate::pipeline::Until;
use crate::serve;
use crate::shutdown::Shutdown;
use crate::telemetry::{Health, Metrics};

/// Runs the domain until it is stopped, caught up, or needs a person.
pub async fn run(args: RunArgs, settings: Settings) -> Result<(), Failure> {
    let shutdown = Shutdown::on_signals()
        .map_err(|error| Failure::new(Exit::Stopped, "listen for signals").source(error))?;
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let health = Health::new();
    let _server = serve::start(settings.metrics_addr, registry, health.clone())
        .await
        .map_err(|error| Failure::new(Exit::Stopped, "serve health and metrics").source(error))?;
    if settings.disabled {
        tracing::info!(domain = settings.domain, "disabled: kafka and bigquery are not touched");
        health.disabled();
        shutdown.wait().await;
        return Ok(());
    }
    let until = if args.flags.until_caught_up { Until::CaughtUp } else { Until::Stopped };
    let domain = Domain::of(&settings)?;
    let peers = Peers::start(&settings, &domain).await?;
    let assembly = Assembly {
        settings: &settings,
        domain: &domain,
        peers: &peers,
        until,
        metrics,
        health,
        shutdown: shutdown.clone(),
    };
    let flow = tokio::select! {
        flow = app::flow(assembly) => flow?,
        () = shutdown.wait() => return Ok(()),
    };
    tracing::info!(
        domain = settings.domain,
        topic = flow.subscription.topic,
        group = flow.subscription.group,
        table = flow.sink.target(),
        contract = domain.contract.id,
        guarantee = ?settings.write.guarantee,
        "consuming"
    );
    let (summary, drained) = app::run(flow).await?;
    match until {
        Until::CaughtUp => println!("{summary}{}", peers.how_to_see_rows(&settings.write.table)),
        Until::Stopped => tracing::info!(
            read = summary.read,
            written = summary.written,
            rejoins = summary.rejoins,
            drained,
            "stopped"
        ),
    }
    if drained {
        return Ok(());
    }
    let what = "the drain deadline passed before everything in flight was settled and committed";
    let hint = "nothing is lost: what was not committed is read again at the next start";
    Err(Failure::new(Exit::DrainDeadline, what).hint(hint))
}
