//! Settings, contract and peers, made ready to flow.

use std::sync::Arc;
use std::time::Duration;

use super::assembly::Assembly;
use super::broker::publisher;
use super::error::AppError;
use super::sink::{Opened, open};
use crate::clock::Clock;
use crate::config::TrackerSettings;
use crate::pipeline::{Flow, Steps, Succession};
use crate::sink::Sink;
use crate::source::{RecordReader, Subscription, client};
use crate::steps::{Evaluation, PayloadTracker, Watcher, Watchers};
use crate::stop::Stop;
use crate::telemetry::{StepMetrics, otlp};
use crate::transcode::Plan;

/// How long a message for the payload tracker may be on its way.
const NOTICE: Duration = Duration::from_secs(30);

/// Connects the sink, creates or evolves its tables, and puts the run together.
pub async fn flow(of: Assembly<'_>) -> Result<Flow, AppError> {
    let settings = of.settings;
    let (sink, plan) = writing(&of).await?;
    of.health.sink_reachable(true);
    let steps = steps(&of)?;
    Ok(Flow {
        topic: None,
        topic_was_missing: false,
        subscription: subscription(&of),
        succession: Succession::default(),
        plan,
        steps,
        sink,
        limits: settings.limits.clone(),
        until: of.until,
        metrics: of.metrics,
        health: of.health,
        tracer: otlp::tracer(),
        clock: Clock::System,
        shutdown: of.shutdown,
    })
}

/// Connects the sink, creates or evolves its tables, and compiles the contract for what the table
/// has.
pub(super) async fn writing(of: &Assembly<'_>) -> Result<(Arc<dyn Sink>, Plan), AppError> {
    let subscription = subscription(of);
    let reread = RecordReader::new(subscription.consumer, subscription.topic);
    let Opened { sink, columns, partition_by } = open(of, Arc::new(reread)).await?;
    let plan = of.domain.written().plan_for(&columns, partition_by.as_deref())?;
    Ok((sink, plan))
}

fn subscription(of: &Assembly<'_>) -> Subscription {
    let topic = &of.domain.contract.topic;
    Subscription::new(&of.settings.consume, &of.peers.bootstrap, topic)
}

/// What happens to events before rows are written, where the domain has rules.
fn steps(of: &Assembly<'_>) -> Result<Option<Steps>, AppError> {
    let (Some(settings), Some(reports)) = (&of.settings.steps, &of.domain.reports) else {
        return Ok(None);
    };
    let metrics = of.step_metrics.clone().unwrap_or_else(StepMetrics::unregistered);
    let mut watchers: Vec<Arc<dyn Watcher>> = vec![Arc::new(metrics.clone())];
    if let Some(settings) = &settings.tracker {
        watchers.push(Arc::new(tracker(of, settings, metrics)?));
    }
    let watchers: Watchers = watchers.into_iter().collect();
    let evaluation = Evaluation::new(
        settings,
        reports.rules.clone(),
        &of.settings.limits,
        std::env::vars_os().collect(),
        (watchers.clone(), of.health.clone()),
    )?
    .traced(otlp::tracer());
    let gate = of.domain.plan(&of.domain.columns)?;
    Ok(Some(Steps { gate, work: Arc::new(evaluation), watchers }))
}

fn tracker(
    of: &Assembly<'_>,
    settings: &TrackerSettings,
    metrics: StepMetrics,
) -> Result<PayloadTracker, Stop> {
    let config = client::notice_config(&of.settings.consume, &of.peers.bootstrap, NOTICE);
    let publisher = publisher(&config, &settings.topic)?;
    Ok(PayloadTracker::new(settings.clone(), publisher, metrics))
}
