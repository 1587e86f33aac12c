//! A transfer's settings, contract, source and target, made ready to run.

use prometheus_client::registry::Registry;

use super::domain::Domain;
use super::embedded::EmbeddedPeer;
use super::error::AppError;
use crate::clock::Clock;
use crate::config::location::Location;
use crate::config::{
    BigQuerySettings, Broker, FilesSource, SinkSettings, SourceSettings, TransferSettings,
};
use crate::remote::{Fetcher, Patience};
use crate::shutdown::Shutdown;
use crate::sink::bigquery::BigQuery;
use crate::sink::postgres::Connections;
use crate::source::client;
use crate::stop::Stop;
use crate::telemetry::Metrics;
use crate::transfer::Request;
use crate::transfer::source::{Files, Objects, QuerySource, Source, SourceError, TopicSource};

/// What a run needs. The embedded peers live as long as this.
pub struct OpenedTransfer {
    pub bigquery: BigQuery,
    pub target: BigQuerySettings,
    /// Taken out for the run.
    pub source: Source,
    /// The topic, or the names of the files.
    pub read_from: String,
    _kept: EmbeddedPeer,
}

/// Starts the embedded peers that the settings name, connects to the others, and finds what there is to
/// read.
pub async fn open_transfer(
    settings: &TransferSettings,
    domain: &Domain,
    request: &Request,
    fetcher: &Fetcher,
    shutdown: Shutdown,
) -> Result<OpenedTransfer, AppError> {
    let SinkSettings::BigQuery(target) = &settings.domain.write.sink else {
        return Err(unsupported("the sink `postgres` for transfers", "SINK=bigquery"));
    };
    let mut target = target.clone();
    let mut kept = EmbeddedPeer::default();
    kept.bigquery(&mut target.endpoint).await?;
    let metrics = Metrics::register(&mut Registry::default());
    let bigquery = BigQuery::connect(&target, metrics, Clock::System).await?;
    let (source, read_from) = match &settings.source {
        SourceSettings::Files(files) => {
            let largest = crate::sink::bigquery::columns::LARGEST_ROW;
            let fetcher = Fetcher::of_objects(std::env::vars_os().collect(), Patience::default());
            let objects = Objects::new(fetcher);
            let (days, contract) = (request.days.each(), &domain.contract);
            let opened = Files::open(files, days, contract, largest, objects).await;
            (Source::Files(opened.map_err(|error| source_error(error.into()))?), names(files))
        }
        SourceSettings::Query(query) => {
            let sql = sql(&query.sql, fetcher).await?;
            let connections = Connections::new(&query.server, query.proxy.as_deref())?;
            let opened = QuerySource::open(connections, &sql, &request.days, shutdown).await;
            let source = opened.map_err(|error| source_error(error.into()))?;
            (Source::Query(source), query.sql.to_string())
        }
        SourceSettings::Topic => {
            let Some(consume) = &settings.domain.consume else {
                return Err(unsupported("a topic without brokers", "CONSUME_ENV"));
            };
            let Broker::Servers(bootstrap) = &consume.broker else {
                return Err(unsupported(
                    "a topic of the embedded broker, which finds no offsets by time",
                    "an environment with servers",
                ));
            };
            let config = client::consumer_config(consume, bootstrap);
            let (topic, micros) = (domain.contract.topic.clone(), request.days.micros());
            let name = topic.clone();
            let opened = tokio::task::spawn_blocking(move || {
                TopicSource::open(config, &name, micros, shutdown)
            });
            let opened = opened.await.map_err(|error| {
                Stop::new("open the source", "please report this with the log around it", error)
            })?;
            (Source::Topic(opened.map_err(|error| source_error(error.into()))?), topic)
        }
    };
    Ok(OpenedTransfer { bigquery, target, source, read_from, _kept: kept })
}

/// The text of the query.
async fn sql(at: &Location, fetcher: &Fetcher) -> Result<String, AppError> {
    match at {
        Location::Local(path) => tokio::fs::read_to_string(path).await.map_err(|error| {
            let source = Some(error.into());
            let hint =
                Some("`sql` of the transfer's source names a file with the query".to_owned());
            AppError::Configuration { what: format!("read {at}"), hint, source }
        }),
        Location::Remote(remote) => Ok(fetcher.fetch(remote).await?.text),
    }
}

fn names(files: &FilesSource) -> String {
    files.files.join(", ")
}

fn source_error(error: SourceError) -> AppError {
    let hint = "`source` of the transfer's table says what is read";
    AppError::Stop(Stop::new("open the source", hint, error))
}

fn unsupported(what: &str, accepted: &str) -> AppError {
    AppError::Configuration {
        what: format!("this version does not know {what}"),
        hint: Some(format!("use {accepted}")),
        source: None,
    }
}
