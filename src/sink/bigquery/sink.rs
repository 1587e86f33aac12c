//! BigQuery as the pipeline sees it: one table, and a writer for each lane.

use std::sync::Arc;

use super::appender::{ANSWER, Destination, StreamKind};
use super::client::BigQuery;
use super::descriptor::writer_schema;
use super::stream::NAME;
use super::table::PreparedTable;
use super::target::{FinalizedStreams, Target};
use super::writer;
use crate::config::{Guarantee, TableId};
use crate::row::TableSchema;
use crate::sink::dead_letter::DeadLetters;
use crate::sink::{Durability, Lane, Reports, Reread, Sink, SinkName, Start, Writer};

/// The sink of one table.
pub struct BigQuerySink {
    target: Arc<Target>,
}

impl BigQuerySink {
    /// A sink that appends to this table, which [`BigQuery::prepare`] has prepared.
    pub fn new(
        bigquery: BigQuery,
        (table, prepared): (TableId, &PreparedTable),
        guarantee: Guarantee,
        letters: DeadLetters,
        reread: Arc<dyn Reread>,
    ) -> Self {
        let rows = Destination {
            table,
            schema: writer_schema(&prepared.columns),
            created: prepared.created,
            stream: match guarantee {
                Guarantee::ExactlyOnce => StreamKind::Buffered,
                Guarantee::AtLeastOnce => StreamKind::Default,
            },
            answer: ANSWER,
        };
        Self {
            target: Arc::new(Target {
                bigquery,
                rows,
                columns: TableSchema { columns: prepared.columns.columns.clone() },
                letters,
                reread,
                finalized: FinalizedStreams::default(),
            }),
        }
    }
}

impl Sink for BigQuerySink {
    fn name(&self) -> SinkName {
        NAME
    }

    fn target(&self) -> String {
        self.target.rows.table.to_string()
    }

    fn dead_letters(&self) -> String {
        self.target.letters.to_string()
    }

    fn durability(&self) -> Durability {
        match self.target.rows.stream {
            StreamKind::Buffered => Durability::Promised,
            StreamKind::Default | StreamKind::Pending => Durability::Visible,
        }
    }

    fn open(&self, lane: Lane, start: Start, reports: Reports) -> Writer {
        writer::spawn(self.target.clone(), lane, start, reports)
    }
}
