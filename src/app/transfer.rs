//! A transfer's settings, contract, source and target, made ready to run.

use std::error::Error;
use std::ffi::OsStr;

use super::database::connect;
use super::domain::Domain;
use super::embedded::EmbeddedPeer;
use super::error::AppError;
use crate::config::location::Location;
use crate::config::{
    self as settings, Broker, FilesSource, SinkSettings, SourceSettings, TransferSettings,
};
use crate::document;
use crate::remote::{Fetcher, Patience};
use crate::shutdown::Shutdown;
use crate::sink::bigquery::columns as bigquery_columns;
use crate::sink::postgres::{Connections, columns as postgres_columns};
use crate::source::client;
use crate::stop::Stop;
use crate::transfer::source::{Files, Objects, QuerySource, Source, SourceError, TopicSource};
use crate::transfer::sql_proxy::SqlProxy;
use crate::transfer::status::Status;
use crate::transfer::{Database, Days};

/// What a run needs. The embedded peers live as long as this.
pub struct OpenedTransfer {
    pub database: Database,
    /// Taken out for the run.
    pub source: Source,
    /// The topic, or the names of the files.
    pub read_from: String,
    /// The SQL proxy that was started for the source.
    pub sql_proxy: Option<SqlProxy>,
    _kept: EmbeddedPeer,
}

/// Starts the embedded peers that the settings name, connects to the others, and finds what there is to
/// read. `sql_proxy` is the program of a SQL proxy to start for the source.
pub async fn open_transfer(
    settings: &TransferSettings,
    domain: &Domain,
    days: &Days,
    fetcher: &Fetcher,
    sql_proxy: Option<&OsStr>,
    shutdown: Shutdown,
) -> Result<OpenedTransfer, AppError> {
    let (database, kept) = open_database(&settings.domain.write.sink).await?;
    let largest = match &database {
        Database::BigQuery { .. } => bigquery_columns::LARGEST_ROW,
        Database::Postgres { .. } => postgres_columns::LARGEST_ROW,
    };
    let mut proxy = None;
    let (source, read_from) = match &settings.source {
        SourceSettings::Files(files) => {
            let fetcher = Fetcher::of_objects(std::env::vars_os().collect(), Patience::default());
            let objects = Objects::new(fetcher);
            let contract = &domain.contract;
            let opened = Files::open(files, days.each(), contract, largest, objects).await;
            (Source::Files(opened.map_err(source_error)?), names(files))
        }
        SourceSettings::Query(query) => {
            let sql = sql(&query.sql, fetcher).await?;
            if let Some(program) = sql_proxy {
                proxy = Some(started(program, query, &shutdown).await?);
            }
            let started = proxy.as_ref().map(SqlProxy::address);
            let listens = started.as_deref().or(query.proxy.as_deref());
            let connections = Connections::new(&query.server, listens)?;
            let opened = QuerySource::open(connections, &sql, days, shutdown).await;
            let source = opened.map_err(|error| match &proxy {
                Some(proxy) => source_error(proxy.explain(SourceError::from(error))),
                None => source_error(SourceError::from(error)),
            })?;
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
            let (topic, micros) = (domain.contract.topic.clone(), days.micros());
            let name = topic.clone();
            let opened = tokio::task::spawn_blocking(move || {
                TopicSource::open(config, &name, micros, shutdown)
            });
            let opened = opened.await.map_err(|error| {
                Stop::new("open the source", "please report this with the log around it", error)
            })?;
            (Source::Topic(opened.map_err(source_error)?), topic)
        }
    };
    Ok(OpenedTransfer { database, source, read_from, sql_proxy: proxy, _kept: kept })
}

/// The name of the transfer's target, and what is known of the transfer.
pub async fn transfer_status(
    settings: &TransferSettings,
    last: u32,
    now_ms: i64,
) -> Result<(String, Status), AppError> {
    let (database, _kept) = open_database(&settings.domain.write.sink).await?;
    let status = database.status(&settings.name, last, now_ms).await?;
    Ok((database.to_string(), status))
}

/// Connects to the database of the target. A BigQuery is started if it is the embedded one.
async fn open_database(sink: &SinkSettings) -> Result<(Database, EmbeddedPeer), AppError> {
    let accepted = "SINK=bigquery or SINK=postgres";
    connect(sink).await?.ok_or_else(|| unsupported("this sink for transfers", accepted))
}

/// Starts the SQL proxy of a query.
async fn started(
    program: &OsStr,
    query: &settings::QuerySource,
    shutdown: &Shutdown,
) -> Result<SqlProxy, AppError> {
    let Some(instance) = &query.instance else {
        return Err(AppError::Configuration {
            what: "the SQL proxy is to be started, and the source names no instance".to_owned(),
            hint: Some(
                "instance = \"project:region:instance\" in the transfer's source".to_owned(),
            ),
            source: None,
        });
    };
    let proxy = SqlProxy::start(program, instance, query.proxy.as_deref(), shutdown).await;
    proxy.map_err(|error| Stop::new("start the SQL proxy", error.hint(), error).into())
}

/// The text of the query.
async fn sql(at: &Location, fetcher: &Fetcher) -> Result<String, AppError> {
    match at {
        Location::Local(path) => document::read_text(path).map_err(|error| {
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

fn source_error(error: impl Into<Box<dyn Error + Send + Sync>>) -> AppError {
    let hint = "`source` of the transfer's table says what is read; `optional = true` there allows a day \
                without files";
    AppError::Stop(Stop::new("open the source", hint, error))
}

fn unsupported(what: &str, accepted: &str) -> AppError {
    AppError::Configuration {
        what: format!("this version does not know {what}"),
        hint: Some(format!("use {accepted}")),
        source: None,
    }
}
