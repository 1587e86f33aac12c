//! A table of rows whose chain is read, in BigQuery or in PostgreSQL.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::chain::{Place, Span};
use super::statement::Asked;
use crate::config::{PostgresTable, TableId};
use crate::record::{Offset, Partition, Position};
use crate::sink::bigquery::BigQuery;
use crate::sink::bigquery::batch::{self, Select, Selected};
use crate::sink::postgres::batch::{rows, timestamp};
use crate::sink::postgres::{Connections, quoted_name};
use crate::stop::Stop;

/// The most places that are read: a table with more faults is not worth listing them.
pub const MOST_PLACES: usize = 10_000;

/// Positions that one statement asks for.
const POSITIONS: usize = 500;

/// Spans that one statement asks for.
const SPANS: usize = 100;

/// What the rows are in.
#[derive(Clone)]
pub enum Table {
    BigQuery {
        bigquery: BigQuery,
        table: TableId,
        location: Option<String>,
        /// Bytes that a query may be billed for.
        most_bytes: Option<u64>,
    },
    Postgres {
        connections: Connections,
        table: PostgresTable,
    },
}

/// Which rows are asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Part {
    /// The time of the records, in microseconds since the epoch.
    pub from_micros: Option<i64>,
    /// Not in the part any more.
    pub to_micros: Option<i64>,
}

impl Table {
    /// The statements for a part. `letters`: whether dead letters stand in a table beside the rows.
    pub fn ask(&self, part: Part, letters: bool) -> Asked {
        match self {
            Self::BigQuery { table, .. } => Asked {
                rows: batch::name(table),
                letters: letters.then(|| batch::name(&table.dead_letters())),
                from: part.from_micros.map(batch::timestamp),
                to: part.to_micros.map(batch::timestamp),
            },
            Self::Postgres { table, .. } => Asked {
                rows: quoted_name(table),
                letters: letters.then(|| quoted_name(&table.dead_letters())),
                from: part.from_micros.map(timestamp),
                to: part.to_micros.map(timestamp),
            },
        }
    }

    /// The places of the chain, and the bytes billed.
    pub async fn places(&self, asked: &Asked) -> Result<(Vec<Place>, u64), Stop> {
        let (rows, billed) = self.numbers(&asked.places(MOST_PLACES)).await?;
        let places = rows.iter().filter_map(|row| match row[..] {
            [Some(partition), Some(offset), previous, before, Some(letter), Some(rows)] => {
                Some(Place {
                    partition: Partition(i32::try_from(partition).ok()?),
                    offset: Offset(offset),
                    previous: previous.map(Offset),
                    before: before.map(Offset),
                    is_letter: letter != 0,
                    rows: rows.unsigned_abs(),
                })
            }
            _ => None,
        });
        Ok((places.collect(), billed))
    }

    /// Which of these positions have a row or a letter, in the whole table.
    pub async fn there(
        &self,
        asked: &Asked,
        positions: &[Position],
    ) -> Result<(BTreeSet<Position>, u64), Stop> {
        let (mut there, mut billed) = (BTreeSet::new(), 0);
        for positions in positions.chunks(POSITIONS) {
            let (rows, bytes) = self.numbers(&asked.there(positions)).await?;
            billed += bytes;
            there.extend(rows.iter().filter_map(|row| position(row)));
        }
        Ok((there, billed))
    }

    /// The last row of each partition, and the bytes billed.
    pub async fn last_rows(
        &self,
        asked: &Asked,
    ) -> Result<(BTreeMap<Partition, Offset>, u64), Stop> {
        let (rows, billed) = self.numbers(&asked.last_rows()).await?;
        let positions = rows.iter().filter_map(|row| position(row));
        Ok((positions.map(|at| (at.partition, at.offset)).collect(), billed))
    }

    /// How many offsets of these spans have a row, and the bytes billed.
    pub async fn rows_in(
        &self,
        asked: &Asked,
        spans: &[(Partition, Span)],
    ) -> Result<(u64, u64), Stop> {
        let (mut found, mut billed) = (0, 0);
        for spans in spans.chunks(SPANS) {
            let (rows, bytes) = self.numbers(&asked.rows_in(spans)).await?;
            billed += bytes;
            let count = rows.first().and_then(|row| row.first().copied().flatten()).unwrap_or(0);
            found += count.unsigned_abs();
        }
        Ok((found, billed))
    }

    /// Where dead letters stand in these spans, at most [`MOST_PLACES`] of them for each hundred
    /// spans, and the bytes billed.
    pub async fn letters_in(
        &self,
        asked: &Asked,
        spans: &[(Partition, Span)],
    ) -> Result<(BTreeSet<Position>, u64), Stop> {
        let (mut found, mut billed) = (BTreeSet::new(), 0);
        for spans in spans.chunks(SPANS) {
            let Some(sql) = asked.letters_in(spans, MOST_PLACES) else { break };
            let (rows, bytes) = self.numbers(&sql).await?;
            billed += bytes;
            found.extend(rows.iter().filter_map(|row| position(row)));
        }
        Ok((found, billed))
    }

    /// The first rows of an answer in whole numbers, and the bytes billed.
    pub async fn numbers(&self, sql: &str) -> Result<(Vec<Vec<Option<i64>>>, u64), Stop> {
        match self {
            Self::BigQuery { bigquery, table, location, most_bytes } => {
                let selected = bigquery.select(Select {
                    what: format!("read the chain of {table}"),
                    project: &table.project,
                    location: location.as_deref(),
                    sql,
                    most_bytes_billed: *most_bytes,
                });
                let hint = "the message is BigQuery's; --max-bytes bounds what a query may be \
                            billed for, --from and --to what it reads";
                let Selected { rows, bytes_billed } =
                    selected.await.map_err(|error| error.stop(hint))?;
                let number = |cell: &Value| cell.as_str().and_then(|text| text.parse().ok());
                let rows = rows.iter().map(|row| row.iter().map(number).collect()).collect();
                Ok((rows, bytes_billed))
            }
            Self::Postgres { connections, .. } => {
                let rows = rows(connections, "read the chain of rows", sql).await?;
                let number = |cell: &Option<String>| cell.as_ref()?.parse().ok();
                Ok((rows.iter().map(|row| row.iter().map(number).collect()).collect(), 0))
            }
        }
    }
}

/// A row with partition and offset.
fn position(row: &[Option<i64>]) -> Option<Position> {
    match row[..] {
        [Some(partition), Some(offset)] => {
            Some(Position::new(i32::try_from(partition).ok()?, offset))
        }
        _ => None,
    }
}
