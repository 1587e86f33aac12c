//! Settings, contract and peers, made ready to flow.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::domain::Domain;
use super::error::AppError;
use super::peers::Peers;
use crate::clock::Clock;
use crate::config::{DeadLetterTarget, Settings};
use crate::pipeline::{Flow, Until};
use crate::shutdown::Shutdown;
use crate::sink::bigquery::{BigQuery, BigQuerySink};
use crate::sink::dead_letter::{About, DeadLetters};
use crate::source::{RecordReader, Subscription, client};
use crate::stop::Stop;
use crate::telemetry::{Health, Metrics};

/// What a flow is assembled from.
pub struct Assembly<'a> {
    pub settings: &'a Settings,
    pub domain: &'a Domain,
    pub peers: &'a Peers,
    pub until: Until,
    pub metrics: Metrics,
    pub health: Health,
    pub shutdown: Shutdown,
}

/// Connects the sink, creates or evolves its tables, and compiles the contract for what the table
/// has.
pub async fn flow(of: Assembly<'_>) -> Result<Flow, AppError> {
    let (settings, write) = (of.settings, &of.peers.write);
    let subscription =
        Subscription::new(&settings.consume, &of.peers.bootstrap, &of.domain.contract.topic);
    let began = Instant::now();
    let bigquery = BigQuery::connect(write, of.metrics.clone(), Clock::System).await?;
    let columns = &of.domain.columns;
    let table =
        bigquery.prepare(&write.table, columns, write.manage_table, &write.partition_by).await?;
    // BigQuery gives the time of creation in milliseconds.
    let is_new = table.created.is_some_and(|at| at + Duration::from_millis(2) >= began);
    if of.peers.rows_are_doubled() && !is_new {
        tracing::warn!(
            table = %write.table,
            "the embedded broker begins anew, but the table keeps the rows of earlier runs: events \
             that were read before are in it again. Delete the table first, or choose another \
             BQ_TABLE"
        );
    }
    let letters = letters(&of, &bigquery).await?;
    of.health.sink_reachable(true);
    let plan = of.domain.plan_for(&table.columns, table.partition_by.as_deref())?;
    let reread = RecordReader::new(subscription.consumer.clone(), subscription.topic.clone());
    let target = (write.table.clone(), &table);
    let sink = BigQuerySink::new(bigquery, target, write.guarantee, letters, Arc::new(reread));
    Ok(Flow {
        topic: None,
        topic_was_missing: false,
        subscription,
        plan,
        sink: Arc::new(sink),
        limits: settings.limits.clone(),
        until: of.until,
        metrics: of.metrics,
        health: of.health,
        clock: Clock::System,
        shutdown: of.shutdown,
    })
}

async fn letters(of: &Assembly<'_>, bigquery: &BigQuery) -> Result<DeadLetters, Stop> {
    let (settings, write) = (of.settings, &of.peers.write);
    let about = About {
        topic: of.domain.contract.topic.clone(),
        group: settings.consume.group_id.clone(),
        contract: of.domain.contract.id.clone(),
    };
    match &settings.dead_letter {
        DeadLetterTarget::BigQuery => {
            DeadLetters::bigquery(bigquery, &write.table, write.manage_table, about).await
        }
        DeadLetterTarget::Kafka(topic) => {
            let config = client::producer_config(&settings.consume, &of.peers.bootstrap);
            DeadLetters::kafka(&config, topic, about)
        }
    }
}
