//! `run DELIVERY`: from settings to flowing rows.

use std::sync::Arc;

use prometheus_client::registry::Registry;

use super::args::RunArgs;
use super::event_file;
use super::failure::{Exit, Failure};
use super::load::load;
use super::otlp;
use super::output;
use super::progress::ProgressLine;
use super::signals;
use crate::app::{self, Assembly, ContractReport, ContractWatch, Peers};
use crate::config::Broker;
use crate::pipeline::{Summary, Until};
use crate::record::{Reason, UnsentRecord};
use crate::serve::{self, Instance};
use crate::telemetry::otlp::Service;
use crate::telemetry::{ContractMetrics, Health, Metrics, StepMetrics};

/// Runs the domain until it is stopped, caught up, or needs a person.
pub async fn run(args: RunArgs) -> Result<(), Failure> {
    let shutdown = signals::shutdown()?;
    let until = if args.flags.until_caught_up { Until::CaughtUp } else { Until::Stopped };
    let stopped = || match until {
        Until::CaughtUp => Err(not_caught_up(NOTHING_IS_LOST)),
        Until::Stopped => Ok(()),
    };
    let (settings, fetcher) = tokio::select! {
        loaded = load(&args.domain, args.inputs()) => {
            let (loaded, fetcher) = loaded?;
            (loaded.settings, fetcher)
        }
        () = shutdown.wait() => return stopped(),
    };
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let contract_metrics = ContractMetrics::register(&mut registry);
    let has_steps = settings.steps.is_some();
    let step_metrics = has_steps.then(|| StepMetrics::register(&mut registry));
    let registry = Arc::new(registry);
    otlp::start(settings.otlp.as_ref(), &Service::of(&settings), Some(registry.clone()))?;
    let health = Health::new();
    let instance = Instance::new(&settings, metrics.clone());
    let address = settings.metrics_addr;
    let serving = serve::start_with_status(address, registry, health.clone(), instance.clone());
    let _server = serving
        .await
        .map_err(|error| Failure::new(Exit::Stopped, "serve health and metrics").source(error))?;
    tokio::spawn({
        let (shutdown, health) = (shutdown.clone(), health.clone());
        async move {
            shutdown.wait().await;
            health.draining();
        }
    });
    if settings.disabled {
        tracing::info!(domain = settings.domain, "disabled: kafka and bigquery are not touched");
        health.disabled();
        shutdown.wait().await;
        return Ok(());
    }
    let (domain, origin) = tokio::select! {
        read = app::domain_and_origin(&settings, &fetcher) => read?,
        () = shutdown.wait() => return stopped(),
    };
    let report = ContractReport::new(contract_metrics, health.clone());
    report.uses(&domain.contract.id, &origin.digest());
    instance.reads(&domain.contract.topic);
    let started = async {
        let events = events(&args).await?;
        Ok::<_, Failure>(Peers::start(&settings, &domain, events).await?)
    };
    let peers = tokio::select! {
        started = started => started?,
        () = shutdown.wait() => return stopped(),
    };
    let assembly = Assembly {
        settings: &settings,
        domain: &domain,
        peers: &peers,
        until,
        metrics: metrics.clone(),
        step_metrics,
        health,
        shutdown: shutdown.clone(),
    };
    let flow = tokio::select! {
        flow = app::flow(assembly.clone()) => flow?,
        () = shutdown.wait() => return stopped(),
    };
    tracing::info!(
        domain = settings.domain,
        topic = flow.subscription.topic,
        group = flow.subscription.group,
        table = flow.sink.target(),
        contract = domain.contract.id,
        durability = ?flow.sink.durability(),
        "consuming"
    );
    let progress = match until {
        Until::CaughtUp => ProgressLine::show(metrics, "joining the consumer group"),
        Until::Stopped => None,
    };
    let succession = flow.succession.clone();
    let watch = ContractWatch { assembly, fetcher: &fetcher, origin, report, succession };
    let ended = tokio::select! {
        ended = app::run(flow) => ended,
        never = watch.watch() => match never {},
    };
    drop(progress);
    let (summary, drained) = ended?;
    if let Some(events) = unanswered(&summary) {
        tracing::warn!(
            events,
            "FILTER had no answer for any event, so nothing was written: `validate` shows why"
        );
    }
    match until {
        Until::CaughtUp => {
            let how = peers.how_to_see_rows();
            output::print(&format!("{summary}{how}"))?;
        }
        Until::Stopped => tracing::info!(
            read = summary.read,
            written = summary.written,
            rejoins = summary.rejoins,
            drained,
            "stopped"
        ),
    }
    if !drained {
        let what =
            "the drain deadline passed before everything in flight was settled and committed";
        return Err(Failure::new(Exit::DrainDeadline, what).hint(NOTHING_IS_LOST));
    }
    match until {
        Until::CaughtUp if !summary.caught_up => {
            Err(not_caught_up(match settings.consume.broker {
                Broker::Embedded => "the next run begins anew: the embedded broker keeps nothing",
                Broker::Servers(_) => NOTHING_IS_LOST,
            }))
        }
        Until::CaughtUp | Until::Stopped => Ok(()),
    }
}

/// The number of events, if the filter had no answer for any of them.
fn unanswered(summary: &Summary) -> Option<u64> {
    let events = *summary.dead_lettered.get(&Reason::FilterError)?;
    let answered = summary.written + summary.ignored.get("filter").copied().unwrap_or(0);
    (events > 0 && answered == 0).then_some(events)
}

const NOTHING_IS_LOST: &str =
    "nothing is lost: what was not committed is read again at the next start";

/// The events of `--events`. A thread of its own reads them, because standard input may never end.
async fn events(args: &RunArgs) -> Result<Option<Vec<UnsentRecord>>, Failure> {
    let Some(file) = args.flags.events.clone() else { return Ok(None) };
    let envelope = args.flags.envelope;
    let read = tokio::task::spawn_blocking(move || event_file::read(&file, envelope)).await;
    let events =
        read.map_err(|error| Failure::new(Exit::Stopped, "read --events").source(error))??;
    Ok(Some(events.into_iter().map(|event| event.record).collect()))
}

/// A signal ended a run that was to catch up.
fn not_caught_up(hint: &'static str) -> Failure {
    Failure::new(Exit::Interrupted, "stopped before it had caught up").hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_without_any_answer_of_the_filter_is_noticed() {
        let mut summary = Summary::new(String::new(), String::new());
        assert_eq!(unanswered(&summary), None);
        summary.dead_lettered.insert(Reason::InvalidJson, 3);
        assert_eq!(unanswered(&summary), None, "the filter is not at fault");
        summary.dead_lettered.insert(Reason::FilterError, 5);
        summary.ignored.insert("tombstone".to_owned(), 1);
        assert_eq!(unanswered(&summary), Some(5));
        summary.ignored.insert("filter".to_owned(), 1);
        assert_eq!(unanswered(&summary), None, "one was left out");
        summary.ignored.clear();
        summary.written = 1;
        assert_eq!(unanswered(&summary), None, "one was written");
    }
}
