//! Where a domain's dead letters are.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::dialect::{BIGQUERY, POSTGRES};
use super::groups::{Example, Group, Overview};
use super::letter::Letter;
use super::selection::{Period, Selection};
use super::standing::Standing;
use super::statement::{Asked, COLUMNS};
use super::stream::{Letters, To, ended, put};
use super::topic::LetterTopic;
use crate::config::{PostgresTable, TableId};
use crate::record::{Offset, OwnedEvent, Position, Reason, UnsentRecord};
use crate::sink::bigquery::BigQuery;
use crate::sink::bigquery::batch::{self, Pages, Select};
use crate::sink::dead_letter::read_headers;
use crate::sink::postgres::batch::Cursor;
use crate::sink::postgres::{Connections, quoted_name};
use crate::source::Offsets;
use crate::stop::Stop;
use crate::verify;

/// Letters that one step of a cursor brings.
const STEP: usize = 50;

/// Where dead letters are.
#[derive(Clone)]
pub enum Store {
    BigQuery {
        bigquery: BigQuery,
        table: Table<TableId>,
        location: Option<String>,
        /// Bytes that a query may be billed for.
        most_bytes: Option<u64>,
    },
    Postgres {
        connections: Connections,
        table: Table<PostgresTable>,
    },
    Topic(LetterTopic),
}

/// A table of letters, and that of the rows beside it.
#[derive(Debug, Clone)]
pub struct Table<Id> {
    pub letters: Id,
    /// `None`: there is none yet.
    pub rows: Option<Id>,
}

/// A row of an answer, each value as text.
type Cells = Vec<Option<String>>;

impl Store {
    /// Has letters in a topic say what this table has at their places. Those in a table know it.
    pub fn ask(&mut self, rows: Option<verify::Table>) {
        if let Self::Topic(topic) = self {
            topic.rows = rows;
        }
    }

    /// Of letters in a topic the places of refused rows, which are links of the chain of rows. Those in a
    /// table stand beside the rows.
    pub async fn refused_rows(&self) -> Result<BTreeSet<Position>, Stop> {
        let mut places = BTreeSet::new();
        if let Self::Topic(_) = self {
            let reason = Some(Reason::RowError.code().to_owned());
            let mut letters = self.letters(Selection { reason, ..Selection::default() });
            while let Some(letter) = letters.next().await.transpose()? {
                places.insert(letter.at());
            }
        }
        Ok(places)
    }

    /// Has letters in a topic end where they end now, and returns where that is.
    pub async fn bound(&mut self) -> Result<Offsets, Stop> {
        let Self::Topic(topic) = self else { return Ok(Offsets::new()) };
        let ends = topic.clone().ends().await?;
        topic.until = Some(ends.clone());
        Ok(ends)
    }

    /// What there is.
    pub async fn groups(&self, period: Period) -> Result<Overview, Stop> {
        let (cells, bytes_billed) = match self {
            Self::Topic(topic) => {
                let topic = topic.clone();
                let read = tokio::task::spawn_blocking(move || topic.groups(period));
                return read.await.map_err(ended)?;
            }
            Self::BigQuery { table, .. } => {
                let asked = Asked {
                    letters: batch::name(&table.letters),
                    rows: table.rows.as_ref().map(batch::name),
                    dialect: BIGQUERY,
                };
                let mut pages = self.pages(&asked.groups(period)).await?;
                let mut cells = Vec::new();
                while let Some(page) = pages.next().await? {
                    cells.extend(page.iter().map(|row| row.iter().map(cell).collect()));
                }
                (cells, pages.bytes_billed())
            }
            Self::Postgres { connections, table } => {
                let asked = postgres(table);
                let operation = "group the dead letters";
                let sql = asked.groups(period);
                (crate::sink::postgres::batch::rows(connections, operation, &sql).await?, 0)
            }
        };
        let mut overview = Overview { bytes_billed, ..Overview::default() };
        let mut several = 0;
        for row in cells {
            if let Some((group, [letters, redriven, groups])) = group(row) {
                (overview.letters, overview.redriven, several) = (letters, redriven, groups);
                overview.groups.push(group);
            }
        }
        overview.is_cut = several > overview.groups.len() as u64;
        Ok(overview)
    }

    /// Reads the letters of a selection.
    pub fn letters(&self, selection: Selection) -> Letters {
        let (to, letters) = Letters::new();
        let store = self.clone();
        match self {
            Self::Topic(topic) => {
                let topic = topic.clone();
                tokio::task::spawn_blocking(move || {
                    if let Err(stop) = topic.letters(&selection, &to) {
                        // Nobody takes it where nobody takes letters any more.
                        let _ = to.put_blocking(Err(stop));
                    }
                });
            }
            Self::BigQuery { .. } | Self::Postgres { .. } => {
                tokio::spawn(async move {
                    if let Err(stop) = store.select(&selection, &to).await {
                        let _ = put(&to, Err(stop)).await;
                    }
                });
            }
        }
        letters
    }

