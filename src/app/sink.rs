//! The sink that the settings name, connected and with its tables ready.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::assembly::Assembly;
use crate::clock::Clock;
use crate::config::{
    BigQuerySettings, DeadLetterTarget, InfluxSettings, KafkaSettings, PostgresSettings,
    SinkSettings,
};
use crate::row::TableSchema;
use crate::sink::bigquery::{BigQuery, BigQuerySink, prices};
use crate::sink::dead_letter::{About, DeadLetters};
use crate::sink::influxdb::InfluxSink;
use crate::sink::kafka::{self, KafkaSink, Reads};
use crate::sink::postgres::PostgresSink;
use crate::sink::{Reread, Sink, influxdb, postgres};
use crate::source::{Subscription, client};
use crate::stop::Stop;

/// A sink, and what its table has.
pub struct Opened {
    pub sink: Arc<dyn Sink>,
    /// The columns that may be written.
    pub columns: TableSchema,
    /// The column of day partitions, outside of whose window no row is taken.
    pub partition_by: Option<String>,
}

pub async fn open(of: &Assembly<'_>, reread: Arc<dyn Reread>) -> Result<Opened, Stop> {
    open_for(of, reread, None).await
}

/// The same for the records of another topic than the domain's; rows and letters are still about its own.
pub async fn open_for(
    of: &Assembly<'_>,
    reread: Arc<dyn Reread>,
    reads: Option<Reads>,
) -> Result<Opened, Stop> {
    match &of.peers.sink {
        SinkSettings::BigQuery(settings) => bigquery(of, settings, reread).await,
        SinkSettings::Postgres(settings) => postgres(of, settings, reread).await,
        SinkSettings::Influx(settings) => influx(of, settings, reread).await,
        SinkSettings::Kafka(settings) => kafka(of, settings, reread, reads).await,
    }
}

async fn bigquery(
    of: &Assembly<'_>,
    settings: &BigQuerySettings,
    reread: Arc<dyn Reread>,
) -> Result<Opened, Stop> {
    let manage = of.settings.write.manage_table;
    let began = Instant::now();
    let bigquery = BigQuery::connect(settings, of.metrics.clone(), Clock::System).await?;
    let (id, columns) = (&settings.table, &of.domain.written().columns);
    let table = bigquery.prepare(id, columns, manage, Some(&settings.partition_by)).await?;
    let published = || prices::write_gib(table.location.as_deref()?);
    let price = settings.price_per_gib.or_else(published);
    of.metrics.write_price.set(price.unwrap_or_default());
    // BigQuery gives the time of creation in milliseconds.
    let is_new = table.created.is_some_and(|at| at + Duration::from_millis(2) >= began);
    if of.peers.rows_are_doubled() && !is_new {
        tracing::warn!(
            table = %id,
            "the embedded broker begins anew, but the table keeps the rows of earlier runs: events \
             that were read before are in it again. Delete the table first, or choose another \
             BQ_TABLE"
        );
    }
    let letters = match letter_topic(of)? {
        Some(letters) => letters,
        None => DeadLetters::bigquery(&bigquery, id, manage, about(of)).await?,
    };
    let target = (id.clone(), &table);
    let sink = BigQuerySink::new(bigquery, target, settings.guarantee, letters, reread);
    Ok(Opened {
        sink: Arc::new(sink),
        columns: table.columns.clone(),
        partition_by: table.partition_by.clone(),
    })
}

async fn postgres(
    of: &Assembly<'_>,
    settings: &PostgresSettings,
    reread: Arc<dyn Reread>,
) -> Result<Opened, Stop> {
    let sink = PostgresSink::open(postgres::SinkParts {
        settings,
        manage: of.settings.write.manage_table,
        columns: &of.domain.written().columns,
        about: about(of),
        letters: letter_topic(of)?,
        reread,
        metrics: of.metrics.clone(),
        topic_is_new: of.peers.rows_are_doubled(),
    })
    .await?;
    if of.peers.rows_are_doubled() {
        tracing::warn!(
            table = %settings.table,
            "the embedded broker begins anew with each run, and the table keeps the rows of earlier \
             runs: its sample events are in it again"
        );
    }
    let columns = sink.columns().clone();
    Ok(Opened { sink: Arc::new(sink), columns, partition_by: None })
}

async fn influx(
    of: &Assembly<'_>,
    settings: &InfluxSettings,
    reread: Arc<dyn Reread>,
) -> Result<Opened, Stop> {
    let columns = of.domain.written().columns.clone();
    let sink = InfluxSink::open(influxdb::SinkParts {
        settings,
        columns: &columns,
        about: about(of),
        letters: letter_topic(of)?,
        reread,
        metrics: of.metrics.clone(),
        clock: Clock::System,
    })
    .await?;
    if of.peers.rows_are_doubled() {
        tracing::warn!(
            measurement = settings.target(),
            "the embedded broker begins anew with each run, and the measurement keeps the points of \
             earlier runs: its sample events are in it again"
        );
    }
    Ok(Opened { sink: Arc::new(sink), columns, partition_by: None })
}

async fn kafka(
    of: &Assembly<'_>,
    settings: &KafkaSettings,
    reread: Arc<dyn Reread>,
    reads: Option<Reads>,
) -> Result<Opened, Stop> {
    let columns = of.domain.written().columns.clone();
    let about = about(of);
    let reads = reads.unwrap_or_else(|| Reads {
        config: Subscription::new(&of.settings.consume, &of.peers.bootstrap, &about.topic).consumer,
        group: about.group.clone(),
        topic: about.topic.clone(),
    });
    let sink = KafkaSink::open(kafka::SinkParts {
        settings,
        columns: &columns,
        about,
        letters: letter_topic(of)?,
        reads,
        reread,
        metrics: of.metrics.clone(),
        source_is_new: of.peers.rows_are_doubled(),
    })
    .await?;
    if of.peers.rows_are_doubled() {
        tracing::warn!(
            topic = settings.topic,
            "the embedded broker begins anew with each run, and the topic keeps the rows of earlier \
             runs: its sample events are in it again"
        );
    }
    Ok(Opened { sink: Arc::new(sink), columns, partition_by: None })
}

/// The topic of the dead letters; `None` where they go next to the rows.
fn letter_topic(of: &Assembly<'_>) -> Result<Option<DeadLetters>, Stop> {
    match &of.settings.dead_letter {
        DeadLetterTarget::Table => Ok(None),
        DeadLetterTarget::Kafka(topic) => {
            let config = client::producer_config(&of.settings.consume, &of.peers.bootstrap);
            DeadLetters::kafka(&config, topic, about(of)).map(Some)
        }
    }
}

fn about(of: &Assembly<'_>) -> About {
    About {
        topic: of.domain.contract.topic.clone(),
        group: of.settings.consume.group_id.clone(),
        contract: of.domain.contract.id.clone(),
    }
}
