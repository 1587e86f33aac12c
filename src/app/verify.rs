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
use crate::source::{Committed, TopicError, TopicParts, TopicReader, client};
use crate::stop::Stop;
use crate::topic_id::TopicId;
use crate::transfer::Database;
use crate::verify::{self, Promised, Reread, Span, Table};

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
    /// Whether the commit says which row is the last.
    pub is_noted: bool,
    /// The topic that it belongs to, where it says so.
    pub topic: Option<TopicId>,
}

/// The same of all partitions.
pub type AllCommitted = BTreeMap<Partition, CommittedRows>;

impl CommittedRows {
    /// What it says of the rows before it.
    pub fn promised(&self) -> Promised {
        match self.is_noted || self.last_row.is_some() {
            true => Promised::LastRow(self.last_row),
            false => Promised::Untold(self.next),
        }
    }
}

/// What the group has committed, or PostgreSQL has stored, of each partition. `None`: the embedded
/// broker keeps no offsets.
pub async fn committed_rows(
    settings: &Settings,
    domain: &Domain,
    table: &Table,
) -> Result<Option<AllCommitted>, AppError> {
    let (consume, topic) = (&settings.consume, &domain.contract.topic);
    let notes: Noted = match table {
        Table::Postgres { connections, table } => {
            let stored = stored_offsets(connections, table, &consume.group_id, topic).await;
            let stored = stored.map_err(|error| {
                error.stop("read the stored offsets", "the message is PostgreSQL's")
            })?;
            let note = |(partition, stored): (Partition, StoredOffset)| {
                (partition, stored.next, stored.note)
            };
            stored.into_iter().map(note).collect()
        }
        Table::BigQuery { .. } => match group_offsets(settings, topic).await? {
            Some(offsets) => offsets,
            None => return Ok(None),
        },
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
        let is_noted = pipeline::is_noted(&note);
        let topic = pipeline::topic_id(&note);
        all.insert(partition, CommittedRows { next, last_row, are_visible, is_noted, topic });
    }
    Ok(Some(all))
}

/// Offsets with the notes of their commits.
type Noted = Vec<(Partition, Offset, String)>;

/// What the domain's group has committed. `None`: the embedded broker keeps no offsets.
pub async fn group_offsets(settings: &Settings, topic: &str) -> Result<Option<Noted>, AppError> {
    let consume = &settings.consume;
    let Broker::Servers(bootstrap) = &consume.broker else { return Ok(None) };
    let (config, name) = (client::consumer_config(consume, bootstrap), topic.to_owned());
    let asked = tokio::task::spawn_blocking(move || {
        let mut reader = TopicReader::open(&config, &name)?;
        let partitions = reader.topic_now(PATIENCE)?.partitions;
        let all: Vec<Partition> = (0..).take(partitions).map(Partition).collect();
        reader.committed(&all, PATIENCE)
    });
    let hint = "rows and letters are compared with the offsets of the group GROUP_ID: \
                `generic-consumer check` says whether the brokers answer and the topic is there; READ \
                on the group and DESCRIBE on the topic are needed";
    let failed = || format!("read the committed offsets of the group {}", consume.group_id);
    let committed = asked.await.map_err(|error| Stop::new(failed(), hint, error))?;
    let committed = committed.map_err(|error| Stop::new(failed(), hint, error))?;
    let note = |one: Committed| Some((one.partition, one.offset?, one.metadata));
    Ok(Some(committed.into_iter().filter_map(note).collect()))
}

/// Checks that the committed offsets belong to the topic as it is now. If it was created again, the same
/// offsets are other records.
pub fn check_topic(
    committed: &AllCommitted,
    name: &str,
    found: Option<TopicId>,
) -> Result<(), Stop> {
    let differ = committed.values().find_map(|one| TopicId::differ(one.topic, found));
    let Some((read, found)) = differ else { return Ok(()) };
    Err(Stop {
        what: format!(
            "read topic {name} again: the group's offsets belong to the topic with id {read}, and the \
             topic now has id {found}"
        ),
        hint: "it was deleted and created again, so its records are not those of the rows that are there; \
               docs/drills.md has what to do"
            .to_owned(),
        source: None,
    })
}

/// Reads spans of the topic again, and says what stands there.
pub async fn reread_spans(
    settings: &Settings,
    domain: &Domain,
    of_group: AllCommitted,
    spans: Vec<(Partition, Span)>,
    shutdown: Shutdown,
) -> Result<Vec<Reread>, AppError> {
    let committed = reading_again("--deep", settings, domain)?;
    let mut uncommitted = committed.clone();
    uncommitted.set("isolation.level", "read_uncommitted");
    let mut plan = domain.plan(&domain.columns)?;
    let topic = domain.contract.topic.clone();
    let read = tokio::task::spawn_blocking(move || {
        let stop = |error: TopicError| {
            Stop::new("read the topic again", "without --deep the topic is not read", error)
        };
        let (committed, mut reader) =
            TopicParts::open(committed, &topic, shutdown.clone()).map_err(stop)?;
        check_topic(&of_group, &topic, committed.id())?;
        let begins = committed.begins(&reader).map_err(stop)?;
        let ends = committed.ends(&mut reader).map_err(stop)?;
        let (uncommitted, _) = TopicParts::open(uncommitted, &topic, shutdown).map_err(stop)?;
        let topic =
            verify::Topic { committed: &committed, uncommitted: &uncommitted, begins, ends };
        verify::reread(&topic, &spans, &mut plan, Clock::System.now_micros()).map_err(stop)
    });
    let ended = read.await.map_err(|error| {
        Stop::new("read the topic again", "please report this with the log around it", error)
    })?;
    Ok(ended?)
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