    async fn select(&self, selection: &Selection, to: &To) -> Result<(), Stop> {
        match self {
            Self::Topic(_) => Ok(()),
            Self::BigQuery { table, .. } => {
                let asked =
                    Asked { letters: batch::name(&table.letters), rows: None, dialect: BIGQUERY };
                let rows = table.rows.as_ref().map(batch::name);
                let mut pages = self.pages(&statement(&asked, selection, rows)).await?;
                to.billed(pages.bytes_billed());
                while let Some(page) = pages.next().await? {
                    let page = page.iter().map(|row| row.iter().map(cell).collect::<Cells>());
                    let letters = page.filter_map(|row| letter(row, from_base64));
                    // Collected first: the compiler cannot see that the iterator may be sent.
                    for letter in letters.collect::<Vec<_>>() {
                        if put(to, Ok(letter)).await.is_break() {
                            return Ok(());
                        }
                    }
                }
                Ok(())
            }
            Self::Postgres { connections, table } => {
                let rows = table.rows.as_ref().map(quoted_name);
                let sql = statement(&postgres(table), selection, rows);
                let cursor = Cursor::open(connections, "read the dead letters", &sql).await?;
                loop {
                    let rows = cursor.next(STEP).await?;
                    if rows.is_empty() {
                        return Ok(());
                    }
                    for letter in rows.into_iter().filter_map(|row| letter(row, from_hex)) {
                        if let ControlFlow::Break(()) = put(to, Ok(letter)).await {
                            return Ok(());
                        }
                    }
                }
            }
        }
    }

    /// The answer of a query on BigQuery.
    async fn pages(&self, sql: &str) -> Result<Pages, Stop> {
        let Self::BigQuery { bigquery, table, location, most_bytes } = self else {
            return Err(ended("no BigQuery"));
        };
        let select = Select {
            what: format!("read the dead letters of {}", table.letters),
            project: &table.letters.project,
            location: location.as_deref(),
            sql,
            most_bytes_billed: *most_bytes,
        };
        let hint = "the message is BigQuery's; --max-bytes bounds what a query may be billed for, \
                    --from and --to what it reads";
        bigquery.pages(select).await.map_err(|error| error.stop(hint))
    }
}

/// The letters of a selection, with what the table has at their places where that is wanted.
fn statement(asked: &Asked, selection: &Selection, rows: Option<String>) -> String {
    match rows.filter(|_| selection.known) {
        Some(rows) => asked.redrivable(selection, &rows),
        None => asked.letters(selection),
    }
}

fn postgres(table: &Table<PostgresTable>) -> Asked {
    Asked {
        letters: quoted_name(&table.letters),
        rows: table.rows.as_ref().map(quoted_name),
        dialect: POSTGRES,
    }
}

/// BigQuery writes every value of these columns as text.
fn cell(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// A row of [`Asked::groups`]: the group, and letters, rows and groups of all.
fn group(row: Cells) -> Option<(Group, [u64; 3])> {
    let mut cells = row.into_iter();
    let mut next = || cells.next().flatten();
    let (reason, contract, event_type) = (next()?, next(), next());
    let mut count = || next().and_then(|text| number(&text)).unwrap_or(0);
    let (letters, redriven) = (count(), count());
    let mut micros = || next().and_then(|text| text.parse().ok());
    let (first_micros, last_micros) = (micros(), micros());
    let at = Position::new(next()?.parse().ok()?, next()?.parse().ok()?);
    let detail = next().unwrap_or_default();
    let mut count = || next().and_then(|text| number(&text)).unwrap_or(0);
    let all = [count(), count(), count()];
    let example = Example { at, message: None, detail };
    Some((
        Group {
            reason,
            contract,
            event_type,
            letters,
            redriven,
            first_micros,
            last_micros,
            example,
        },
        all,
    ))
}

/// A count, which PostgreSQL's SUM writes as a numeric.
fn number(text: &str) -> Option<u64> {
    text.split('.').next()?.parse().ok()
}

/// A row of [`Asked::letters`] or [`Asked::redrivable`]. `bytes` reads a value of bytes.
fn letter(mut row: Cells, bytes: fn(&str) -> Option<Vec<u8>>) -> Option<Letter> {
    let known = row.split_off(COLUMNS.min(row.len()));
    let number = |cell: &Option<String>| cell.as_ref()?.split('.').next()?.parse::<i64>().ok();
    let known: Vec<Option<i64>> = known.iter().map(number).collect();
    let (tries, standing) = match known[..] {
        [tries, is_row, is_taken, named, is_last] => (
            tries.unwrap_or(0).unsigned_abs(),
            Some(Standing::of([is_row, is_taken, named, is_last])),
        ),
        _ => (0, None),
    };
    let mut cells: [Option<String>; COLUMNS] = row.try_into().ok()?;
    let mut next = cells.iter_mut().map(Option::take);
    let mut next = || next.next().flatten();
    let written_micros = next().and_then(|text| text.parse().ok());
    let topic = next().unwrap_or_default();
    let at = Position::new(next()?.parse().ok()?, next()?.parse().ok()?);
    let previous = next().and_then(|text| text.parse().ok()).map(Offset);
    let timestamp: Option<i64> = next().and_then(|text| text.parse().ok());
    let key = next().and_then(|text| bytes(&text));
    let headers = next().map(|json| read_headers(&json)).unwrap_or_default();
    let value_bytes = next().and_then(|text| text.parse().ok()).unwrap_or(0);
    let value_sha256 = next().unwrap_or_default();
    let (reason, detail) = (next().unwrap_or_default(), next().unwrap_or_default());
    let (event_type, contract, group) = (next(), next(), next());
    let value = next().and_then(|text| bytes(&text));
    Some(Letter {
        topic,
        event: OwnedEvent {
            at,
            timestamp_ms: timestamp.map(|micros| micros.div_euclid(1_000)),
            record: UnsentRecord { key, headers, value },
        },
        value_bytes,
        value_sha256,
        previous,
        reason,
        detail,
        event_type,
        contract,
        group,
        written_micros,
        message: None,
        left_out: None,
        tries,
        standing,
    })
}

/// BigQuery's BYTES.
fn from_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// PostgreSQL's bytea.
fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("\\x")?.as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.chunks(2).map(byte).collect()
}
