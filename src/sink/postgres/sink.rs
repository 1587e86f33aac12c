//! PostgreSQL as the pipeline sees it: one table, and a writer for each lane.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::columns::quoted_name;
use super::copy::CopyInto;
use super::errors::{PgError, Verdict};
use super::offsets::{self, Offsets};
use super::pool::{Connection, Connections};
use super::table::{self, Arranged, PrepareError};
use super::target::{Letters, Target};
use super::{hypertable, writer};
use crate::clock::Clock;
use crate::config::PostgresSettings;
use crate::error_chain::chain;
use crate::retry::Backoff;
use crate::row::TableSchema;
use crate::sink::dead_letter::{About, DeadLetters, letter_row};
use crate::sink::{Durability, Lane, Reports, Reread, Sink, SinkName, Start, Writer};
use crate::stop::Stop;
use crate::telemetry::Metrics;

pub(super) const NAME: SinkName = SinkName("postgres");

/// How long a server that does not answer is waited for at the start.
const PATIENCE: Duration = Duration::from_secs(60);

/// The sink of one table.
pub struct PostgresSink {
    target: Arc<Target>,
}

/// What a sink is made of.
pub struct SinkParts<'a> {
    pub settings: &'a PostgresSettings,
    /// Whether tables are created and their columns added.
    pub manage: bool,
    pub columns: &'a TableSchema,
    pub about: About,
    /// `None`: the table `<table>_dead_letters`.
    pub letters: Option<DeadLetters>,
    pub reread: Arc<dyn Reread>,
    pub metrics: Metrics,
    /// The topic begins anew with each run: what is stored of an earlier one means other records.
    pub topic_is_new: bool,
}

impl PostgresSink {
    /// Connects, and makes the tables ready.
    pub async fn open(parts: SinkParts<'_>) -> Result<Self, Stop> {
        let connections = Connections::new(&parts.settings.server, None)?;
        let began = Instant::now();
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
        let what = || format!("prepare the table {}", parts.settings.table);
        let (rows, letters) = loop {
            let error = match prepare(&connections, &parts).await {
                Ok(prepared) => break prepared,
                Err(PrepareError::Refused(stop)) => return Err(stop),
                Err(PrepareError::Postgres(error)) => error,
            };
            match error.verdict() {
                Verdict::Retry if began.elapsed() < PATIENCE => {
                    tracing::warn!(error = chain(&error), "PostgreSQL is not ready yet");
                    tokio::time::sleep(backoff.pause()).await;
                }
                Verdict::Retry => {
                    let hint = "check the URL of the write environment's `postgres` section, and \
                                the server";
                    return Err(error.stop(what(), hint));
                }
                Verdict::Refused => {
                    return Err(error.stop(what(), "change the table as the message says"));
                }
                Verdict::Stop(hint) => return Err(error.stop(what(), hint)),
            }
        };
        let offsets = offsets_of(&parts);
        let SinkParts { settings, reread, metrics, .. } = parts;
        let table = settings.table.clone();
        let clock = Clock::System;
        let target = Target { connections, table, rows, offsets, letters, reread, metrics, clock };
        Ok(Self { target: Arc::new(target) })
    }

    /// The columns that are written.
    pub fn columns(&self) -> &TableSchema {
        self.target.rows.columns()
    }
}

/// Makes all tables ready: those of the rows, of the offsets and of the dead letters.
async fn prepare(
    connections: &Connections,
    parts: &SinkParts<'_>,
) -> Result<(CopyInto, Letters), PrepareError> {
    let connection = connections.get().await?;
    let SinkParts { settings, manage, columns, .. } = parts;
    let (rows, manage) = (&settings.table, *manage);
    let arranged = settings.time_column.as_deref().map_or(Arranged::Freely, Arranged::ByTime);
    let into = table::prepare(&connection, rows, columns, manage, arranged).await?;
    if manage {
        hypertable::prepare(&connection, settings).await?;
    }
    let letters = match &parts.letters {
        Some(letters) => Letters::Elsewhere(letters.clone()),
        None => {
            let (table, columns) = (rows.dead_letters(), letter_row::columns());
            let rows =
                table::prepare(&connection, &table, &columns, manage, Arranged::Freely).await?;
            Letters::Table { table, rows, about: parts.about.clone() }
        }
    };
    prepare_offsets(&connection, settings, manage).await?;
    if parts.topic_is_new {
        offsets_of(parts).forget(&connection).await?;
    }
    connection.give_back();
    Ok((into, letters))
}

fn offsets_of(SinkParts { settings, about, .. }: &SinkParts<'_>) -> Offsets {
    Offsets::new(&settings.table, &about.group, &about.topic)
}

async fn prepare_offsets(
    connection: &Connection,
    settings: &PostgresSettings,
    manage: bool,
) -> Result<(), PrepareError> {
    let table = settings.table.beside(offsets::NAME);
    let found = connection
        .query("SELECT to_regclass($1) IS NOT NULL", &[&quoted_name(&table)])
        .await
        .map_err(PgError::of("look for the table of offsets"))?;
    let exists = found.first().and_then(|row| row.try_get(0).ok()).unwrap_or(false);
    match (exists, manage) {
        (true, _) => Ok(()),
        (false, true) => {
            Ok(table::one_at_a_time(connection, &table, &offsets::definition(&table)).await?)
        }
        (false, false) => Err(PrepareError::Refused(offsets::missing(&table))),
    }
}

impl Sink for PostgresSink {
    fn name(&self) -> SinkName {
        NAME
    }

    fn target(&self) -> String {
        self.target.table.to_string()
    }

    fn dead_letters(&self) -> String {
        match &self.target.letters {
            Letters::Table { table, .. } => table.to_string(),
            Letters::Elsewhere(letters) => letters.to_string(),
        }
    }

    fn durability(&self) -> Durability {
        Durability::Stored
    }

    fn setting_offsets(&self) -> String {
        self.target.offsets.setting()
    }

    fn open(&self, lane: Lane, _: Start, reports: Reports) -> Writer {
        writer::spawn(self.target.clone(), lane, reports)
    }
}
