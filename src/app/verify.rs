//! A domain's table and what its committed offsets promise, made ready to be verified.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::config::ClientConfig;

use super::database::{connect, find_rows, has_letters};
use super::domain::Domain;
use super::embedded::EmbeddedPeer;
use super::error::AppError;
use crate::clock::Clock;
use crate::config::{Broker, DeadLetterTarget, Settings};
use crate::pipeline;
use crate::record::{Offset, Partition};
use crate::shutdown::Shutdown;
use crate::sink::StoredOffset;
use crate::sink::postgres::stored_offsets;
use crate::source::{Committed, TopicParts, TopicReader, client};
use crate::stop::Stop;
use crate::transfer::Database;
use crate::verify::{self, Reread, Span, Table};

/// How long one question to the brokers may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// What is verified. An embedded BigQuery lives as long as this.
pub struct OpenedTable {
    pub database: Database,
    pub table: Table,
    /// The table's name.
    pub target: String,
    /// Whether dead letters stand in a table beside the rows.
    pub letters: bool,
    _kept: EmbeddedPeer,
}

/// Connects to the store of the domain's rows. `command` is what asks for it, for messages.
pub async fn open_table(
    command: &str,
    settings: &Settings,
    most_bytes: Option<u64>,
) -> Result<OpenedTable, AppError> {
    let sink = &settings.write.sink;
    let Some((database, kept)) = connect(sink).await? else {
        return Err(AppError::Configuration {
            what: format!("a chain of rows is not read from the sink `{}`", sink.name()),
            hint: Some(format!("`{command}` reads tables of BigQuery and PostgreSQL")),
            source: None,
        });
    };
    let Some(table) = find_rows(&database, most_bytes).await? else {
        let what = format!("{command} {database}: there is no such table");
        let hint = "nothing was written there yet: run the domain first".to_owned();
        return Err(Stop { what, hint, source: None }.into());
    };
    let in_table = settings.dead_letter == DeadLetterTarget::Table;
    let letters = in_table && has_letters(&database).await?;
    Ok(OpenedTable { database, table, target: sink.target(), letters, _kept: kept })
}

/// What a group has committed of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommittedRows {
    /// The offset to read next.
    pub next: Offset,
    /// The last row before it, which the commit promises.
    pub last_row: Option<Offset>,
    /// All rows before it were visible when it was committed.
    pub are_visible: bool,
}

/// What the group has committed, or PostgreSQL has stored, of each partition. `None`: the embedded
/// broker keeps no offsets.
pub async fn committed_rows(
    settings: &Settings,
    domain: &Domain,
    table: &Table,
) -> Result<Option<BTreeMap<Partition, CommittedRows>>, AppError> {
    let (consume, topic) = (&settings.consume, &domain.contract.topic);
    let notes: Vec<(Partition, Offset, String)> = match (table, &consume.broker) {
        (Table::Postgres { connections, table }, _) => {
            let stored = stored_offsets(connections, table, &consume.group_id, topic).await;
            let stored = stored.map_err(|error| {
                error.stop("read the stored offsets", "the message is PostgreSQL's")
            })?;
            let note = |(partition, stored): (Partition, StoredOffset)| {
                (partition, stored.next, stored.note)
            };
            stored.into_iter().map(note).collect()
        }
        (Table::BigQuery { .. }, Broker::Embedded) => return Ok(None),
        (Table::BigQuery { .. }, Broker::Servers(bootstrap)) => {
            let config = client::consumer_config(consume, bootstrap);
            let name = topic.clone();
            let asked = tokio::task::spawn_blocking(move || {
                let mut reader = TopicReader::open(&config, &name)?;
                let partitions = reader.topic_now(PATIENCE)?.partitions;
                let all: Vec<Partition> = (0..).take(partitions).map(Partition).collect();
                reader.committed(&all, PATIENCE)
            });
            let hint = "the last rows are compared with the offsets of the group GROUP_ID: it \
                        needs READ on the group and DESCRIBE on the topic";
            let failed = || format!("read the committed offsets of the group {}", consume.group_id);
            let committed = asked.await.map_err(|error| Stop::new(failed(), hint, error))?;
            let committed = committed.map_err(|error| Stop::new(failed(), hint, error))?;
            let note = |one: Committed| Some((one.partition, one.offset?, one.metadata));
            committed.into_iter().filter_map(note).collect()
        }
    };
    let mut all = BTreeMap::new();
    for (partition, next, note) in notes {
        let last_row = pipeline::last_row(&note).map_err(|error| {
            let hint = "offsets that another program has committed promise no rows; a newer version \
                        of this one writes notes that this one cannot read";
            Stop::new(format!("read the note of partition {partition}"), hint, error)
        })?;
        let are_visible =
            matches!(table, Table::Postgres { .. }) || pipeline::promises_nothing(&note);
        all.insert(partition, CommittedRows { next, last_row, are_visible });
    }
    Ok(Some(all))
}

/// Reads spans of the topic again, and says what stands there.
pub async fn reread_spans(
    settings: &Settings,
    domain: &Domain,
    spans: Vec<(Partition, Span)>,
    shutdown: Shutdown,
) -> Result<Vec<Reread>, AppError> {
    let committed = reading_again("--deep", settings, domain)?;
    let mut uncommitted = committed.clone();
    uncommitted.set("isolation.level", "read_uncommitted");
    let mut plan = domain.plan(&domain.columns)?;
    let topic = domain.contract.topic.clone();
    let read = tokio::task::spawn_blocking(move || {
        let (committed, reader) = TopicParts::open(committed, &topic, shutdown.clone())?;
        let begins = committed.begins(&reader)?;
        let (uncommitted, _) = TopicParts::open(uncommitted, &topic, shutdown)?;
        let topic = verify::Topic { committed: &committed, uncommitted: &uncommitted, begins };
        verify::reread(&topic, &spans, &mut plan, Clock::System.now_micros())
    });
    let failed = || "read the topic again";
    let hint = "without --deep the topic is not read";
    let read = read.await.map_err(|error| Stop::new(failed(), hint, error))?;
    Ok(read.map_err(|error| Stop::new(failed(), hint, error))?)
}

/// The client that reads a domain's topic again. `asked` is the command or flag that does.
pub fn reading_again(
    asked: &str,
    settings: &Settings,
    domain: &Domain,
) -> Result<ClientConfig, AppError> {
    if domain.reports.is_some() {
        return Err(AppError::Configuration {
            what: format!("{asked} does not read the events of a domain with RULES again"),
            hint: Some("its rows are reports, which objects elsewhere are needed for".to_owned()),
            source: None,
        });
    }
    match &settings.consume.broker {
        Broker::Servers(bootstrap) => Ok(client::consumer_config(&settings.consume, bootstrap)),
        Broker::Embedded => Err(AppError::Configuration {
            what: format!("{asked} reads the topic again, and the embedded broker is gone"),
            hint: Some("CONSUME_ENV names an environment with servers".to_owned()),
            source: None,
        }),
    }
}
